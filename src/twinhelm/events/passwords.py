"""Passwords: how they are kept, and how often they may be guessed.

Kept as Argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet, the
smallest recommended setting, so that a few people signing in at once do not take the memory that
detection needs). One check costs some 30 ms; two run at a time. Checking an unknown name costs
the same as checking a known one.
"""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING

from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, Overloaded

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["MAX_PASSWORD_BYTES", "MIN_PASSWORD_LENGTH", "GuessLimit", "Passwords"]

MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_BYTES = 1024

_FREE_FAILURES = 4
_LONGEST_WAIT_S = 60.0
_MOST_NAMES = 10_000


class Passwords:
    """Makes and checks password hashes; Argon2 is loaded at the first use."""

    def __init__(self) -> None:
        self._at_once = threading.BoundedSemaphore(2)
        self._hasher: PasswordHasher | None = None
        self._nobodys = ""

    def hash(self, password: str) -> str:
        """Return the PHC string to keep; raises :class:`BadInput` for a password too short."""
        if len(password) < MIN_PASSWORD_LENGTH:
            raise BadInput(
                f"the password has {len(password)} characters, at least {MIN_PASSWORD_LENGTH} "
                "are needed",
                hint="a few unrelated words are easy to remember",
            )
        if len(password.encode(errors="replace")) > MAX_PASSWORD_BYTES:
            raise BadInput(f"the password is longer than {MAX_PASSWORD_BYTES} bytes")
        with self._at_once:
            return self._ready().hash(password.encode(errors="replace"))

    def matches(self, kept: str | None, password: str) -> bool:
        """Tell whether the password is the kept one; None checks against nobody's, and fails."""
        from argon2.exceptions import InvalidHashError, VerificationError

        tried = password.encode(errors="replace")[:MAX_PASSWORD_BYTES]
        if not self._at_once.acquire(timeout=5.0):
            raise Overloaded("too many sign-ins at once", retry_after_s=2.0)
        try:
            hasher = self._ready()
            try:
                return hasher.verify(kept or self._nobodys, tried) and kept is not None
            except (VerificationError, InvalidHashError):
                return False
        finally:
            self._at_once.release()

    def _ready(self) -> PasswordHasher:
        if self._hasher is None:
            from argon2 import PasswordHasher

            hasher = PasswordHasher(time_cost=2, memory_cost=19 << 10, parallelism=1)
            self._nobodys = hasher.hash(secrets.token_bytes(32))
            self._hasher = hasher
        return self._hasher


class GuessLimit:
    """Slows guessing, per name: a few free failures, then waits that double up to a minute.

    Held in memory: a restart forgives. A guesser can make the owner of a name wait, for at most
    that minute; open sessions and tokens are not touched.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: dict[str, tuple[int, float]] = {}

    def attempt(self, name: str) -> int:
        """Count a failure beforehand, so that guesses made at once count too; say which it is.

        :meth:`passed` takes it back. Raises :class:`Overloaded` (429) while ``name`` must wait.
        """
        now_s = self._clock.monotonic_s()
        with self._lock:
            count, until_s = self._failed.get(name, (0, 0.0))
            if now_s < until_s:
                raise Overloaded(
                    f"too many failed sign-ins as {name[:64]!r}",
                    hint="wait, then try again",
                    retry_after_s=round(until_s - now_s, 1),
                )
            count += 1
            past = count - _FREE_FAILURES
            until_s = now_s + min(2.0**past, _LONGEST_WAIT_S) if past > 0 else 0.0
            self._failed.pop(name, None)
            self._failed[name] = (count, until_s)
            if len(self._failed) > _MOST_NAMES:
                del self._failed[next(iter(self._failed))]
        return count

    def passed(self, name: str) -> None:
        """Forget the failures of ``name``."""
        with self._lock:
            self._failed.pop(name, None)
