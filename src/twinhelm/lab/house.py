"""How does the lab speak with the twinhelm that it is judged by? Like any user: over HTTP.

A :class:`House` is one server at an address; :func:`started` starts one of its own as a child
process, which ends with the caller, also after ``kill -9``. In: paths and bodies. Out: answers
as they came. The local token is read from the data directory of the child and sent to it alone.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson

from twinhelm.lab.stage.guard import guarded
from twinhelm.lab.words import LabError, read_json

__all__ = ["House", "child", "save_incidents", "started"]

API = "/api/twinhelm/v1/"
PATIENCE_S = 90.0
"""How long a child may take to be ready: compiled kernels may have to be made first."""
END_S = 20.0
"""How long a child may take to end when asked."""
TIMEOUT_S = 120.0
_PROGRAM = "from twinhelm.cli import main; main()"

T = TypeVar("T")


class House:
    """One server, asked over one connection that is kept; may be used by one thread only."""

    def __init__(self, url: str, token: str = "") -> None:
        """Take the address; raises :class:`LabError` where it is none."""
        self.url = url.rstrip("/")
        try:
            parts = urlsplit(self.url)
            kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
            self._line = kinds[parts.scheme](parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        except (KeyError, ValueError) as error:
            hint = "write it as http://127.0.0.1:9700"
            raise LabError(f"{url!r} is no address of a server", hint=hint) from error
        self._path = parts.path
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send a request and return the status and the body, whatever they are.

        Raises :class:`LabError` where nothing answers.
        """
        for last in (False, True):
            try:
                self._line.request(
                    method, self._path + path, body, {**self._headers, **(headers or {})}
                )
                answer = self._line.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException) as error:
                self._line.close()
                # A kept connection may have been closed meanwhile; a fresh one tells for sure.
                if last or isinstance(error, TimeoutError):
                    hint = "start it with `twinhelm up`"
                    raise LabError(
                        f"no server answers at {self.url}: {error}", hint=hint
                    ) from error
        raise AssertionError

    def listing(self) -> bytes | None:
        """Return the list of incidents as it came, or None where there is none for us."""
        status, body = self.ask("GET", f"{API}incidents?limit=1000")
        return body if status == 200 else None

    def incidents(self) -> list[dict[str, Any]] | None:
        """List the newest incidents, or None where the server has no such list for us."""
        try:
            found = orjson.loads(self.listing() or b"null")
            return None if found is None else list(found["incidents"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return None

    def file(self, incident: int) -> bytes:
        """Return one incident's file as it came; raises :class:`LabError` where there is none."""
        status, body = self.ask("GET", f"{API}incidents/{incident}")
        if status != 200:
            raise LabError(f"incident {incident} cannot be read: status {status}")
        return body

    def repairs(self, since_s: float) -> list[dict[str, Any]]:
        """List the repairs that were asked for since then; none where it shows none."""
        status, body = self.ask("GET", f"{API}repairs")
        listed = orjson.loads(body) if status == 200 else []
        return [one for one in listed if one["asked_ms"] / 1000 >= since_s]

    def move_clock(self, now_ms: int) -> bool:
        """Move the clock of a driven server; False where it has one of its own, or we may not."""
        body = orjson.dumps({"now_ms": now_ms})
        status, said = self.ask("POST", f"{API}clock", body, {"Content-Type": "application/json"})
        if status // 100 == 2:
            return True
        if status in (401, 403, 404, 405) or (status == 409 and b"driven" in said):
            return False
        raise LabError(f"the clock at {self.url} cannot be moved: {_told(said)}")

    def now_s(self) -> float | None:
        """Tell the time by the server's clock, or None where it does not say."""
        status, said = self.ask("GET", f"{API}status")
        try:
            return float(orjson.loads(said)["now_ms"]) / 1000 if status == 200 else None
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return None

    def close(self) -> None:
        """Close the connection."""
        self._line.close()


def save_incidents(house: House, folder: Path) -> None:
    """Write the list of incidents and each one's file, byte for byte as the server gave them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "incidents.json").write_bytes(house.listing() or b"")
    for each in house.incidents() or ():
        (folder / f"incident-{each['id']}.json").write_bytes(house.file(each["id"]))


@contextmanager
def started(
    data: Path, *flags: str, environment: Mapping[str, str] | None = None
) -> Iterator[House]:
    """Start ``twinhelm up`` on a data directory and a free port; it ends when the block does."""
    argv = (sys.executable, "-c", _PROGRAM, "up", "--data", str(data), "--listen", "127.0.0.1:0")
    beacon = data / "server.json"

    def ready() -> House | None:
        if not beacon.exists():
            return None
        return House(read_json(beacon)["url"], (data / "cli-token").read_text().strip())

    log = data.with_name(f"{data.name}.log")
    with child("twinhelm", (*argv, *flags), log, ready, environment) as house:
        yield house
        house.close()


@contextmanager
def child(
    name: str,
    argv: Sequence[str],
    log: Path,
    ready: Callable[[], T | None],
    environment: Mapping[str, str] | None = None,
) -> Iterator[T]:
    """Run a program until the block ends; yields what ``ready`` returns once it is not None.

    ``environment`` is put over our own.

    What the program says goes to ``log``. Ctrl-C does not reach it, so that it can still be
    asked while the caller ends. Raises :class:`LabError` with the end of its log where it does
    not get ready.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = guarded(argv, by=signal.SIGTERM)
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - our own programs
            command, stdin=subprocess.PIPE, stdout=out, stderr=out, process_group=0,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
    try:
        yield _until(name, process, log, ready)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(
    name: str, process: subprocess.Popen[bytes], log: Path, ready: Callable[[], T | None]
) -> T:
    end = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < end:
        if (found := ready()) is not None:
            return found
        time.sleep(0.05)
    said = log.read_text("utf-8", "replace").strip()[-800:]
    how = "is not ready" if process.returncode is None else f"ended with {process.returncode}"
    raise LabError(f"{name} {how}: {said or 'it said nothing'}")


def _told(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["error"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")
