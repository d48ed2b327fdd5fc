"""How does the house get a process for a model? From the seed of its interpreter, warm.

:class:`Seeds` keeps one seed process per interpreter (:mod:`twinhelm.mlops.deploy.worker.seed`).
:meth:`Seeds.start` returns a socket behind which a model is loaded and has answered once; it may
take seconds and is called from threads. When the house dies in any way the seeds see their socket
close, and end with all their workers.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from twinhelm.core import json
from twinhelm.core.errors import Refused, Unavailable
from twinhelm.mlops.deploy.worker import frames
from twinhelm.mlops.deploy.worker.model import kind_of
from twinhelm.mlops.mlmodel import Described

__all__ = ["DoesNotLoad", "Limits", "Seeds", "Started"]

WARM_S = 120.0
"""How long libraries and a model may take to load."""

PACKAGE = Path(frames.__file__).parent
BOOT = (
    "import importlib.util as u, sys; folder = sys.argv[1]; name = 'twinhelm_worker';"
    "s = u.spec_from_file_location(name, folder + '/__init__.py',"
    " submodule_search_locations=[folder]);"
    "m = u.module_from_spec(s); sys.modules[name] = m; s.loader.exec_module(m);"
    "from twinhelm_worker.seed import grow; grow(int(sys.argv[2]))"
)
ONE_THREAD = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "LOKY_MAX_CPU_COUNT",
)  # fmt: skip
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")
"""All of our own environment that a model's process sees: nothing there is a secret."""


class DoesNotLoad(Refused):
    """A model cannot be opened, or not within its limits; the message says what it raised."""

    status = 500


@dataclass(frozen=True, slots=True)
class Limits:
    """What a version's processes may use.

    ``memory_mb`` is what a process may add to the bare interpreter; one that grows past it is
    replaced. ``python`` is the interpreter that has the model's libraries.
    """

    memory_mb: int = 1024
    timeout_s: float = 10.0
    workers: int = 1
    max_rows: int = 100_000
    python: str = field(default=sys.executable)


@dataclass(frozen=True, slots=True)
class Started:
    """A warm process: its socket, what it told of its model, and how to end it at once."""

    connection: socket.socket
    pid: int
    about: dict[str, Any]
    kill: Callable[[], None]


class Seeds:
    """The seeds by interpreter; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seeds: dict[str, _Seed] = {}

    def start(self, name: str, version: str, model: Described, limits: Limits) -> Started:
        """Start a process for a model and return once it is warm.

        Raises :class:`DoesNotLoad`, or :class:`Unavailable` where it died or took too long.
        """
        with self._lock:
            seed = self._seeds.get(limits.python)
            if seed is None or seed.process.poll() is not None:
                seed = self._seeds[limits.python] = _Seed(limits.python)
        connection, pid = seed.fork(kind_of(model.flavors))
        kill = partial(seed.kill, pid)
        config = {
            "name": name, "version": version, "folder": str(model.folder),
            "flavors": model.flavors, "params": model.params, "example": model.example,
            "fields": [[f.name, f.type, f.optional, f.shape] for f in model.schema.inputs],
            "max_rows": limits.max_rows, "memory_bytes": limits.memory_mb << 20,
        }  # fmt: skip
        try:
            connection.settimeout(WARM_S)
            connection.sendall(frames.pack(frames.Frame(0, 0, "", json.dumps(config))))
            code, told = frames.receive(connection)
            if code != 200:
                said = told.decode(errors="replace")[:1000]
                raise DoesNotLoad(f"{name}/{version} does not load: {said}")
        except (OSError, EOFError) as error:
            connection.close()
            kill()
            said = f"the process of {name}/{version} ended or hung while it loaded"
            hint = "it may need more than rollout.memory_mb"
            raise Unavailable(f"{said}: {error!r}", hint=hint) from error
        except DoesNotLoad:
            connection.close()
            raise
        return Started(connection, pid, json.loads(told), kill)

    def close(self) -> None:
        """End every seed, and with it every process."""
        with self._lock:
            for seed in self._seeds.values():
                seed.close()
            self._seeds.clear()


class _Seed:
    """One seed process."""

    def __init__(self, python: str) -> None:
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(WARM_S)
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment |= dict.fromkeys(ONE_THREAD, "1") | {"HOME": tempfile.gettempdir()}
        with theirs:
            try:
                self.process = subprocess.Popen(  # noqa: S603 - our own program
                    [python, "-I", "-c", BOOT, str(PACKAGE), str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    env=environment,
                    cwd=environment["HOME"],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:
                self._control.close()
                raise DoesNotLoad(f"the interpreter {python} cannot be run: {error}") from error

    def fork(self, kind: str) -> tuple[socket.socket, int]:
        """Make a worker; returns our end of its socket, and its pid."""
        ours, theirs = socket.socketpair()
        try:
            with self._lock, theirs:
                message = f"start {kind}".encode()
                socket.send_fds(self._control, [message], [theirs.fileno()])
                answer = self._control.recv(64)
            if not answer:
                raise EOFError("it hung up")
        except (OSError, EOFError) as error:
            ours.close()
            self.close()
            said = f"the process that models are started from ended or hung: {error!r}"
            raise Unavailable(said, hint="it is started again with the next model") from error
        return ours, int(answer)

    def kill(self, pid: int) -> None:
        """End a worker at once, with whatever it started; one that has ended is left alone."""
        with suppress(OSError):
            self._control.send(f"kill {pid}".encode())

    def close(self) -> None:
        """Hang up, which ends the seed and its workers; kill it where it does not listen."""
        self._control.close()
        try:
            self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
