"""``twinhelm up``: the server, from the command line until somebody ends it.

SIGTERM and Ctrl-C end it with exit status 0, also while it still starts. Once it serves it
leaves ``server.json`` and ``cli-token`` in the data directory (:mod:`twinhelm.cli.place`).
"""

import logging
import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer

from twinhelm.cli.asked import LOCAL, Asked, command
from twinhelm.cli.place import (
    Beacon,
    light_beacon,
    put_out_beacon,
    reachable,
    settings_of,
    write_local_token,
)
from twinhelm.core.errors import TwinhelmError

__all__ = ["Ending", "app", "up"]

log = logging.getLogger(__name__)

app = typer.Typer()


@command(app.command(), LOCAL)
def up(
    to: Asked,
    listen: Annotated[
        str | None,
        typer.Option(help="HOST:PORT to serve on; port 0 takes a free one.", show_default=False),
    ] = None,
    host: Annotated[bool, typer.Option(help="Watch this host.")] = True,
    lab: Annotated[
        bool, typer.Option("--lab", help="Start a small shop beside it, and a guided tour of it.")
    ] = False,
    driven: Annotated[
        bool, typer.Option("--driven", help="Let time stand still until it is moved, for replays.")
    ] = False,
) -> None:
    """Start the server; it ends on SIGTERM or Ctrl-C.

    It prints its address, where the data is and, while nobody can sign in yet, a link that makes
    you the first admin.
    """
    if lab and driven:
        raise typer.BadParameter("--lab lives by real time, which --driven lets stand still")
    ending = Ending()
    flags: dict[str, Any] = {}
    if listen is not None:
        flags["server"] = {"listen": listen}
    if driven:
        flags.setdefault("server", {})["driven"] = True
    if not host:
        flags["host"] = {"enabled": False}
    settings = settings_of(to.data, flags)

    from twinhelm.app import VERSION, open_house
    from twinhelm.core.logs import configure_logs
    from twinhelm.core.own.memory import keep_memory
    from twinhelm.web.site import serve

    configure_logs(settings.tracing)
    keep_memory()
    house = open_house(settings)

    def tell(url: str) -> None:
        ending.begun = True
        near, data, link = reachable(url), str(settings.data.resolve()), None
        try:
            write_local_token(settings.data, house.identities)
            light_beacon(settings.data, Beacon(near, os.getpid(), VERSION, flags))
            secret = house.identities.first_run_link_secret()
            link = f"{near}/sign-in/first?secret={secret}" if secret else None
        except TwinhelmError as error:
            # A full disk or a database that is away: what can still be read is served.
            log.warning("commands here may not find this server", extra={"reason": str(error)})
        told = f"twinhelm {VERSION} is up\nAddress  {url}\nData     {data}"
        tour = house.open_lab(near) if lab else None
        if tour is not None:
            told += f"\nTour     {near}/tour  (the lab comes up; it writes {tour.lab.log})"
        if link:
            told += f"\nSign in  {link}  (once; makes you the first admin)"
        said = {"url": url, "data": data, "pid": os.getpid(), "version": VERSION, "sign_in": link}
        said |= {"tour": f"{near}/tour"} if tour is not None else {}
        to.answer(said, told)
        sys.stdout.flush()

    try:
        serve(house, on_ready=tell)
    finally:
        put_out_beacon(settings.data)


class Ending:
    """Ends the process in order before the server takes the signals over, and not twice."""

    def __init__(self) -> None:
        self.begun = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        # Once it has served, the house is being stopped, which nothing may cut short.
        if not self.begun:
            raise SystemExit(0)
