"""Sessions: browsers of people who signed in, and the one-time links that sign them in.

A session or link is a random secret that the browser holds and the database keeps as a SHA-256
with its expiry. What a person may do is read from the person, so a change of roles holds in open
sessions at once. The form token against cross-site requests is an HMAC keyed with the session's
own secret: nothing more has to be kept, and it ends with the session (OWASP CSRF Prevention
Cheat Sheet, HMAC based token).
"""

import hashlib
import hmac
from dataclasses import dataclass

from twinhelm.core.clock import Clock
from twinhelm.core.errors import Unauthenticated
from twinhelm.core.ports import Record, Records
from twinhelm.core.roles import Identity
from twinhelm.events.journal import Journal, JournalWriter
from twinhelm.events.keys import ResolvedCache, digest, new_secret, roles_of
from twinhelm.events.kinds.machines import LinkCreated, SignedIn, SignedOut

__all__ = ["LINK_HOURS", "Sessions", "csrf_token"]

LINK_HOURS = 24.0
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class _Open:
    identity: Identity
    expires_ms: int


class Sessions:
    """Opens, resolves and ends sessions, inside the caller's transaction where it changes more."""

    def __init__(self, journal: Journal, records: Records, clock: Clock, *, hours: float) -> None:
        self._journal = journal
        self._records = records
        self._clock = clock
        self._length_ms = round(hours * _HOUR_MS)
        self._cache: ResolvedCache[_Open] = ResolvedCache(clock)

    def open(self, write: JournalWriter, name: str, *, how: str) -> str:
        """Begin a session of ``name`` and return its secret; tidies away what has expired."""
        now_ms = self._clock.now_ms()
        for kind in ("session", "link"):
            for old in write.find(kind, until_ms=now_ms, limit=100):
                write.delete(kind, old.key)
        secret = new_secret()
        record = Record(
            "session", digest(secret), {"how": how}, parent=name, time_ms=now_ms + self._length_ms
        )
        write.put(record)
        write.event(SignedIn(name, how))
        return secret

    def resolve(self, secret: str) -> Identity | None:
        """Return who the session belongs to, or None where it is unknown, ended or expired."""
        key = digest(secret)
        found = self._cache.resolve(key, lambda: self._look_up(key))
        alive = found is not None and self._clock.now_ms() < found.expires_ms
        return found.identity if found is not None and alive else None

    def end(self, secret: str) -> None:
        """Sign out; ending what is not open is no error."""
        key = digest(secret)
        with self._records.reading() as unit:
            record = unit.get("session", key)
        if record is None:
            return
        with self._journal.writing(record.parent) as write:
            write.delete("session", key)
            write.event(SignedOut(record.parent))
        self._cache.forget()

    def end_all(self, write: JournalWriter, name: str) -> None:
        """End every session and link of ``name``; call :meth:`forget` after the commit."""
        for kind in ("session", "link"):
            while found := write.find(kind, parent=name):
                for record in found:
                    write.delete(kind, record.key)

    def forget(self) -> None:
        """Look every session up anew, because people or their roles have changed."""
        self._cache.forget()

    def make_link(self, write: JournalWriter, name: str, *, first_run: bool) -> str:
        """Make a secret that signs ``name`` in once, within a day; earlier ones of it end."""
        for old in write.find("link", parent=name):
            write.delete("link", old.key)
        secret = new_secret()
        expires_ms = self._clock.now_ms() + round(LINK_HOURS * _HOUR_MS)
        state = "first run" if first_run else "person"
        write.put(Record("link", digest(secret), {}, state, name, expires_ms))
        write.event(LinkCreated(name, expires_ms, first_run))
        return secret

    def use_link(self, write: JournalWriter, secret: str) -> Record:
        """Take a link out of use and return its record; raises :class:`Unauthenticated`."""
        record = write.get("link", digest(secret))
        if record is None or record.time_ms <= self._clock.now_ms():
            raise Unauthenticated(
                "the link is not valid: it may be used already or older than a day",
                hint="make a new one with twinhelm user",
            )
        write.delete("link", record.key)
        return record

    def _look_up(self, key: str) -> _Open | None:
        with self._records.reading() as unit:
            session = unit.get("session", key)
            person = unit.get("person", session.parent) if session else None
        if session is None or person is None:
            return None
        return _Open(Identity(person.key, roles_of(person), "session"), session.time_ms)


def csrf_token(session_secret: str) -> str:
    """Return the form token of a session: 64 hex digits."""
    return hmac.new(
        session_secret.encode(errors="replace"), b"twinhelm form token", hashlib.sha256
    ).hexdigest()
