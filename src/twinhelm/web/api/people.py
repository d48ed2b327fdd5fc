"""People and tokens: who may come in, and what they may do. Admins only."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from twinhelm.core.roles import Role
from twinhelm.web.api.asking import By, Of
from twinhelm.web.api.models import PersonOut, TokenOut

__all__ = ["router"]

router = APIRouter(tags=["people"])

Named = Annotated[str, Path(min_length=1, max_length=200)]
Roles = Annotated[list[Role], Field(min_length=1, max_length=5)]


class NewPerson(BaseModel):
    """Somebody to let in; without a password a one-time link is made."""

    name: str = Field(min_length=1, max_length=200)
    roles: Roles
    password: str | None = Field(None, max_length=1024)


class Welcome(BaseModel):
    """How the new person comes in: ``sign_in`` is a one-time path, empty with a password."""

    name: str
    sign_in: str


class NewRoles(BaseModel):
    """What somebody may do from now on."""

    roles: Roles


class NewToken(BaseModel):
    """A token to make."""

    name: str = Field(min_length=1, max_length=200)
    roles: Roles


class Secret(BaseModel):
    """A token's secret, shown this once."""

    name: str
    secret: str


@router.get("/people")
def people(house: Of) -> list[PersonOut]:
    """List everybody."""
    return [PersonOut.model_validate(each) for each in house.identities.people()]


@router.post("/people", status_code=201)
def add_person(house: Of, by: By, person: NewPerson) -> Welcome:
    """Let somebody in."""
    house.identities.add_person(person.name, person.roles, person.password, by)
    if person.password is not None:
        return Welcome(name=person.name, sign_in="")
    secret = house.identities.link_secret(person.name, by)
    return Welcome(name=person.name, sign_in=f"/sign-in/first?secret={secret}")


@router.put("/people/{name}/roles", status_code=204)
def set_roles(house: Of, by: By, name: Named, new: NewRoles) -> None:
    """Change what somebody may do."""
    house.identities.set_roles(name, new.roles, by)


@router.delete("/people/{name}", status_code=204)
def remove_person(house: Of, by: By, name: Named) -> None:
    """Let somebody in no longer."""
    house.identities.remove_person(name, by)


@router.get("/tokens")
def tokens(house: Of) -> list[TokenOut]:
    """List the tokens."""
    return [TokenOut.model_validate(each) for each in house.identities.tokens()]


@router.post("/tokens", status_code=201)
def create_token(house: Of, by: By, token: NewToken) -> Secret:
    """Make a token."""
    secret = house.identities.create_token(token.name, token.roles, by)
    return Secret(name=token.name, secret=secret)


@router.delete("/tokens/{name}", status_code=204)
def revoke_token(house: Of, by: By, name: Named) -> None:
    """Revoke a token at once."""
    house.identities.revoke_token(name, by)
