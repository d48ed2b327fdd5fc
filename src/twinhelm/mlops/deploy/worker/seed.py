"""Where do models' processes come from? One process per interpreter that forks.

It loads a model's libraries once (a second of CPU), then becomes a fork of itself for every
worker that is asked for, which takes milliseconds and shares that memory: fifty small models cost
little more than one. It opens no model itself.

Each message on its socket is ``start KIND`` with a socket to serve (answered with the pid), or
``kill PID``. A worker is a session of its own; it dies with this process, which dies with the
house. When one has ended, whatever it forked and left behind is killed too: this process is the
one that orphans are handed to (``PR_SET_CHILD_SUBREAPER``). Linux.

A worker's bounds: no new privileges, no core files, data of what it was born with plus its limit
and a quarter (``RLIMIT_DATA``), files of at most a gigabyte, first to go where memory ends. It is
not a sandbox: it may read what the house's user may read.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import signal
import socket
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from .frames import Frame, pack, receive
from .loop import Desk, serve
from .model import PRELOADED

__all__ = ["grow"]

_PDEATHSIG, _SUBREAPER, _NO_NEW_PRIVILEGES = 1, 36, 38  # of prctl(2)
SLACK_BYTES = 64 << 20
FILE_BYTES = 1 << 30


def grow(control_fd: int) -> None:
    """Serve the control socket whose file descriptor is given until the house hangs up."""
    control = socket.socket(fileno=control_fd)
    workers: set[int] = set()
    _prctl(_SUBREAPER, 1)
    _prctl(_NO_NEW_PRIVILEGES, 1)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGCHLD, lambda *_: _reap(workers))
    while True:
        message, fds, _, _ = socket.recv_fds(control, 256, 1)
        if not message:
            break
        word, _, rest = message.decode().partition(" ")
        if word == "kill":
            _kill(int(rest), workers)
            continue
        for name in PRELOADED.get(rest, ()):
            with suppress(ImportError):  # the worker says what it lacks
                import_module(name)
        gc.freeze()
        # Nobody may be reaped before it is known.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid == 0:
            control.close()
            _live(socket.socket(fileno=fds[0]))
        workers.add(pid)
        os.close(fds[0])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        with suppress(OSError):
            control.send(str(pid).encode())
    for pid in list(workers):
        _kill(pid, workers)


def _reap(workers: set[int]) -> None:
    with suppress(ChildProcessError):
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            if pid in workers:
                workers.discard(pid)
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
    me = os.getpid()
    with suppress(OSError):
        for child in Path(f"/proc/{me}/task/{me}/children").read_text().split():
            if int(child) not in workers:
                os.kill(int(child), signal.SIGKILL)


def _kill(pid: int, workers: set[int]) -> None:
    if pid in workers:
        for send in (os.killpg, os.kill):
            with suppress(ProcessLookupError):
                send(pid, signal.SIGKILL)


def _live(connection: socket.socket) -> None:
    """Be a worker; never returns."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        parent = os.getppid()
        os.setsid()
        _prctl(_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("500")
        config = json.loads(receive(connection)[1])  # noqa: TID251 - the house's own door is not here
        memory = int(config["memory_bytes"])
        most = _data_bytes() + memory + memory // 4 + SLACK_BYTES
        for what, bound in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_DATA, most),
            (resource.RLIMIT_FSIZE, FILE_BYTES),
        ):
            with suppress(ValueError):  # a lower one is in force
                resource.setrlimit(what, (bound, bound))
        try:
            desk = Desk(config)
        except Exception as error:  # noqa: BLE001 - whatever a model raises
            said = f"{type(error).__name__}: {error}"
            connection.sendall(pack(Frame(0, 500, "", said.encode())))
            return
        connection.sendall(pack(Frame(0, 200, "", json.dumps(desk.about).encode())))
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        serve(connection, desk, memory_bytes=memory)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    finally:
        # Whatever it forked goes with it, and nothing of the seed's is run at exit.
        with suppress(OSError):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)


def _data_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return sys.maxsize // 2


def _prctl(what: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(what, value, 0, 0, 0)
