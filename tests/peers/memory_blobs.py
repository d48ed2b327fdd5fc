"""Bytes by name in memory, under the same contract: the second implementation of Blobs."""

from collections.abc import Iterator

from twinhelm.store.blobs import check_name

__all__ = ["MemoryBlobs"]


class MemoryBlobs:
    """Blobs in a dictionary."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def put(self, name: str, data: bytes) -> None:
        """See the port."""
        check_name(name)
        self._blobs[name] = bytes(data)

    def get(self, name: str) -> bytes | None:
        """See the port."""
        check_name(name)
        return self._blobs.get(name)

    def names(self, prefix: str = "") -> Iterator[str]:
        """See the port."""
        return iter(sorted(name for name in self._blobs if name.startswith(prefix)))

    def delete(self, name: str) -> None:
        """See the port."""
        check_name(name)
        self._blobs.pop(name, None)
