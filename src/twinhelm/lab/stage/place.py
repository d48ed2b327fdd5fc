"""The folder and the ports of one lab: one lab a folder, and nothing left of the last.

In: the folder asked for. Out: a lock on it that the system takes back when we die, and free
ports. Raises :class:`LabError` where the folder is in use, or the port asked for is taken.
"""

from __future__ import annotations

import fcntl
import random
import shutil
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from twinhelm.lab.plan import LOOPBACK
from twinhelm.lab.words import LabError

__all__ = ["claim", "free_ports"]

OF_ONE_RUN = ("config", "logs", "models", "out", "runbooks", "tls", "volume")
PORTS = range(20_000, 32_000)
"""Below those that systems give to outgoing connections (from 32768 on Linux), so that none takes
the port of a process that is being restarted."""


def claim(folder: Path) -> IO[bytes]:
    """Lock the folder and remove what the last lab left there; close the handle to let go."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lab.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise LabError(
            f"a lab is already up in {folder}", hint="stop it, or give another --folder"
        ) from error
    for name in OF_ONE_RUN:
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("flags.json", "plan.json", "control.json"):
        with suppress(FileNotFoundError):
            (folder / name).unlink()
    (folder / "out").mkdir()
    return lock


def free_ports(names: Iterable[str], asked: Mapping[str, int] | None = None) -> dict[str, int]:
    """Find a free port of loopback for each name; ``asked`` says which some are to have, if any."""
    found = {name: port for name, port in (asked or {}).items() if port}
    for port in found.values():
        if not _is_free(port):
            raise LabError(f"port {port} is taken", hint="give another, or none to have one found")
    given = set(found.values())
    ports = iter(random.SystemRandom().sample(PORTS, len(PORTS)))
    for name in names:
        if name not in found:
            found[name] = next(port for port in ports if port not in given and _is_free(port))
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
