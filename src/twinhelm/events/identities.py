"""Who may come in: people with passwords or one-time links, and tokens for programs.

Every change is a record and an event in one transaction; ``by`` is the name that the journal
writes. Whether the asker may make it is the door's question (:func:`~twinhelm.core.roles.allows`).

All calls but resolving wait for the database; :meth:`Identities.sign_in` also for Argon2.
"""

import getpass
from collections.abc import Iterable
from dataclasses import dataclass, replace

from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, Conflict, NotFound, Unauthenticated
from twinhelm.core.ports import Record, Records
from twinhelm.core.roles import Role
from twinhelm.core.settings import AuthSettings
from twinhelm.events.journal import Journal, JournalWriter
from twinhelm.events.keys import checked_name, role_names, roles_of, shown_name
from twinhelm.events.kinds import machines as happened
from twinhelm.events.passwords import GuessLimit, Passwords
from twinhelm.events.sessions import Sessions, csrf_token
from twinhelm.events.tokens import Tokens

__all__ = ["Identities", "Person"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in; without a password only a one-time link does it."""

    name: str
    roles: frozenset[Role]
    created_ms: int
    has_password: bool


class Identities:
    """People, and what :class:`Sessions` and :class:`Tokens` offer; see the module."""

    def __init__(
        self, journal: Journal, records: Records, clock: Clock, settings: AuthSettings
    ) -> None:
        self._journal = journal
        self._records = records
        self._clock = clock
        self._passwords = Passwords()
        self._limit = GuessLimit(clock)
        self._sessions = Sessions(journal, records, clock, hours=settings.session_hours)
        self._tokens = tokens = Tokens(journal, records, clock)
        self.sign_out, self.resolve_session = self._sessions.end, self._sessions.resolve
        self.csrf_token = csrf_token
        self.tokens, self.resolve_token = tokens.all, tokens.resolve
        self.create_token, self.revoke_token = tokens.create, tokens.revoke

    def people(self) -> list[Person]:
        """List everybody, in the order they were added."""
        with self._records.reading() as unit:
            found = unit.find("person", limit=100_000)
        return [
            Person(item.key, roles_of(item), item.time_ms, bool(item.body["password"]))
            for item in found
        ]

    def add_person(self, name: str, roles: Iterable[Role], password: str | None, by: str) -> None:
        """Let somebody in from now on; ``password`` None leaves one-time links as the way in.

        Raises :class:`BadInput` for an unusable name or password, :class:`Conflict` where the
        name is taken.
        """
        name, names = checked_name(name, what="person"), role_names(roles)
        kept = self._passwords.hash(password) if password is not None else ""
        with self._journal.writing(by) as write:
            self._add(write, name, names, kept, first=False)

    def remove_person(self, name: str, by: str) -> None:
        """Let somebody in no longer, and end their sessions and tokens.

        Raises :class:`NotFound`, or :class:`Conflict` for the last admin.
        """
        with self._journal.writing(by) as write:
            person = _must_find(write, name)
            _keep_an_admin(write, person, frozenset())
            write.delete("person", name)
            self._sessions.end_all(write, name)
            self._tokens.end_all(write, name)
            write.event(happened.PersonRemoved(name))
        self._sessions.forget()
        self._tokens.forget()

    def set_roles(self, name: str, roles: Iterable[Role], by: str) -> None:
        """Change what somebody may do, in open sessions too; errors as in removing."""
        names = role_names(roles)
        with self._journal.writing(by) as write:
            person = _must_find(write, name)
            _keep_an_admin(write, person, frozenset(Role(role) for role in names))
            write.put(replace(person, body={**person.body, "roles": names}))
            before = tuple(person.body["roles"])
            write.event(happened.PersonRolesChanged(name, before, tuple(names)))
        self._sessions.forget()

    def set_password(self, name: str, password: str, by: str) -> None:
        """Set somebody's password and end their sessions; raises as in adding, or NotFound."""
        kept = self._passwords.hash(password)
        with self._journal.writing(by) as write:
            person = _must_find(write, name)
            write.put(replace(person, body={**person.body, "password": kept}))
            self._sessions.end_all(write, name)
            write.event(happened.PersonPasswordChanged(name))
        self._sessions.forget()
        self._limit.passed(name)

    def sign_in(self, name: str, password: str) -> str:
        """Check a password and return the secret of a new session.

        Raises :class:`Unauthenticated`, the same and after the same time whether the name or the
        password is wrong, and :class:`~twinhelm.core.errors.Overloaded` (429) after repeated
        failures.
        """
        failures = self._limit.attempt(name)
        with self._records.reading() as unit:
            person = unit.get("person", shown_name(name))
        kept = person.body["password"] if person and person.key == name else ""
        if self._passwords.matches(kept or None, password):
            with self._journal.writing(name) as write:
                now = write.get("person", name)
                if now is not None and now.body["password"] == kept:
                    self._limit.passed(name)
                    return self._sessions.open(write, name, how="password")
        with self._journal.writing("anonymous") as write:
            write.event(happened.SignInFailed(shown_name(name), failures))
        raise Unauthenticated("the name or the password is wrong")

    def link_secret(self, name: str, by: str) -> str:
        """Return a secret that signs an existing person in once, within a day."""
        with self._journal.writing(by) as write:
            _must_find(write, name)
            return self._sessions.make_link(write, name, first_run=False)

    def first_run_link_secret(self) -> str | None:
        """Return a secret that makes the first admin; None once there is anybody.

        Valid once and for a day; a new one ends the one before. The admin is named after the
        user that runs this process.
        """
        with self._journal.writing("twinhelm") as write:
            if write.count("person"):
                return None
            return self._sessions.make_link(write, _own_name(), first_run=True)

    def redeem_link(self, secret: str) -> str:
        """Use up a one-time link, of the first run or later, and return a session's secret.

        Raises :class:`Unauthenticated` where it is unknown, used, expired, or the first run is
        over; a link that fails is not used up.
        """
        with self._journal.writing("link") as write:
            link = self._sessions.use_link(write, secret)
            if link.state == "first run":
                if write.count("person"):
                    raise Unauthenticated("the first run is over: somebody can sign in")
                self._add(write, link.parent, [Role.ADMIN.value], "", first=True)
            _must_find(write, link.parent)
            return self._sessions.open(write, link.parent, how="link")

    def _add(
        self, write: JournalWriter, name: str, roles: list[str], password: str, *, first: bool
    ) -> None:
        if write.get("person", name) is not None:
            raise Conflict(f"there is a person {name!r}", hint="choose another name")
        body = {"roles": roles, "password": password}
        write.put(Record("person", name, body, time_ms=self._clock.now_ms()))
        write.event(happened.PersonAdded(name, tuple(roles), first))


def _must_find(write: JournalWriter, name: str) -> Record:
    person = write.get("person", name)
    if person is None:
        raise NotFound(f"there is no person {shown_name(name)!r}")
    return person


def _keep_an_admin(write: JournalWriter, person: Record, after: frozenset[Role]) -> None:
    if Role.ADMIN not in roles_of(person) or Role.ADMIN in after:
        return
    others = (item for item in write.find("person", limit=100_000) if item.key != person.key)
    if not any(Role.ADMIN in roles_of(item) for item in others):
        raise Conflict(
            f"{person.key!r} is the last admin", hint="make somebody else an admin first"
        )


def _own_name() -> str:
    """Name the user that runs this process; ``admin`` where it has no usable name."""
    try:
        return checked_name(getpass.getuser(), what="person")
    except (OSError, KeyError, BadInput):
        return "admin"
