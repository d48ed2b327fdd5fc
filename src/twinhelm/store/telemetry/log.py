"""What has been acknowledged but not yet moved to the database? The append log.

In: records (a kind and bytes, :mod:`.payload`). Out: the same records, in order, after a crash.
Files ``wal-<n>.log``; a record is::

    "TWL1" | kind u8, 3 zero bytes | length u32 | crc32 u32 of (kind, length, payload) | payload

all little-endian. When :meth:`AppendLog.append` returns, the kernel has the bytes: they survive
``kill -9``. A background thread forces them to the disk every ``sync_interval_s``; with 0 every
append waits for the disk, and threads that wait together share one ``fdatasync``.

After a crash the last segment may end in part of a record, which was never acknowledged: it is
cut off. A bad record with good ones after it is damage: the segment is copied aside as
``wal-<n>.damaged``, the good records are used, and the loss is told (:attr:`AppendLog.damage`).
"""

import logging
import os
import shutil
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from twinhelm.core.errors import StoreFull
from twinhelm.store.blobs import sync_directory, told

__all__ = ["AppendLog", "Buffer"]

Buffer = bytes | memoryview

_MAGIC = b"TWL1"
_HEAD = struct.Struct("<4sBxxxII")
_MAX_PAYLOAD = 1 << 31
_log = logging.getLogger(__name__)


class AppendLog:
    """The segments of one directory. One thread at a time may append; any may wait."""

    def __init__(
        self,
        directory: Path,
        *,
        sync_interval_s: float,
        min_free_bytes: int,
        free_bytes: Callable[[], int],
    ) -> None:
        self._directory = directory
        self._always = sync_interval_s == 0
        self._min_free = min_free_bytes
        self._free_bytes = free_bytes
        self._fd = -1
        self._closing: list[int] = []
        self._size = 0
        self._written = 0
        self._synced = 0
        self._sync_lock = threading.Lock()
        self._swap_lock = threading.Lock()
        self._stop = threading.Event()
        self.segment = 0
        self.damage: tuple[str, ...] = ()
        self._thread: threading.Thread | None = None
        if not self._always:
            self._thread = threading.Thread(
                target=self._sync_often, args=(sync_interval_s,), name="log-sync", daemon=True
            )

    def replay(self, first: int) -> Iterator[tuple[int, int, memoryview]]:
        """Yield (segment, kind, payload) from segment ``first`` on; older ones are removed.

        Call once, wholly, before :meth:`start`.
        """
        segments = self._segments()
        for number in [n for n in segments if n < first]:
            self._path(number).unlink()
        segments = [n for n in segments if n >= first]
        for number in segments:
            data = self._path(number).read_bytes()
            for kind, payload in self._records(data, number, last=number == segments[-1]):
                yield number, kind, payload
        self.segment = max([first, *(n + 1 for n in segments)])

    def start(self) -> None:
        """Open a new segment and begin to force it to disk."""
        self._fd = self._create(self.segment)
        if self._thread is not None:
            self._thread.start()

    def append(self, kind: int, parts: list[Buffer]) -> None:
        """Write one record.

        Raises :class:`StoreFull`, with nothing kept, when there is no room for it.
        """
        length = sum(len(part) for part in parts)
        free = self._free_bytes()
        if free - length < self._min_free:
            raise StoreFull(
                f"{self._directory} has {free >> 20} MiB free, telemetry stops below "
                f"{self._min_free >> 20} MiB",
                hint="make room, or lower store.min_free_bytes or the retention",
            )
        crc = zlib.crc32(struct.pack("<BI", kind, length))
        for part in parts:
            crc = zlib.crc32(part, crc)
        try:
            _write_all(self._fd, [_HEAD.pack(_MAGIC, kind, length, crc), *parts])
        except OSError as error:
            # Part of the record may stand there: without the cut, the next one would be
            # unreadable behind it.
            os.ftruncate(self._fd, self._size)
            raise told(self._path(self.segment), error) from error
        self._size += _HEAD.size + length
        self._written += 1

    def wait(self) -> None:
        """Return when all that was appended so far is on the disk, where that was asked for."""
        mark = self._written
        if not self._always or self._synced >= mark:
            return
        with self._sync_lock:
            if self._synced < mark:
                self.sync()

    def sync(self) -> None:
        """Force what has been written to the disk."""
        with self._swap_lock:
            mark = self._written
            if mark > self._synced and self._fd >= 0:
                os.fdatasync(self._fd)
                self._synced = mark

    def rotate(self) -> int:
        """Close the segment, open the next one and return its number.

        Raises :class:`StoreFull` or :class:`Unavailable` with the old segment still in use.
        """
        fd = self._create(self.segment + 1)
        if self._always:
            self.sync()
        with self._swap_lock:
            self._closing.append(self._fd)
            self._fd, self._size = fd, 0
            self.segment += 1
        return self.segment

    def finish(self) -> None:
        """Force segments that were rotated out to the disk; slow, so no lock is held."""
        with self._swap_lock:
            closing, self._closing = self._closing, []
        for fd in closing:
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)

    def drop_before(self, first: int) -> None:
        """Remove segments that the database has taken over."""
        for number in self._segments():
            if number < first:
                self._path(number).unlink()

    def close(self) -> None:
        """Force everything to disk and let go."""
        self._stop.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()
        self.finish()
        if self._fd >= 0:
            self.sync()
            os.close(self._fd)
            self._fd = -1

    def _path(self, number: int) -> Path:
        return self._directory / f"wal-{number:08d}.log"

    def _segments(self) -> list[int]:
        return sorted(int(p.stem[4:]) for p in self._directory.glob("wal-????????.log"))

    def _create(self, number: int) -> int:
        try:
            fd = os.open(self._path(number), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            sync_directory(self._directory)
        except OSError as error:
            raise told(self._path(number), error) from error
        return fd

    def _sync_often(self, interval_s: float) -> None:
        while not self._stop.wait(interval_s):
            try:
                self.sync()
            except OSError:
                # The bytes stay with the kernel and the next round tries again; a disk that is
                # really gone makes the next append fail, which the sender hears of.
                _log.exception("cannot force the append log in %s to disk", self._directory)

    def _records(self, data: bytes, number: int, *, last: bool) -> Iterator[tuple[int, memoryview]]:
        view = memoryview(data)
        at = 0
        while at < len(data):
            record = _record_at(view, at)
            if record is not None:
                yield record[0], record[1]
                at += _HEAD.size + len(record[1])
                continue
            next_good = data.find(_MAGIC, at + 1)
            while next_good >= 0 and _record_at(view, next_good) is None:
                next_good = data.find(_MAGIC, next_good + 1)
            if next_good < 0 and last:
                os.truncate(self._path(number), at)
                return
            end = next_good if next_good >= 0 else len(data)
            file = self._path(number)
            aside = file.with_suffix(".damaged")
            if not aside.exists():
                shutil.copyfile(file, aside)
            loss = (
                f"{file.name} is damaged: {end - at} bytes from byte {at} on could not be read and "
                f"what they held is lost; the file is kept as {aside.name}"
            )
            self.damage = (*self.damage, loss)
            _log.error("%s", loss)
            at = end


def _record_at(view: memoryview, at: int) -> tuple[int, memoryview] | None:
    """Return (kind, payload) of a whole and correct record that begins at ``at``."""
    if at + _HEAD.size > len(view):
        return None
    magic, kind, length, crc = _HEAD.unpack_from(view, at)
    begin = at + _HEAD.size
    if magic != _MAGIC or length > _MAX_PAYLOAD or begin + length > len(view):
        return None
    payload = view[begin : begin + length]
    if zlib.crc32(payload, zlib.crc32(struct.pack("<BI", kind, length))) != crc:
        return None
    return kind, payload


def _write_all(fd: int, parts: list[Buffer]) -> None:
    """Write all parts, also where the kernel takes them in pieces."""
    views = [memoryview(part).cast("B") for part in parts if len(part)]
    while views:
        done = os.writev(fd, views[:64])
        while views and done >= len(views[0]):
            done -= len(views.pop(0))
        if done:
            views[0] = views[0][done:]
