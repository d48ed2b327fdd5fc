"""``twinhelm up``: the server, from the command line until somebody ends it.

SIGTERM and Ctrl-C end it with exit status 0, also while it still starts. Once it serves it
leaves ``server.json`` and ``cli-token`` in the data directory (:mod:`twinhelm.cli.place`).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer

from twinhelm.cli.asked import AsJson, Data
from twinhelm.cli.place import (
    Beacon,
    light_beacon,
    put_out_beacon,
    reachable,
    settings_of,
    write_local_token,
)
from twinhelm.cli.shown import emit, say
from twinhelm.core.errors import TwinhelmError

__all__ = ["app"]

log = logging.getLogger(__name__)

app = typer.Typer()


@app.command()
def up(
    data: Data = None,
    listen: Annotated[
        str | None,
        typer.Option(help="HOST:PORT to serve on; port 0 takes a free one.", show_default=False),
    ] = None,
    host: Annotated[bool, typer.Option(help="Watch this host.")] = True,
    as_json: AsJson = False,
) -> None:
    """Start the server; it ends on SIGTERM or Ctrl-C.

    It prints its address, where the data is and, while nobody can sign in yet, a link that makes
    you the first admin.
    """
    ending = _Ending()
    flags: dict[str, Any] = {}
    if listen is not None:
        flags["server"] = {"listen": listen}
    if not host:
        flags["host"] = {"enabled": False}
    settings = settings_of(data, flags)

    from twinhelm.app import VERSION, open_house
    from twinhelm.core.logs import configure_logs
    from twinhelm.core.memory import keep_memory
    from twinhelm.web.server import serve

    configure_logs(settings.tracing)
    keep_memory()
    house = open_house(settings)

    def tell(url: str) -> None:
        ending.begun = True
        near = reachable(url)
        link = None
        try:
            write_local_token(settings.data, house.identities)
            light_beacon(settings.data, Beacon(near, os.getpid(), VERSION, flags))
            secret = house.identities.first_run_link_secret()
            link = f"{near}/sign-in/first?secret={secret}" if secret else None
        except TwinhelmError as error:
            # A full disk or a database that is away: what can still be read is served.
            log.warning("commands here may not find this server", extra={"reason": str(error)})
        _announce(url, str(settings.data.resolve()), link, VERSION, as_json=as_json)

    try:
        serve(house, on_ready=tell)
    finally:
        put_out_beacon(settings.data)


class _Ending:
    """Ends the process in order before the server takes the signals over, and not twice."""

    def __init__(self) -> None:
        self.begun = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        # Once it has served, the house is being stopped, which nothing may cut short.
        if not self.begun:
            raise SystemExit(0)


def _announce(url: str, data: str, link: str | None, version: str, *, as_json: bool) -> None:
    if as_json:
        emit({"url": url, "data": data, "pid": os.getpid(), "version": version, "sign_in": link})
        return
    lines = [("Address", url), ("Data", data)]
    if link:
        lines.append(("Sign in", f"{link}  (once; makes you the first admin)"))
    if sys.stdout.isatty():
        _panel(version, lines)
    else:
        say(f"twinhelm {version} is up")
        for name, value in lines:
            say(f"{name:8} {value}")
    sys.stdout.flush()


def _panel(version: str, lines: list[tuple[str, str]]) -> None:
    from rich.console import Console, Group
    from rich.panel import Panel
    from rich.text import Text

    # The link stands outside the frame, in one line, so that it can be copied whole.
    inside = [Text(f"{name:8} {value}") for name, value in lines if name != "Sign in"]
    inside.append(Text("Ctrl-C   ends it"))
    console = Console(highlight=False)
    console.print(Panel(Group(*inside), title=f"twinhelm {version}", expand=False))
    for name, value in lines:
        if name == "Sign in":
            console.print(Text(f"{name}: {value}"), soft_wrap=True)
