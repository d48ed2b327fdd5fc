"""People and tokens, changed straight in the records of the data directory.

Whoever may write there is admin there; no server need run, and one that runs knows of a change
within seconds. Secrets are shown once, on standard output.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinhelm.cli.asked import LOCAL, Asked, command, role
from twinhelm.cli.place import Ledger, actor, reachable, read_beacon
from twinhelm.cli.shown import Column, listing, when
from twinhelm.core.errors import BadInput

if TYPE_CHECKING:
    from twinhelm.events.identities import Person
    from twinhelm.events.tokens import Token

__all__ = [
    "add_person", "create_token", "list_people", "list_tokens", "make_link", "remove_person",
    "revoke_token", "set_password", "set_roles", "token", "user",
]  # fmt: skip

user = typer.Typer(name="user", help="Who can sign in, with which roles.", no_args_is_help=True)
token = typer.Typer(name="token", help="What programs are let in by.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name.", show_default=False)]
FromInput = Annotated[bool, typer.Option("--stdin", help="Read the password from standard input.")]
_ROLES = "viewer, operator, data-scientist, approver or admin; may be repeated."
Roles = Annotated[list[str], typer.Option("--role", help=_ROLES)]


@command(user.command("add"), LOCAL)
def add_person(
    to: Asked,
    name: Name,
    roles: Roles,
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a password; else a one-time link is made.")
    ] = False,
    stdin: FromInput = False,
) -> None:
    """Let somebody in: by a one-time link unless a password is given."""
    read = list(map(role, roles))
    held = to.ledger(make=True)
    secret = _password(stdin) if password or stdin else None
    held.identities.add_person(name, read, secret, actor())
    link = _link(held, name) if secret is None else ""
    to.answer({"name": name, "sign_in": link}, f"{name} can sign in.\n{link}".rstrip())


@command(user.command("remove"), LOCAL)
def remove_person(to: Asked, name: Name) -> None:
    """Let somebody in no longer, and end their sessions."""
    to.ledger().identities.remove_person(name, actor())
    to.answer({"name": name}, f"{name} can sign in no longer.")


@command(user.command("list"), LOCAL)
def list_people(to: Asked) -> None:
    """List everybody."""
    people = to.ledger().identities.people()
    _list(
        to,
        [_row(each) | {"has_password": each.has_password} for each in people],
        "Nobody can sign in yet. `twinhelm user add NAME --role admin` lets somebody in,\n"
        "and so does the first-run link that `twinhelm up` prints.",
        ("signs in by", "has_password", lambda has: "password" if has else "one-time link"),
    )


@command(user.command("roles"), LOCAL)
def set_roles(to: Asked, name: Name, roles: Roles) -> None:
    """Change what somebody may do, in open sessions too."""
    read = list(map(role, roles))
    to.ledger().identities.set_roles(name, read, actor())
    told = sorted({each.value for each in read})
    to.answer({"name": name, "roles": told}, f"{name} is now {', '.join(told)}.")


@command(user.command("password"), LOCAL)
def set_password(to: Asked, name: Name, stdin: FromInput = False) -> None:
    """Set somebody's password and end their sessions."""
    to.ledger().identities.set_password(name, _password(stdin), actor())
    to.answer({"name": name}, f"{name} has a new password.")


@command(user.command("link"), LOCAL)
def make_link(to: Asked, name: Name) -> None:
    """Make a link that signs somebody in, once, within a day."""
    link = _link(to.ledger(), name)
    to.answer({"name": name, "sign_in": link}, f"For {name}:\n{link}")


@command(token.command("create"), LOCAL)
def create_token(
    to: Asked,
    name: Name,
    roles: Roles,
    person: Annotated[str, typer.Option(help="Whose it is: it acts in their name.")] = "",
) -> None:
    """Make a token; its secret is shown this once."""
    read = list(map(role, roles))
    secret = to.ledger(make=True).identities.create_token(name, read, actor(), person)
    told = f"The secret of {name}, shown this once (Authorization: Bearer ...):"
    to.answer({"name": name, "secret": secret}, f"{told}\n{secret}")


@command(token.command("list"), LOCAL)
def list_tokens(to: Asked) -> None:
    """List the tokens, without their secrets."""
    _list(
        to,
        [
            _row(each) | {"created_by": each.created_by, "person": each.person}
            for each in to.ledger().identities.tokens()
        ],
        "There is no token. `twinhelm token create NAME --role operator` makes one.",
        ("by", "created_by"),
        ("of", "person"),
    )


@command(token.command("revoke"), LOCAL)
def revoke_token(to: Asked, name: Name) -> None:
    """Revoke a token; a running server refuses it within 5 seconds."""
    to.ledger().identities.revoke_token(name, actor())
    to.answer({"name": name}, f"{name} opens nothing any more.")


def _row(each: Person | Token) -> dict[str, Any]:
    roles = sorted(role.value for role in each.roles)
    return {"name": each.name, "roles": roles, "created_ms": each.created_ms}


def _list(to: Asked, found: list[dict[str, Any]], empty: str, *own: Column) -> None:
    columns = (("name", "name"), ("roles", "roles", ", ".join), ("made", "created_ms", when), *own)
    to.answer(found, lambda: listing(found, columns, empty))


def _password(from_input: bool) -> str:
    if from_input:
        said = sys.stdin.readline(2000).rstrip("\r\n")
    elif sys.stdin.isatty():
        said = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        raise BadInput("there is no terminal to ask for a password on", hint="pass --stdin")
    if not said:
        raise BadInput("the password is empty", hint="give one of at least a few words")
    return str(said)


def _link(held: Ledger, name: str) -> str:
    secret = held.identities.link_secret(name, actor())
    beacon = read_beacon(held.settings.data)
    base = beacon.url if beacon else reachable(f"http://{held.settings.server.listen}")
    return f"{base}/sign-in/first?secret={secret}"
