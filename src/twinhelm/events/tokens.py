"""Tokens: what programs show to be let in.

A token has a name of its own and roles of its own; its secret (``th_`` and 43 characters) is
shown once and kept as a SHA-256. Resolving one costs a dictionary look-up while it is hot.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from twinhelm.core.clock import Clock
from twinhelm.core.errors import Conflict, NotFound, Unauthenticated
from twinhelm.core.ports import Record, Records
from twinhelm.core.roles import Identity, Role
from twinhelm.events.journal import Journal
from twinhelm.events.keys import (
    ResolvedCache,
    checked_name,
    digest,
    new_secret,
    role_names,
    roles_of,
)
from twinhelm.events.kinds.machines import TokenCreated, TokenRevoked

__all__ = ["TOKEN_PREFIX", "Token", "Tokens"]

TOKEN_PREFIX = "th_"  # noqa: S105 - the mark that secret scanners look for, not a secret


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it may be shown: never its secret."""

    name: str
    roles: frozenset[Role]
    created_ms: int
    created_by: str


class Tokens:
    """Makes, lists, revokes and resolves tokens."""

    def __init__(self, journal: Journal, records: Records, clock: Clock) -> None:
        self._journal = journal
        self._records = records
        self._clock = clock
        self._cache: ResolvedCache[Identity] = ResolvedCache(clock)

    def create(self, name: str, roles: Iterable[Role], by: str) -> str:
        """Make a token and return its secret, which cannot be had again.

        Raises :class:`Conflict` where a token of that name exists.
        """
        name, names = checked_name(name, what="token"), role_names(roles)
        secret = new_secret(TOKEN_PREFIX)
        with self._journal.writing(by) as write:
            if write.get("token", name) is not None:
                raise Conflict(f"there is a token {name!r}", hint="revoke it, or use another name")
            body = {"roles": names, "by": by}
            now_ms = self._clock.now_ms()
            write.put(Record("token", name, body, parent=digest(secret), time_ms=now_ms))
            write.event(TokenCreated(name, tuple(names)))
        return secret

    def revoke(self, name: str, by: str) -> None:
        """End a token at once; raises :class:`NotFound` where there is none of that name."""
        with self._journal.writing(by) as write:
            if write.get("token", name) is None:
                raise NotFound(f"there is no token {name!r}")
            write.delete("token", name)
            write.event(TokenRevoked(name))
        self._cache.forget()

    def all(self) -> list[Token]:
        """List the tokens that open something, oldest first."""
        with self._records.reading() as unit:
            return [
                Token(record.key, roles_of(record), record.time_ms, record.body["by"])
                for record in unit.find("token", limit=10_000)
            ]

    def resolve(self, secret: str) -> Identity:
        """Return who the secret stands for; raises :class:`Unauthenticated` for nobody's."""
        found = None
        if secret.startswith(TOKEN_PREFIX):
            key = digest(secret)
            found = self._cache.resolve(key, lambda: self._look_up(key))
        if found is None:
            raise Unauthenticated(
                "the token is not known", hint="it may be revoked; make one: twinhelm token create"
            )
        return found

    def _look_up(self, key: str) -> Identity | None:
        with self._records.reading() as unit:
            for record in unit.find("token", parent=key, limit=1):
                return Identity(record.key, roles_of(record), "token")
        return None
