"""Where do large bytes rest that are written once and seldom read? End to end in segment files.

A database writes such bytes twice, first to its journal; here they are written once, so a request
of a hundred rows costs a third. A row elsewhere names segment and offset. Bytes are forced to the
disk before :meth:`Bodies.append` returns, so whoever commits a row afterwards never names bytes
that are not there; a crash between leaves bytes that nobody names, which go with their segment.
"""

import errno
import mmap
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from twinhelm.store.blobs import sync_directory

__all__ = ["Bodies"]

SEGMENT_BYTES = 64 << 20
DIRECT_BYTES = 256 << 10
"""So much at once goes past the system's cache, which costs a fifth of the CPU time."""

BLOCK, ROOM_BYTES = 4096, 1 << 20
END = ".bodies"


class Bodies:
    """Segments in a folder, readable by their owner alone; raises :class:`OSError`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        # A segment of an earlier process may end in the middle of something; leave it be.
        self._number = max(self._numbers(), default=0)
        self._file = self._direct = -1
        self._size = SEGMENT_BYTES
        self._room = mmap.mmap(-1, ROOM_BYTES)  # aligned, as direct writing wants it

    def append(self, parts: Sequence[bytes]) -> tuple[int, int]:
        """Keep parts end to end, durably; returns their segment and where the first begins."""
        with self._lock:
            if self._size >= SEGMENT_BYTES:
                self._begin()
            if self._direct >= 0 and sum(map(len, parts)) >= DIRECT_BYTES:
                start = -(-self._size // BLOCK) * BLOCK
                self._size = self._past_the_cache(parts, start)
            else:
                start, left = self._size, memoryview(b"".join(parts))
                while left:
                    sent = os.pwrite(self._file, left, self._size)
                    left, self._size = left[sent:], self._size + sent
            os.fdatasync(self._file)
            return self._number, start

    @contextmanager
    def opened(self, segment: int) -> Iterator[int]:
        """Open a segment to read from with :func:`os.pread`."""
        file = os.open(self._path(segment), os.O_RDONLY)
        try:
            yield file
        finally:
            os.close(file)

    def forget(self, before: int | None) -> None:
        """Remove the segments numbered below ``before``; None keeps the one in use alone."""
        with self._lock:
            bound = self._number if before is None else min(before, self._number)
            for number in self._numbers():
                if number < bound:
                    self._path(number).unlink()

    def copy(self, target: Path) -> None:
        """Copy every segment, as far as it is written now."""
        target.mkdir(parents=True, exist_ok=True)
        for number in self._numbers():
            shutil.copy2(self._path(number), target / self._path(number).name)

    def close(self) -> None:
        """Let go of the segment in use."""
        with self._lock:
            self._end()

    def _past_the_cache(self, parts: Sequence[bytes], at: int) -> int:
        """Write many bytes without a copy in the system's cache; returns where they end."""
        room, filled = memoryview(self._room), 0
        for part in parts:
            left = memoryview(part)
            while left:
                taken = min(len(left), len(room) - filled)
                room[filled : filled + taken] = left[:taken]
                filled, left = filled + taken, left[taken:]
                if filled == len(room):
                    at, filled = self._block(room, at), 0
        if filled:
            whole = -(-filled // BLOCK) * BLOCK
            at = self._block(room[:whole], at) - whole + filled
        return at

    def _block(self, data: memoryview, at: int) -> int:
        if os.pwrite(self._direct, data, at) < len(data):
            raise OSError(errno.ENOSPC, "a block was written in part")
        return at + len(data)

    def _end(self) -> None:
        for file in (self._file, self._direct):
            if file >= 0:
                os.close(file)
        self._file, self._direct, self._size = -1, -1, SEGMENT_BYTES

    def _begin(self) -> None:
        self._end()
        self._number += 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        self._file, self._size = os.open(self._path(self._number), flags, 0o600), 0
        with suppress(OSError, AttributeError):  # not every file system and system can
            self._direct = os.open(self._path(self._number), os.O_WRONLY | os.O_DIRECT)
        sync_directory(self._folder)

    def _numbers(self) -> list[int]:
        return sorted(int(path.stem) for path in self._folder.glob(f"*{END}"))

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}{END}"
