"""Where do bytes by name rest: detector checkpoints, reports? In files.

A put writes beside the old bytes, forces them to the disk and renames: whoever reads, also after
a crash, finds the old or the new whole, never a mixture.
"""

import errno
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from twinhelm.core.errors import BadInput, StoreFull, Unavailable

__all__ = ["FileBlobs", "check_name", "sync_directory", "told"]

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
_MAX_NAME = 200
_UNFINISHED = "~"
"""Ends the name of a file that a put is still writing; no blob's name can hold it."""


class FileBlobs:
    """One file a blob under a directory, readable by its owner alone.

    What a put cut short left behind is removed here.

    Raises :class:`StoreFull` where the disk has no room and :class:`Unavailable` where the
    directory cannot be used; the old bytes are still there then.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for left in directory.rglob(f"*{_UNFINISHED}"):
                left.unlink()
        except OSError as error:
            raise told(directory, error) from error

    def put(self, name: str, data: bytes) -> None:
        """See the port; durable on return."""
        path = self._path(name)
        unfinished = path.with_name(path.name + _UNFINISHED)
        with self._lock:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with unfinished.open("wb") as out:
                    unfinished.chmod(0o600)
                    out.write(data)
                    out.flush()
                    os.fsync(out.fileno())
                unfinished.replace(path)
                sync_directory(path.parent)
            except OSError as error:
                unfinished.unlink(missing_ok=True)
                raise told(path, error) from error

    def get(self, name: str) -> bytes | None:
        """See the port."""
        path = self._path(name)
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise told(path, error) from error

    def names(self) -> Iterator[str]:
        """See the port."""
        found = (
            path.relative_to(self._directory).as_posix()
            for path in self._directory.rglob("*")
            if path.is_file() and not path.name.endswith(_UNFINISHED)
        )
        return iter(sorted(found))

    def delete(self, name: str) -> None:
        """See the port."""
        path = self._path(name)
        with self._lock:
            try:
                path.unlink()
                sync_directory(path.parent)
            except (FileNotFoundError, NotADirectoryError):
                return
            except OSError as error:
                raise told(path, error) from error

    def _path(self, name: str) -> Path:
        check_name(name)
        return self._directory / name


def check_name(name: str) -> None:
    """Refuse a name that cannot be a blob's; raises :class:`BadInput`."""
    if len(name) > _MAX_NAME or _NAME.fullmatch(name) is None:
        raise BadInput(
            f"{name[:80]!r} cannot name a blob",
            hint=f"up to {_MAX_NAME} letters, digits and -_./, no part empty or led by a dot",
        )


def sync_directory(directory: Path) -> None:
    """Force to the disk which files a directory holds."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def told(path: Path, error: OSError) -> Unavailable:
    """Say in our words what the kernel says of a path: no room, or not to be used."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFull(f"no room for {path}: {error}", hint="make room and try again")
    return Unavailable(f"{path} cannot be used: {error}", hint="check the directory's rights")
