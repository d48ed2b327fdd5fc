"""Names, roles and secrets of people and tokens: checked, made and kept in one form.

A secret is made at random, shown once and kept as a digest only. It has 256 random bits, so a
plain SHA-256 is enough: there is nothing to guess.
"""

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput
from twinhelm.core.ports import Record
from twinhelm.core.roles import ANONYMOUS, Role

__all__ = [
    "ResolvedCache", "checked_name", "digest", "new_secret", "role_names", "roles_of", "shown_name",
]  # fmt: skip

T = TypeVar("T")

_TRUST_S = 5.0
_MOST_ENTRIES = 4_096
_MAX_NAME = 64
_RESERVED = frozenset({ANONYMOUS.name, "system", "twinhelm"})
"""Names that the journal uses for nobody and for ourselves."""


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


def checked_name(name: str, *, what: str) -> str:
    """Return the name if it can stand in a journal; raises :class:`BadInput` if not."""
    usable = name.isprintable() and name == name.strip() and 0 < len(name) <= _MAX_NAME
    if not usable or "/" in name:
        raise BadInput(
            f"{shown_name(name)!r} cannot be the name of a {what}",
            hint=f"use 1 to {_MAX_NAME} printable characters, without a slash and without "
            "space at either end",
        )
    if name in _RESERVED:
        raise BadInput(f"the name {name!r} is reserved", hint="choose another")
    return name


def shown_name(name: str) -> str:
    """Cut and clean whatever somebody typed as a name, so that it can be written down."""
    return "".join(c if c.isprintable() else "?" for c in name[:_MAX_NAME]) or "?"


def role_names(roles: Iterable[Role]) -> list[str]:
    """Write roles down, sorted; raises :class:`BadInput` for none at all."""
    names = sorted({role.value for role in roles})
    if not names:
        raise BadInput(
            "somebody without a role can do nothing",
            hint=f"roles are {', '.join(role.value for role in Role)}",
        )
    return names


def roles_of(record: Record) -> frozenset[Role]:
    """Read the roles that a person's or token's record holds."""
    return frozenset(Role(name) for name in record.body["roles"])
