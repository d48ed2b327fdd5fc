"""Who may come in, who came in, and who did not get in.

No event carries a secret, a password or a digest of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from twinhelm.events.event import Event

__all__ = [
    "KINDS",
    "LinkCreated",
    "PersonAdded",
    "PersonPasswordChanged",
    "PersonRemoved",
    "PersonRolesChanged",
    "SignInFailed",
    "SignedIn",
    "SignedOut",
    "TokenCreated",
    "TokenRevoked",
]


@dataclass(frozen=True, slots=True)
class PersonAdded(Event):
    """A person may sign in from now on."""

    kind: ClassVar[str] = "person.added"
    about: ClassVar[str] = "person/{name}"

    name: str
    roles: tuple[str, ...]
    first: bool = False


@dataclass(frozen=True, slots=True)
class PersonRemoved(Event):
    """A person may no longer sign in; their sessions have ended."""

    kind: ClassVar[str] = "person.removed"
    about: ClassVar[str] = "person/{name}"

    name: str


@dataclass(frozen=True, slots=True)
class PersonRolesChanged(Event):
    """What a person may do has changed, at once and in open sessions too."""

    kind: ClassVar[str] = "person.roles_changed"
    about: ClassVar[str] = "person/{name}"

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PersonPasswordChanged(Event):
    """A person's password was set; their other sessions have ended."""

    kind: ClassVar[str] = "person.password_changed"
    about: ClassVar[str] = "person/{name}"

    name: str


@dataclass(frozen=True, slots=True)
class TokenCreated(Event):
    """A token was made for a program; its secret was shown once."""

    kind: ClassVar[str] = "token.created"
    about: ClassVar[str] = "token/{name}"

    name: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenRevoked(Event):
    """A token no longer opens anything."""

    kind: ClassVar[str] = "token.revoked"
    about: ClassVar[str] = "token/{name}"

    name: str


@dataclass(frozen=True, slots=True)
class LinkCreated(Event):
    """A one-time sign-in link was made; it lasts until ``expires_ms``."""

    kind: ClassVar[str] = "link.created"
    about: ClassVar[str] = "person/{person}"

    person: str
    expires_ms: int
    first_run: bool = False


@dataclass(frozen=True, slots=True)
class SignedIn(Event):
    """A person came in; ``how`` is password or link."""

    kind: ClassVar[str] = "session.signed_in"
    about: ClassVar[str] = "person/{name}"

    name: str
    how: str


@dataclass(frozen=True, slots=True)
class SignedOut(Event):
    """A person left."""

    kind: ClassVar[str] = "session.signed_out"
    about: ClassVar[str] = "person/{name}"

    name: str


@dataclass(frozen=True, slots=True)
class SignInFailed(Event):
    """Somebody tried this name and did not get in; ``name`` need not exist."""

    kind: ClassVar[str] = "session.sign_in_failed"
    about: ClassVar[str] = "person/{name}"

    name: str
    failures: int


KINDS: tuple[type[Event], ...] = (
    PersonAdded,
    PersonRemoved,
    PersonRolesChanged,
    PersonPasswordChanged,
    TokenCreated,
    TokenRevoked,
    LinkCreated,
    SignedIn,
    SignedOut,
    SignInFailed,
)
