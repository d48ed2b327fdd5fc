"""People and tokens: who may come in, and what they may do. Admins only."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Body, Path

from twinhelm.core.roles import Role
from twinhelm.events.identities import Person
from twinhelm.events.tokens import Token
from twinhelm.web.api.words import By, Of, Router

__all__ = ["router"]

router = Router(tags=["people"])

Named = Annotated[str, Path(min_length=1, max_length=200)]
NewName = Annotated[str, Body(min_length=1, max_length=200)]
Password = Annotated[str | None, Body(max_length=1024)]
Roles = Annotated[list[Role], Body(embed=True, min_length=1, max_length=5)]


@dataclass(frozen=True, slots=True)
class Welcome:
    """How the new person comes in: ``sign_in`` is a one-time path, empty with a password."""

    name: str
    sign_in: str


@dataclass(frozen=True, slots=True)
class Secret:
    """A token's secret, shown this once."""

    name: str
    secret: str


@router.get("/people")
def people(house: Of) -> list[Person]:
    """List everybody."""
    return house.identities.people()


@router.post("/people", status_code=201)
def add_person(
    house: Of, by: By, name: NewName, roles: Roles, password: Password = None
) -> Welcome:
    """Let somebody in; without a password a one-time link is made."""
    house.identities.add_person(name, roles, password, by)
    if password is not None:
        return Welcome(name, "")
    return Welcome(name, f"/sign-in/first?secret={house.identities.link_secret(name, by)}")


@router.put("/people/{name}/roles", status_code=204)
def set_roles(house: Of, by: By, name: Named, roles: Roles) -> None:
    """Change what somebody may do."""
    house.identities.set_roles(name, roles, by)


@router.delete("/people/{name}", status_code=204)
def remove_person(house: Of, by: By, name: Named) -> None:
    """Let somebody in no longer."""
    house.identities.remove_person(name, by)


@router.get("/tokens")
def tokens(house: Of) -> list[Token]:
    """List the tokens, without their secrets."""
    return house.identities.tokens()


@router.post("/tokens", status_code=201)
def create_token(house: Of, by: By, name: NewName, roles: Roles, person: NewName = "") -> Secret:
    """Make a token, for a program or for a person's programs, which then act in their name."""
    return Secret(name, house.identities.create_token(name, roles, by, person))


@router.delete("/tokens/{name}", status_code=204)
def revoke_token(house: Of, by: By, name: Named) -> None:
    """Revoke a token at once."""
    house.identities.revoke_token(name, by)
