"""``twinhelm lab``: a small real shop to break, recordings of it, and a score.

The lab itself (:mod:`twinhelm.lab`) knows nothing of twinhelm but its public addresses; here its
refusals become the program's own. What breaks or measures something undoes it on Ctrl-C and on
SIGTERM.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinhelm.cli.asked import Asked, command
from twinhelm.cli.lab_shown import progress, show_replay, show_score, show_status
from twinhelm.cli.place import data_directory
from twinhelm.cli.shown import count, listing
from twinhelm.core.errors import Refused

if TYPE_CHECKING:
    from twinhelm.lab.remote import Lab

__all__ = [
    "app", "break_", "faults", "lab_command", "record", "repair", "replay", "run", "score",
    "status", "up",
]  # fmt: skip

app = typer.Typer(
    name="lab", help="A small real shop to break, and how well that is seen.", no_args_is_help=True
)

TELEMETRY = ("metrics", "otlp", "loki", "changes")
Folder = Annotated[
    Path | None,
    typer.Option(help="The lab's folder; else `lab` in the data directory.", show_default=False),
]
Token = Annotated[str, typer.Option(envvar="TWINHELM_TOKEN", help="Token to show to the server.")]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write what came of it here.", show_default=False)
]
Name = Annotated[str, typer.Argument(metavar="FAULT", help="Its name; `lab faults` lists them.")]


def lab_command(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command of the lab, whose refusals are told as the program's own."""

    def made(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def run(to: Asked, **given: Any) -> None:
            from twinhelm.lab.words import LabError

            try:
                function(to, **given)
            except LabError as error:
                raise Refused(error.message, hint=error.hint) from error

        return command(app.command(name), ("as_json",))(run)

    return made


@lab_command("up")
def up(
    to: Asked,
    server: Annotated[
        str, typer.Option("--to", help="Address of twinhelm; empty sends nowhere.")
    ] = "http://127.0.0.1:9700",
    token: Token = "",
    folder: Folder = None,
    interval: Annotated[float, typer.Option(min=0.2, help="Seconds between two exports.")] = 2.0,
    rate: Annotated[float, typer.Option(min=0.0, help="Page requests per second.")] = 10.0,
    day: Annotated[float, typer.Option(min=10.0, help="Seconds that the shop's day lasts.")] = 600,
    database: Annotated[str, typer.Option(help="auto, postgresql or sqlite.")] = "auto",
    port: Annotated[int, typer.Option(min=0, help="The shop's port; 0 takes a free one.")] = 0,
    control_port: Annotated[
        int, typer.Option(min=0, help="The operators' port; 0 takes a free one.")
    ] = 0,
    metrics_url: Annotated[str, typer.Option(help="Remote write, instead of --to.")] = "",
    otlp_url: Annotated[str, typer.Option(help="OTLP over HTTP, instead of --to.")] = "",
    loki_url: Annotated[str, typer.Option(help="Loki push, instead of --to.")] = "",
    changes_url: Annotated[str, typer.Option(help="CloudEvents, instead of --to.")] = "",
) -> None:
    """Run the shop until Ctrl-C; other commands break it meanwhile."""
    from dataclasses import replace

    from twinhelm.lab.plan import Backend
    from twinhelm.lab.stage.stage import Options, Stage
    from twinhelm.lab.stage.up import run_lab

    if database not in ("auto", "postgresql", "sqlite"):
        raise typer.BadParameter(f"{database!r} is none of auto, postgresql, sqlite")
    given = zip(TELEMETRY, (metrics_url, otlp_url, loki_url, changes_url), strict=True)
    others = {name: url.rstrip("/") for name, url in given if url}
    backend = replace(Backend.at(server, token), **others)
    options = Options(
        folder=_folder(folder),
        backend=backend,
        interval_s=interval,
        day_s=day,
        rate=rate,
        database=database,
        port=port,
        control=control_port,
    )

    def ready(stage: Stage) -> None:
        gateway = stage.plan.own_url("gateway")
        receivers = [*([server] if server else []), *others.values()]
        said = {"folder": str(options.folder), "gateway": gateway, "to": receivers}
        told = f"The lab is up\nShop     {gateway}\nFolder   {options.folder}\n"
        told += f"Sends to {', '.join(receivers) or 'nowhere'}"
        to.answer(said, told + "\nBreak it with `twinhelm lab break FAULT`; Ctrl-C ends it.")
        sys.stdout.flush()

    def tell(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    run_lab(options, say=tell, up=ready)


@lab_command("status")
def status(to: Asked, folder: Folder = None) -> None:
    """Say how the lab is: its processes, what is broken, what was sent."""
    with _attached(folder) as lab:
        found = lab.status()

    to.answer(found, lambda: show_status(found))


@lab_command("faults")
def faults(to: Asked) -> None:
    """List what can be broken, who is to blame for it, and how it is repaired."""
    from dataclasses import asdict

    from twinhelm.lab.faults import FAULTS

    found = [
        {
            "name": fault.name,
            "title": fault.title,
            "repair": fault.repair,
            "truth": asdict(fault.truth),
        }
        for fault in FAULTS.values()
    ]

    def blamed(row: Mapping[str, Any]) -> str:
        return str(row["truth"]["service"]) if row["truth"]["blame"] else "nobody"

    columns = (
        ("fault", "name"),
        ("what", "title"),
        ("to blame", "", blamed),
        ("shows in", "truth", lambda truth: truth["indicator"]),
        ("repair", "repair"),
    )
    to.answer(found, lambda: listing(found, columns, "There are none."))


@lab_command("break")
def break_(to: Asked, fault: Name, folder: Folder = None) -> None:
    """Begin a fault in the lab that is up."""
    with _attached(folder) as lab:
        lab.break_(fault)
    to.answer({"fault": fault, "active": True}, f"{fault} has begun; `lab repair {fault}` ends it")


@lab_command("repair")
def repair(
    to: Asked,
    fault: Annotated[str, typer.Argument(metavar="[FAULT]", help="Nothing means all.")] = "",
    folder: Folder = None,
) -> None:
    """End a fault, or all that are active."""
    with _attached(folder) as lab:
        if fault:
            lab.repair(fault)
        names = [fault] if fault else lab.repair_all()
    to.answer({"repaired": names}, f"repaired: {', '.join(names) or 'nothing was broken'}")


@lab_command("run")
def run(
    to: Asked,
    scenario: Annotated[
        str, typer.Argument(help="tour, quick, all, two-at-once, quiet, or a TOML file.")
    ],
    folder: Folder = None,
) -> None:
    """Break and repair the lab that is up, as a scenario says."""
    from dataclasses import asdict

    from twinhelm.lab.faults import FAULTS
    from twinhelm.lab.scenario import read_scenario, walk

    asked = read_scenario(scenario, FAULTS)
    with _attached(folder) as lab, _undone(), progress(quiet=to.as_json) as tell:
        done = [asdict(each) for each in walk(lab, asked, tell)]
    told = f"{asked.title}: done, {count(len(done), 'step')} with faults, all repaired"
    to.answer({"title": asked.title, "steps": done}, told)


@lab_command("record")
def record(
    to: Asked,
    recording: Annotated[Path, typer.Argument(help="Folder to make; it must be new or empty.")],
    scenario: Annotated[str, typer.Option(help="As for `lab run`.")] = "quick",
    quiet: Annotated[float, typer.Option(min=0, help="Seconds without a fault first.")] = 120.0,
    lead: Annotated[float, typer.Option(min=0, help="Seconds kept before a fault.")] = 60.0,
    tail: Annotated[float, typer.Option(min=0, help="Seconds kept after its repair.")] = 30.0,
    folder: Folder = None,
) -> None:
    """Walk a scenario in the lab that is up, and keep its telemetry and the truth."""
    from twinhelm.lab.faults import FAULTS
    from twinhelm.lab.scenario import read_scenario, record_walk

    asked = read_scenario(scenario, FAULTS)
    with _attached(folder) as lab, _undone(), progress(quiet=to.as_json) as tell:
        cases = record_walk(
            lab, recording, asked, FAULTS, quiet_s=quiet, lead_s=lead, tail_s=tail, tell=tell
        )
    told = f"{count(len(cases), 'case')} in {recording}; `twinhelm lab replay` feeds it in again"
    to.answer({"recording": str(recording), "cases": cases}, told)


@lab_command("replay")
def replay(
    to: Asked,
    recording: Annotated[
        Path | None, typer.Argument(help="A folder that `lab record` made; else one that is here.")
    ] = None,
    case: Annotated[str, typer.Option(metavar="ID", help="Only this case.")] = "",
    speed: Annotated[
        float, typer.Option(min=0.0, help="Times as fast as it was; 0: as fast as it can be.")
    ] = 0.0,
    server: Annotated[
        str, typer.Option("--to", help="Address to feed; else a twinhelm of its own.")
    ] = "",
    token: Token = "",
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the server of its own up until Ctrl-C.")
    ] = False,
    out: Out = None,
) -> None:
    """Feed a recording in again, on its own clock, and say what was made of it."""
    from twinhelm.lab.house import House, save_incidents, started
    from twinhelm.lab.record import SHIPPED, Recording
    from twinhelm.lab.replay import replay as feed

    source = Recording.open(recording or SHIPPED)
    with ExitStack() as opened, _undone():
        if server:
            house = House(server, token)
        else:
            place = opened.enter_context(TemporaryDirectory(prefix="twinhelm-replay-"))
            house = opened.enter_context(started(Path(place) / "data", "--driven", "--no-host"))
        with progress(quiet=to.as_json) as tell:
            told = f"replaying {case or source.folder.name}"
            found = feed(
                source,
                house,
                case_id=case,
                speed=speed,
                tell=lambda done, whole: tell(told, done, whole),
            )
        if out is not None:
            save_incidents(house, out)
        to.answer(found, lambda: show_replay(found))
        if keep and not server:
            sys.stderr.write(f"The server stays at {house.url} until Ctrl-C.\n")
            sys.stdout.flush()
            signal.pause()


@lab_command("score")
def score(
    to: Asked,
    repeat: Annotated[int, typer.Option(min=1, max=100, help="Every fault so many times.")] = 1,
    quick: Annotated[
        bool, typer.Option("--quick", help="A dozen faults in at most 12 minutes.")
    ] = False,
    faults: Annotated[str, typer.Option(metavar="A,B", help="Only these.")] = "",
    repair: Annotated[
        bool, typer.Option("--repair", help="Let twinhelm repair, by the lab's own runbooks.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Fixes the order of the faults.")] = 1,
    out: Out = None,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a page.", show_default=False)
    ] = None,
) -> None:
    """Break a fresh lab in every way and judge a fresh twinhelm by what it says.

    It takes at most 60 minutes per repeat, 12 with --quick. Ctrl-C ends it early; what was
    measured until then is told.
    """
    from twinhelm.lab.faults import FAULTS, REPAIRABLE
    from twinhelm.lab.scenario import pick
    from twinhelm.lab.score import FULL, QUICK, Tally, document, run_once, write_score
    from twinhelm.lab.words import LabError

    asked = faults or (",".join(REPAIRABLE) if repair else "")
    wanted, pace = pick(FAULTS, asked, quick=quick), QUICK if quick else FULL
    tallies: list[Tally] = []
    stopped: BaseException | None = None
    try:
        with _undone(), progress(quiet=to.as_json) as tell:
            for number in range(1, repeat + 1):
                tallies.append(Tally(number))
                with TemporaryDirectory(prefix="twinhelm-score-") as folder:
                    run_once(
                        wanted, pace, tallies[-1], seed=seed, folder=Path(folder), tell=tell,
                        repair=repair,
                    )  # fmt: skip
    except (KeyboardInterrupt, LabError) as error:
        if not any(tally.trials or tally.quiet_s for tally in tallies):
            raise
        stopped = error
    found = document(tallies, seed=seed, quick=quick)
    if stopped is not None:
        found |= {"complete": False, "stopped": str(stopped) or "interrupted"}
    written = write_score(found, tallies, out, page)
    to.answer(found, lambda: show_score(found, written))
    if stopped is not None:
        raise typer.Exit(130 if isinstance(stopped, KeyboardInterrupt) else 1)


def _folder(folder: Path | None) -> Path:
    return (folder or data_directory(None) / "lab").absolute()


@contextmanager
def _attached(folder: Path | None) -> Iterator[Lab]:
    from twinhelm.lab.remote import Lab

    lab = Lab.attach(_folder(folder))
    try:
        yield lab
    finally:
        lab.close()


@contextmanager
def _undone() -> Iterator[None]:
    """Let SIGTERM end things as Ctrl-C does, so that what was begun is undone."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
