"""Parts of plans for messages, put together by tests: channels with real ends, people, routes."""

from __future__ import annotations

__all__ = ["PEOPLE", "everything", "hook", "mail", "rota"]

PEOPLE = """\
[[people]]
name = "ada"
email = "ada@example.org"
channels = ["{channel}"]
[[people]]
name = "bob"
email = "bob@example.org"
channels = ["{channel}"]
"""


def hook(url: str) -> str:
    """A signed webhook, whose key is the secret ``hook``."""
    named = 'name = "hook"\nkind = "webhook"\nsecret = "secret:hook"'
    return f'[[channels]]\n{named}\nurl = "{url}"\ngather_s = 0\n'


def mail(port: int, more: str = "") -> str:
    """Mail by a server of this machine."""
    server = f'host = "127.0.0.1"\nport = {port}\ntls = "none"\nsender = "helm@example.org"'
    return f'[[channels]]\nname = "mail"\nkind = "email"\n{server}\ngather_s = 0\n{more}'


def rota(starts: str, *people: str, more: str = "") -> str:
    """The rota ``primary``; its people take turns of a day."""
    named = ", ".join(f'"{name}"' for name in people)
    head = f'[[rotas]]\nname = "primary"\nstarts = {starts}\n{more}'
    return f'{head}[[rotas.shifts]]\npeople = [{named}]\nevery = "day"\n'


def everything(*to: str) -> str:
    """One route, by which all goes."""
    named = ", ".join(f'"{target}"' for target in to)
    return f'[[routes]]\nname = "all"\nto = [{named}]\n'
