"""Who may do what: five roles and the right each route and command asks for."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from twinhelm.core.policy import Condition, Rule, Verdict

__all__ = [
    "ANONYMOUS", "ANSWERING", "GRANTS", "Identity", "Right", "Role", "allows", "answering",
    "same_name",
]  # fmt: skip


class Role(StrEnum):
    """The five roles."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    DATA_SCIENTIST = "data scientist"
    APPROVER = "approver"
    ADMIN = "admin"


class Right(StrEnum):
    """What a route or command needs.

    READ: look at anything but identities. INGEST: send telemetry. OPERATE: acknowledge, resolve,
    run repairs. PREDICT: ask a model, send labels. BUILD: frame products, train and register
    models. ROLL_BACK: turn a product's traffic, at once. APPROVE: decide on promotions and
    repairs. REMARK: speak about a product, watch it. ADMIN: identities, settings, backup.
    """

    READ = "read"
    INGEST = "ingest"
    OPERATE = "operate"
    PREDICT = "predict"
    BUILD = "build"
    ROLL_BACK = "rollback"
    REMARK = "remark"
    APPROVE = "approve"
    ADMIN = "admin"


_BOTH = {Right.READ, Right.INGEST, Right.PREDICT, Right.ROLL_BACK, Right.REMARK}
GRANTS: dict[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.READ}),
    Role.OPERATOR: frozenset({Right.OPERATE, *_BOTH}),
    Role.DATA_SCIENTIST: frozenset({Right.BUILD, *_BOTH}),
    Role.APPROVER: frozenset({Right.READ, Right.APPROVE, Right.REMARK}),
    Role.ADMIN: frozenset(Right),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking: ``name`` as the journal writes it, ``roles``, and how they proved it.

    ``proof`` is one of loopback (nobody signed in), session, token, system. Who shows a token that
    was made for a person bears that person's name; ``token`` is the token's own.
    """

    name: str
    roles: frozenset[Role]
    proof: str
    token: str = ""


ANONYMOUS = Identity("anonymous@loopback", frozenset(), "loopback")


def allows(identity: Identity, right: Right) -> bool:
    """Tell whether any of the identity's roles grants ``right``."""
    return any(right in GRANTS[role] for role in identity.roles)


ANSWERING = tuple(
    Rule(fact, (Condition(fact, "equal", False),), Verdict.DENY, why)
    for fact, why in (
        ("signed in", "nobody is signed in; sign in to answer"),
        ("person", "only a person may answer; sign in, or use a token of yours"),
        ("right", "this needs the right to approve; ask for the role approver"),
    )
)
"""Why somebody may answer no request at all, over the facts of :func:`answering`."""


def answering(by: str, roles: Iterable[str], *, person: bool) -> dict[str, object]:
    """Tell who answers; ``person``: somebody of that name can sign in."""
    who = Identity(by, frozenset(Role(each) for each in roles), "session")
    known = bool(by) and by != ANONYMOUS.name
    return {"signed in": known, "person": person, "right": allows(who, Right.APPROVE)}


def same_name(one: str, other: str) -> bool:
    """Tell whether two names are one person's, as far as case and blanks go."""
    return one.strip().casefold() == other.strip().casefold()
