"""Secrets that open something: made at random, shown once, kept as a digest only.

A secret here has 256 random bits, so a plain SHA-256 is enough: there is nothing to guess.
"""

import hashlib
import secrets
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from twinhelm.core.clock import Clock

__all__ = ["ResolvedCache", "digest", "new_secret"]

T = TypeVar("T")

_TRUST_S = 5.0
_MOST_ENTRIES = 4_096


def new_secret(prefix: str = "") -> str:
    """Return a new secret: the prefix and 43 URL-safe characters."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


class ResolvedCache(Generic[T]):
    """Remembers for a few seconds what a digest opens, so that hot doors do not ask SQL.

    :meth:`forget` empties it and also discards what is being looked up at that moment, so no
    answer outlives a revocation made in this process; one made by another process is seen within
    five seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[T, float]] = {}
        self._generation = 0

    def resolve(self, key: str, look_up: Callable[[], T | None]) -> T | None:
        """Return what ``key`` opens, from memory or from ``look_up``; None is never kept."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            known = self._known.get(key)
            generation = self._generation
        if known is not None and now_s < known[1]:
            return known[0]
        found = look_up()
        if found is not None:
            with self._lock:
                if generation == self._generation:
                    if len(self._known) >= _MOST_ENTRIES:
                        self._known.clear()
                    self._known[key] = (found, now_s + _TRUST_S)
        return found

    def forget(self) -> None:
        """Forget everything, and what is being looked up now."""
        with self._lock:
            self._known.clear()
            self._generation += 1
