"""May this process use this directory? Its format, its lock and its free space.

A store directory holds ``FORMAT`` (one number), ``LOCK``, ``telemetry.duckdb`` and the append
log. FORMAT is written last, so that a copy that was cut short is not taken for a store.
"""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

from twinhelm.core.errors import Conflict, NewerFormat, Refused, Unavailable

__all__ = ["DATABASE", "FORMAT", "Home", "write_format"]

FORMAT = 1
DATABASE = "telemetry.duckdb"


class Home:
    """A directory that is ours until :meth:`close`.

    Raises :class:`NewerFormat` (nothing changed), :class:`Conflict` where another process has
    it, :class:`Refused` where it holds something else, :class:`Unavailable` where it cannot be
    read or written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            _check_format(directory)
            self._lock = os.open(directory / "LOCK", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise Unavailable(
                f"the telemetry directory {directory} cannot be used: {error}",
                hint="it must be a directory that this user may read and write",
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise Conflict(
                f"another process uses the telemetry directory {directory}",
                hint="stop it, or give this one another directory with --data",
            ) from error

    def disk_bytes(self) -> int:
        """Return the size of all files here."""
        total = 0
        for file in self.directory.iterdir():
            with suppress(FileNotFoundError):  # a flush removes segments at any moment
                total += file.stat().st_size
        return total

    def free_bytes(self) -> int:
        """Return the room left on the disk for this user."""
        return shutil.disk_usage(self.directory).free

    def close(self) -> None:
        """Let others use it."""
        os.close(self._lock)


def write_format(directory: Path) -> None:
    """Write the format file, durably, where it is not there yet."""
    file = directory / "FORMAT"
    if file.exists():
        return
    with file.open("x") as out:
        out.write(f"{FORMAT}\n")
        out.flush()
        os.fsync(out.fileno())


def _check_format(directory: Path) -> None:
    file = directory / "FORMAT"
    if not file.exists():
        if (directory / DATABASE).exists():
            raise Refused(
                f"{directory} has a {DATABASE} but no FORMAT file: a copy that was cut short?",
                hint="copy it again, wholly, or move the directory away",
            )
        return
    text = file.read_text("ascii", errors="replace").strip()
    if not text.isdigit():
        raise Refused(f"{file} says {text[:40]!r} where a number belongs", hint="restore a backup")
    if int(text) > FORMAT:
        raise NewerFormat(
            f"{directory} was written in format {text}, this release knows {FORMAT}",
            hint="use the newer release; nothing was changed",
        )
