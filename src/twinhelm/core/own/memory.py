"""How should a server that runs for months hold memory? Keep what is used again, return the rest.

glibc returns the pages of every larger array as soon as it is freed and takes fresh, zeroed ones
for the next: a third of the time it takes to keep samples. Python looks for garbage less often
here, since intake makes many objects that live on (label sets) and none in cycles. Where the C
library is not glibc, what can be done is done.
"""

import ctypes
import gc
import sys

__all__ = ["give_back_memory", "keep_memory"]

KEPT_BLOCK_BYTES = 32 << 20
"""Arrays up to this size come from memory that is kept; 32 MiB is the most that glibc allows."""
KEPT_FREE_BYTES = 32 << 20
"""Free memory at the end of a heap, which is all that glibc returns unasked, from here on."""
ARENAS = 2
"""Heaps; glibc's own choice is eight per core, and each keeps free memory of its own."""
GARBAGE = (20_000, 20, 50)

# Numbers of mallopt's parameters, from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8


def keep_memory() -> None:
    """Hold on to freed memory within bounds, and collect garbage less often; call once, early."""
    gc.set_threshold(*GARBAGE)
    libc = _libc()
    if libc is not None:
        libc.mallopt(_MMAP_THRESHOLD, KEPT_BLOCK_BYTES)
        libc.mallopt(_TRIM_THRESHOLD, KEPT_FREE_BYTES)
        libc.mallopt(_ARENA_MAX, ARENAS)


def give_back_memory() -> None:
    """Return free memory to the system, as after a burst; takes some milliseconds."""
    libc = _libc()
    if libc is not None:
        libc.malloc_trim(0)


def _libc() -> ctypes.CDLL | None:
    """Return the C library where it is glibc."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
