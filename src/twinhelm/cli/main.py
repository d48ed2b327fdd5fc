"""The program's entry: all commands in one application, and how errors reach the reader.

Exit status: 0 it worked, 1 it was refused or failed, 2 the command line is not understood. With
``--json`` standard output holds one JSON document whatever happens: the answer, or ``error`` and
``hint``. Modules of commands import nothing heavy; what a command needs it imports when it runs.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from twinhelm.cli import advise, jobs, keeping, lab, overview, people, telemetry, up
from twinhelm.cli.machines import backtest, feedback, incidents, notify, repairs
from twinhelm.cli.models import outpost, products, road
from twinhelm.cli.shown import refuse
from twinhelm.core.errors import TwinhelmError

__all__ = ["app", "main"]

INTERRUPTED = 130
"""What a shell expects of a program that Ctrl-C ended."""

# Of the public exceptions only this one's parent is every error of the command line.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="twinhelm",
    help="One open platform that runs machines and models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for part in (up, overview, incidents, notify, telemetry, jobs, keeping, road, outpost):
    app.add_typer(part.app)
for group in (repairs.runbooks, repairs.repairs):
    app.add_typer(group)
for group in (products.group, road.runs):
    app.add_typer(group, rich_help_panel=products.PANEL)
for group in (overview.group, notify.group, notify.windows, people.user, people.token):
    app.add_typer(group)
for group in (feedback.app, backtest.app, lab.app):
    app.add_typer(group)
app.add_typer(advise.app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"twinhelm {version('twinhelm')}\n")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and end."
    ),
) -> None:
    """One open platform that runs machines and models."""


def main(args: Sequence[str] | None = None) -> None:
    """Run a command and exit with its status."""
    given = list(sys.argv[1:] if args is None else args)
    raise SystemExit(_run(given, as_json="--json" in given))


def _run(given: list[str], *, as_json: bool) -> int:
    try:
        status: Any = app(given, prog_name="twinhelm", standalone_mode=not as_json)
    except _UsageError as error:
        refuse(_usage(error), "twinhelm COMMAND --help", as_json=as_json)
        return 2
    except TwinhelmError as error:
        refuse(error.message, error.hint, as_json=as_json)
    except typer.Abort:
        refuse("nothing was done", "", as_json=as_json)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        # Files and sockets that commands touch themselves; the rooms below name theirs.
        where = f" ({error.filename})" if error.filename else ""
        refuse(f"{error.strerror or error}{where}", "", as_json=as_json)
    else:
        return status if isinstance(status, int) else 0
    return 1


def _usage(error: Exception) -> str:
    say = getattr(error, "format_message", None)
    return str(say() if say else error)
