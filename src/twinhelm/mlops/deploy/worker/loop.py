"""How does a model's process live? It waits for frames, answers what waits together, measures.

Adaptive batching: all requests that arrived while the last ones were worked on and that ask alike
go to the model as one question of at most ``BATCH_ROWS`` rows; nobody is waited for. Where such a
question fails, each of its requests is asked alone, so that no one's rows spoil another's answer.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .answered import answer, differing, failure
from .asked import Asked, Given, Reader
from .frames import FULL, Form, Frame, Inbox, pack
from .model import Model, Outputs, open_model
from .tensors import Wrong, read
from .typed import Spec

__all__ = ["Desk", "own_bytes", "serve"]

BATCH_ROWS = 4096
LOOK_S = 0.2
"""How often memory is looked at."""
PAGE = 4096


class Desk:
    """One opened model, and how it is spoken to; ``about`` is what the house was told of it."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._model: Model = open_model(Path(config["folder"]), config["flavors"])
        specs = [Spec(name, kind, opt, tuple(shape)) for name, kind, opt, shape in config["fields"]]
        self._reader = Reader(specs, config["params"], max_rows=config["max_rows"])
        self._name: tuple[str, str] = (config["name"], config["version"])
        self.about = {"classes": self._model.classes, "outputs": self._warm(specs, config)}

    def answers(self, frames: list[Frame]) -> Iterator[list[Frame]]:
        """Answer requests, group by group as they are done."""
        groups: dict[Any, list[tuple[Frame, Asked]]] = {}
        wrong = []
        for frame in frames:
            try:
                asked = self._read(frame)
            except Wrong as error:
                wrong.append(_failed(frame, error.status, str(error)))
                continue
            key = _likeness(asked)
            rows = sum(each.rows for _, each in groups.get(key, ()))
            if rows and (rows + asked.rows > BATCH_ROWS or asked.params):
                key = (frame.number, key)
            groups.setdefault(key, []).append((frame, asked))
        if wrong:
            yield wrong
        for group in groups.values():
            yield self._answered(group)

    def _read(self, frame: Frame) -> Asked:
        body = frame.body[: len(frame.body) - frame.many] if frame.many else frame.body
        try:
            value = read(body)
            return self._reader.v2(value) if frame.code == Form.V2 else self._reader.mlflow(value)
        except Wrong:
            raise
        except Exception as error:  # no request may end the process that others wait for
            raise Wrong(f"the request cannot be read: {error!r}") from error

    def _answered(self, group: list[tuple[Frame, Asked]]) -> list[Frame]:
        rows = sum(asked.rows for _, asked in group)
        try:
            together = self._model.ask(
                _joined([asked.given for _, asked in group]), group[0][1].params
            )
            if len(group) > 1 and any(len(each) != rows for each in together.values()):
                raise ValueError("not one answer a row")
        except MemoryError:
            said = "the model needs more memory than rollout.memory_mb gives it"
            return [_failed(frame, 500, said)._replace(flags=FULL) for frame, _ in group]
        except Exception as error:  # noqa: BLE001 - whatever a model raises
            if len(group) > 1:
                return [made for each in group for made in self._answered([each])]
            return [_failed(group[0][0], 500, f"the model failed: {type(error).__name__}: {error}")]
        if len(group) == 1:  # whose answer may have any shape
            return [self._reply(*group[0], together)]
        at, made = 0, []
        for frame, asked in group:
            part = {name: each[at : at + asked.rows] for name, each in together.items()}
            at += asked.rows
            made.append(self._reply(frame, asked, part))
        return made

    def _reply(self, frame: Frame, asked: Asked, outputs: Outputs) -> Frame:
        name, other = asked.id or frame.id, 0
        try:
            body = answer(
                frame.code, asked, outputs, id=name, model=self._name, classes=self._model.classes
            )
            if frame.many:
                other = differing(frame.code, frame.body[-frame.many :], outputs)
        except Wrong as error:
            return _failed(frame, error.status, str(error))
        except (TypeError, ValueError) as error:
            return _failed(frame, 500, f"the model's answer cannot be written: {error}")
        return Frame(frame.number, 200, name, body, asked.rows, other)

    def _warm(self, specs: list[Spec], config: dict[str, Any]) -> list[list[Any]]:
        """Ask the model once, for its example or a row made from its schema; tell its outputs.

        A row that was made up may hold a category that the model refuses to know; that is no
        reason not to serve. Everything else is: the exception goes to whoever asked for it.
        """
        try:
            if config["example"]:
                asked = self._reader.mlflow(read(config["example"].encode()))
            elif specs:
                asked = Asked(self._reader.typed({each.name: _made_up(each) for each in specs}), 1)
            else:
                return []
            found = self._model.ask(asked.given, asked.params)
        except Exception:
            if config["example"] or self._reader.numbers:
                raise
            return []
        return [[name, each.dtype.str, list(each.shape)] for name, each in found.items()]


def serve(connection: socket.socket, desk: Desk, *, memory_bytes: int) -> None:
    """Answer until the house hangs up."""
    inbox, born, looked = Inbox(), own_bytes(), 0.0
    room = memoryview(bytearray(1 << 20))
    while size := connection.recv_into(room):
        frames = inbox.feed(room[:size])
        if not frames:
            continue
        for replies in desk.answers(frames):
            if (now := time.monotonic()) - looked > LOOK_S:
                looked = now
                if own_bytes() - born > memory_bytes:
                    replies = [each._replace(flags=each.flags | FULL) for each in replies]
            connection.sendall(b"".join(map(pack, replies)))


def own_bytes() -> int:
    """Return the resident memory that is this process's own, not mapped from files."""
    with Path("/proc/self/statm").open("rb") as file:
        _, resident, shared, *_ = file.read().split()
    return (int(resident) - int(shared)) * PAGE


def _likeness(asked: Asked) -> Any:
    """Name what requests must share to be asked together."""
    given = asked.given
    if isinstance(given, dict):
        return tuple((name, each.dtype.str, each.shape[1:]) for name, each in given.items())
    return given.dtype.str, given.shape[1:]


def _joined(given: list[Given]) -> Given:
    first = given[0]
    if len(given) == 1:
        return first
    alike: list[Any] = given
    if isinstance(first, dict):
        return {name: np.concatenate([each[name] for each in alike]) for name in first}
    return np.concatenate(alike)


def _made_up(spec: Spec) -> Any:
    shape = [max(length, 1) for length in spec.shape[1:]]
    if spec.dtype is None or spec.dtype.kind in "OU":
        return np.full([1, *shape], "", object)
    return np.zeros([1, *shape], spec.dtype)


def _failed(frame: Frame, status: int, message: str) -> Frame:
    return Frame(frame.number, status, frame.id, failure(frame.code, status, message))
