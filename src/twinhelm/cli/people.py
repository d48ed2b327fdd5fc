"""People and tokens, changed straight in the records of the data directory.

Whoever may write there is admin there; no server need run, and one that runs knows of a change
within seconds. Secrets are shown once, on standard output.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinhelm.cli.asked import AsJson, Data, Roles, role
from twinhelm.cli.place import actor, ledger, reachable, read_beacon
from twinhelm.cli.shown import emit, now_ms, say, table, when
from twinhelm.core.errors import BadInput

if TYPE_CHECKING:
    from twinhelm.core.settings import Settings
    from twinhelm.events.identities import Person
    from twinhelm.events.tokens import Token

__all__ = ["token", "user"]

user = typer.Typer(name="user", help="Who can sign in, with which roles.", no_args_is_help=True)
token = typer.Typer(name="token", help="What programs are let in by.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name.", show_default=False)]
FromInput = Annotated[bool, typer.Option("--stdin", help="Read the password from standard input.")]


@user.command("add")
def add_person(
    name: Name,
    role_names: Roles,
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a password; else a one-time link is made.")
    ] = False,
    stdin: FromInput = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody in: by a one-time link unless a password is given."""
    roles = [role(each) for each in role_names]
    with ledger(data, make=True) as held:
        secret = _password(stdin) if password or stdin else None
        held.identities.add_person(name, roles, secret, actor())
        link = ""
        if secret is None:
            link = _link(held.settings, held.identities.link_secret(name, actor()))
    _tell({"name": name, "sign_in": link}, f"{name} can sign in.", link, as_json=as_json)


@user.command("remove")
def remove_person(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Let somebody in no longer, and end their sessions."""
    with ledger(data) as held:
        held.identities.remove_person(name, actor())
    _tell({"name": name}, f"{name} can sign in no longer.", as_json=as_json)


@user.command("list")
def list_people(data: Data = None, as_json: AsJson = False) -> None:
    """List everybody."""
    with ledger(data) as held:
        found = [
            _row(each) | {"has_password": each.has_password} for each in held.identities.people()
        ]
    if as_json:
        emit(found)
    elif not found:
        say("Nobody can sign in yet. `twinhelm user add NAME --role admin` lets somebody in,")
        say("and so does the first-run link that `twinhelm up` prints.")
    else:
        now = now_ms()
        table(
            ("name", "roles", "added", "signs in by"),
            (
                (
                    each["name"],
                    ", ".join(each["roles"]),
                    when(each["created_ms"], now),
                    "password" if each["has_password"] else "one-time link",
                )
                for each in found
            ),
        )


@user.command("roles")
def set_roles(name: Name, role_names: Roles, data: Data = None, as_json: AsJson = False) -> None:
    """Change what somebody may do, in open sessions too."""
    roles = [role(each) for each in role_names]
    with ledger(data) as held:
        held.identities.set_roles(name, roles, actor())
    told = sorted({each.value for each in roles})
    _tell({"name": name, "roles": told}, f"{name} is now {', '.join(told)}.", as_json=as_json)


@user.command("password")
def set_password(
    name: Name, stdin: FromInput = False, data: Data = None, as_json: AsJson = False
) -> None:
    """Set somebody's password and end their sessions."""
    with ledger(data) as held:
        held.identities.set_password(name, _password(stdin), actor())
    _tell({"name": name}, f"{name} has a new password.", as_json=as_json)


@user.command("link")
def make_link(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Make a link that signs somebody in, once, within a day."""
    with ledger(data) as held:
        link = _link(held.settings, held.identities.link_secret(name, actor()))
    _tell({"name": name, "sign_in": link}, f"For {name}:", link, as_json=as_json)


@token.command("create")
def create_token(name: Name, role_names: Roles, data: Data = None, as_json: AsJson = False) -> None:
    """Make a token; its secret is shown this once."""
    roles = [role(each) for each in role_names]
    with ledger(data, make=True) as held:
        secret = held.identities.create_token(name, roles, actor())
    told = f"The secret of {name}, shown this once (Authorization: Bearer ...):"
    _tell({"name": name, "secret": secret}, told, secret, as_json=as_json)


@token.command("list")
def list_tokens(data: Data = None, as_json: AsJson = False) -> None:
    """List the tokens, without their secrets."""
    with ledger(data) as held:
        found = [_row(each) | {"created_by": each.created_by} for each in held.identities.tokens()]
    if as_json:
        emit(found)
    elif not found:
        say("There is no token. `twinhelm token create NAME --role operator` makes one.")
    else:
        now = now_ms()
        table(
            ("name", "roles", "made", "by"),
            (
                (
                    each["name"],
                    ", ".join(each["roles"]),
                    when(each["created_ms"], now),
                    each["created_by"],
                )
                for each in found
            ),
        )


@token.command("revoke")
def revoke_token(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Revoke a token; a running server refuses it within 5 seconds."""
    with ledger(data) as held:
        held.identities.revoke_token(name, actor())
    _tell({"name": name}, f"{name} opens nothing any more.", as_json=as_json)


def _row(each: Person | Token) -> dict[str, Any]:
    return {
        "name": each.name,
        "roles": sorted(role.value for role in each.roles),
        "created_ms": each.created_ms,
    }


def _tell(answer: dict[str, Any], told: str, secret: str = "", *, as_json: bool) -> None:
    if as_json:
        emit(answer)
        return
    say(told)
    if secret:
        say(secret)


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


def _link(settings: Settings, secret: str) -> str:
    beacon = read_beacon(Path(settings.data))
    base = beacon.url if beacon else reachable(f"http://{settings.server.listen}")
    return f"{base}/sign-in/first?secret={secret}"
