"""Runs a whole lab until someone ends it: Ctrl-C, SIGTERM, the control address, or the parent.

``python -m twinhelm.lab up --to URL --folder F`` is for a parent that wants a lab beside it: when
stdin is a pipe and closes, everything is repaired, stopped and cleaned. Progress goes to stdout,
a line each; a lab that cannot start says why on stderr and ends with status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from twinhelm.lab.plan import Backend
from twinhelm.lab.stage.control import Control
from twinhelm.lab.stage.stage import Options, Stage
from twinhelm.lab.words import Fault, LabError

__all__ = ["main", "run_lab"]


def run_lab(
    options: Options,
    *,
    say: Callable[[str], None],
    faults: Mapping[str, Fault] | None = None,
    up: Callable[[Stage], None] = lambda _stage: None,
) -> None:
    """Run a lab until it is told to end; blocks, and belongs in the main thread.

    ``say`` is told in a line what happens; ``up`` is called once everything is well. Raises
    :class:`LabError` where the lab cannot start or cannot go on.
    """
    asyncio.run(_run(Stage(options, say=say, faults=faults), up))


def main(argv: list[str]) -> None:
    """Run the lab that the arguments describe, for a parent process."""
    usual = Options(Path())
    parser = argparse.ArgumentParser(prog="python -m twinhelm.lab up")
    parser.add_argument(
        "--to", default="", help="base address of twinhelm; nothing is sent without"
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--interval", type=float, default=usual.interval_s)
    parser.add_argument("--day", type=float, default=usual.day_s)
    parser.add_argument("--rate", type=float, default=usual.rate)
    parser.add_argument("--database", choices=["auto", "postgresql", "sqlite"], default="auto")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--record", default="")
    asked = parser.parse_args(argv)
    try:
        options = Options(
            folder=asked.folder,
            backend=Backend.at(asked.to, os.environ.get("TWINHELM_LAB_TOKEN", "")),
            interval_s=asked.interval,
            day_s=asked.day,
            rate=asked.rate,
            database=asked.database,
            port=asked.port,
            control=asked.control_port,
            record=asked.record,
        )
        run_lab(options, say=_say)
    except LabError as error:
        sys.exit(f"lab: {error}")


async def _run(stage: Stage, up: Callable[[Stage], None]) -> None:
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ending.set)
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        watch = threading.Thread(
            target=_watch_stdin, args=(loop, ending), name="parent", daemon=True
        )
        watch.start()
    control = Control(stage)
    try:
        stage.prepare()
        await control.start()
        if await _unless(ending, stage.start()):
            stage.say(f"the shop is open at {stage.plan.own_url('gateway')}")
            up(stage)
            broken = stage.supervisor.broken
            await _any(ending, control.stopping, broken)
            if broken.is_set():
                raise LabError("the process that all others come from was ended; the lab is down")
        stage.say("stopping")
    finally:
        await stage.stop()
        await control.stop()


async def _unless(ending: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work; returns False where it was given up because of ``ending``."""
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(ending.wait())
    await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait((working,))
        return False
    await working
    return True


async def _any(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def _watch_stdin(loop: asyncio.AbstractEventLoop, ending: asyncio.Event) -> None:
    while os.read(0, 4096):
        pass
    with suppress(RuntimeError):  # the loop has ended already
        loop.call_soon_threadsafe(ending.set)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
