"""Names and roles of people and tokens, checked in one place and kept in one form."""

from collections.abc import Iterable

from twinhelm.core.errors import BadInput
from twinhelm.core.ports import Record
from twinhelm.core.roles import ANONYMOUS, Role

__all__ = ["MAX_NAME_LENGTH", "checked_name", "role_names", "roles_of", "shown_name"]

MAX_NAME_LENGTH = 64

_RESERVED = frozenset({ANONYMOUS.name, "system", "twinhelm"})
"""Names that the journal uses for nobody and for ourselves."""


def checked_name(name: str, *, what: str) -> str:
    """Return the name if it can stand in a journal; raises :class:`BadInput` if not."""
    usable = name.isprintable() and name == name.strip() and 0 < len(name) <= MAX_NAME_LENGTH
    if not usable or "/" in name:
        raise BadInput(
            f"{shown_name(name)!r} cannot be the name of a {what}",
            hint=f"use 1 to {MAX_NAME_LENGTH} printable characters, without a slash and without "
            "space at either end",
        )
    if name in _RESERVED:
        raise BadInput(f"the name {name!r} is reserved", hint="choose another")
    return name


def shown_name(name: str) -> str:
    """Cut and clean whatever somebody typed as a name, so that it can be written down."""
    return "".join(c if c.isprintable() else "?" for c in name[:MAX_NAME_LENGTH]) or "?"


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
