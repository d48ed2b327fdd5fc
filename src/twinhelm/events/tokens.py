"""Tokens: what programs show to be let in.

A token has a name of its own and roles of its own. One that is made for a person acts in that
person's name, so that whoever has several is one person still, and ends with them. Its
secret (``th_`` and 43 characters) is shown once and kept as a SHA-256. Resolving one costs a
dictionary look-up while it is hot.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from twinhelm.core.clock import Clock
from twinhelm.core.errors import Conflict, NotFound, Unauthenticated
from twinhelm.core.ports import Record, Records
from twinhelm.core.roles import Identity, Role
from twinhelm.events.journal import Journal, JournalWriter
from twinhelm.events.keys import (
    ResolvedCache,
    checked_name,
    digest,
    new_secret,
    role_names,
    roles_of,
    shown_name,
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
    person: str = ""
    """Whom it was made for; empty: for a program alone."""


class Tokens:
    """Makes, lists, revokes and resolves tokens."""

    def __init__(self, journal: Journal, records: Records, clock: Clock) -> None:
        self._journal = journal
        self._records = records
        self._clock = clock
        self._cache: ResolvedCache[Identity] = ResolvedCache(clock)

    def create(self, name: str, roles: Iterable[Role], by: str, person: str = "") -> str:
        """Make a token and return its secret, which cannot be had again.

        Raises :class:`Conflict` where a token of that name exists, and :class:`NotFound` where
        nobody is called ``person``.
        """
        name, names = checked_name(name, what="token"), role_names(roles)
        secret = new_secret(TOKEN_PREFIX)
        with self._journal.writing(by) as write:
            if write.get("token", name) is not None:
                raise Conflict(f"there is a token {name!r}", hint="revoke it, or use another name")
            if person and write.get("person", person) is None:
                raise NotFound(f"there is no person {shown_name(person)!r}")
            body = {"roles": names, "by": by, "person": person}
            now_ms = self._clock.now_ms()
            write.put(Record("token", name, body, parent=digest(secret), time_ms=now_ms))
            write.event(TokenCreated(name, tuple(names), person))
        return secret

    def revoke(self, name: str, by: str) -> None:
        """End a token at once; raises :class:`NotFound` where there is none of that name."""
        with self._journal.writing(by) as write:
            if write.get("token", name) is None:
                raise NotFound(f"there is no token {name!r}")
            write.delete("token", name)
            write.event(TokenRevoked(name))
        self._cache.forget()

    def end_all(self, write: JournalWriter, person: str) -> None:
        """End the tokens of a person; call :meth:`forget` once it is written."""
        for record in write.find("token", limit=10_000):
            if _person_of(record) == person:
                write.delete("token", record.key)
                write.event(TokenRevoked(record.key))

    def forget(self) -> None:
        """Look every token up anew."""
        self._cache.forget()

    def all(self) -> list[Token]:
        """List the tokens that open something, oldest first."""
        with self._records.reading() as unit:
            rows = unit.find("token", limit=10_000)
        return [
            Token(row.key, roles_of(row), row.time_ms, row.body["by"], _person_of(row))
            for row in rows
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
                name = _person_of(record) or record.key
                return Identity(name, roles_of(record), "token", record.key)
        return None


def _person_of(record: Record) -> str:
    return str(record.body.get("person", ""))  # those of before had none
