"""``runbook``: the documents of repairs. ``repair``: what waits, runs and ran, and the stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from twinhelm.cli.asked import Asked, Limit, command
from twinhelm.cli.shown import heading, rows, say, when
from twinhelm.core.errors import NotFound

__all__ = [
    "add", "answer", "approve", "ask", "backtest", "check", "dry_run", "found", "level",
    "listed", "refuse", "remove", "repairs", "resume", "runbooks", "show", "shown", "stop", "undo",
]  # fmt: skip

runbooks = typer.Typer(name="runbook", help="How faults are repaired.", no_args_is_help=True)
repairs = typer.Typer(name="repair", help="Repairs, and the stop switch.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The runbook.", show_default=False)]
Id = Annotated[str, typer.Argument(help="The repair, such as 12-1.", show_default=False)]
File = Annotated[Path, typer.Argument(help="A file NAME.toml.", show_default=False)]
Incident = Annotated[int, typer.Option(min=1, max=(1 << 53) - 1, help="For which incident.")]
Values = Annotated[
    list[str] | None, typer.Option("--value", help="NAME=VALUE in place of a fact; repeatable.")
]
Note = Annotated[str, typer.Option(help="Why; it stands in the journal.")]
BOOKS, REPAIRS = "name version source goes why says", "id state runbook plan.target asked_ms reason"
PAST = "incident outcome started_ms title why"


@command(runbooks.command("list"))
def listed(to: Asked) -> None:
    """List the runbooks in use, and how far each goes by itself."""
    found = to.reach().get("runbooks")
    told = [
        each | {"goes": (each["autonomy"] or {}).get("level", "nowhere"),
                "why": each["fault"] or each["autonomy"]["text"]}
        for each in found
    ]  # fmt: skip
    to.answer(found, lambda: rows(told, BOOKS, "No runbooks: `twinhelm runbook add` takes one."))


@command(runbooks.command())
def show(to: Asked, name: Name) -> None:
    """Show one runbook: its text, its versions, its repairs."""
    found = to.reach().get(_path("runbooks", name))

    def tell() -> None:
        say(found["text"].rstrip())
        heading("Versions")
        rows(found["versions"], "version source by time_ms", "")
        heading("Repairs")
        rows(found["repairs"], "id state asked_ms reason", "None yet.")

    to.answer(found, tell)


@command(runbooks.command())
def check(to: Asked, file: File) -> None:
    """Say what is wrong with a file, by line and column; nothing is taken."""
    found = to.reach().post("runbooks/check", {"text": _text(file)})
    to.answer(found, f"{file} is sound: {found['runbook']['says']}")


@command(runbooks.command())
def add(to: Asked, file: File) -> None:
    """Take a file as the newest version of its runbook."""
    made = to.reach().post("runbooks", {"text": _text(file)})
    to.answer(made, f"{made['name']} has version {made['version']}.")


@command(runbooks.command())
def remove(to: Asked, name: Name) -> None:
    """Let a runbook be used no more; what it did stays."""
    to.reach().delete(_path("runbooks", name))
    to.answer({"removed": name}, f"{name} is used no more.")


@command(runbooks.command())
def level(
    to: Asked,
    name: Name,
    most: Annotated[str, typer.Argument(help="suggest, ask, act, or author: as its author says.")],
) -> None:
    """Say how far a runbook may go by itself at most."""
    wish = {"level": None if most == "author" else most}
    made = to.reach().post(_path("runbooks", name, "level"), wish)
    to.answer(made, f"{name}: {most} at most.")


@command(runbooks.command("dry-run"))
def dry_run(to: Asked, name: Name, incident: Incident, values: Values = None) -> None:
    """Say exactly what a runbook would do about an incident, and whether it may."""
    found = to.reach().post(_path("runbooks", name, "dry-run"), _wish(incident, values))

    def tell() -> None:
        say(f"{found['verdict']}: {found['reason']}", "bold")
        for step in found["plan"]["steps"] if found["plan"] else ():
            _say_step(step)

    to.answer(found, tell)


@command(runbooks.command())
def backtest(
    to: Asked,
    what: Annotated[str, typer.Argument(help="A runbook in use, or a file NAME.toml.")],
    limit: Limit = 200,
) -> None:
    """Say on which past incidents a runbook would have run, and why not on the others."""
    named = {"text": _text(Path(what))} if what.endswith(".toml") else {"name": what}
    found = to.reach().post("runbooks/backtest", {"limit": limit, **named})

    def tell() -> None:
        ran = sum(each["outcome"] in ("act", "ask") for each in found)
        say(f"It would have run for {ran} of {len(found)} past incidents.", "bold")
        rows(found, PAST, "No incidents yet.")

    to.answer(found, tell)


@command(runbooks.command("run"))
def ask(to: Asked, name: Name, incident: Incident, values: Values = None) -> None:
    """Ask for a repair: it begins, or waits for people to agree."""
    made = to.reach().post(_path("runbooks", name, "run"), _wish(incident, values))
    to.answer(made, f"Repair {made['id']} is {made['state']}.")


@command(repairs.command("list"))
def found(
    to: Asked,
    state: Annotated[list[str] | None, typer.Option(help="Only these; may be repeated.")] = None,
    incident: Annotated[int | None, typer.Option(min=1, help="Only of this incident.")] = None,
    limit: Limit = 30,
) -> None:
    """List repairs, the newest first; ``--state asked`` are those that wait for people."""
    there = to.reach()
    made = there.get("repairs", state=state or None, incident=incident, limit=limit)
    switch = there.get("stop")

    def tell() -> None:
        if switch["on"]:
            pulled = f"pulled by {switch['by']} {when(switch['time_ms'])}: {switch['reason']}"
            say(f"The stop switch is {pulled}", "bold red")
        rows(made, REPAIRS, "No repairs.")

    to.answer(made, tell)


@command(repairs.command("show"))
def shown(to: Asked, repair: Id) -> None:
    """Show one repair: why, what is planned, who agreed, how each step went, what was seen."""
    found = to.reach().get(_path("repairs", repair))

    def tell() -> None:
        one = found["repair"]
        book = f"{one['runbook']}{' of commit ' + one['commit'] if one['commit'] else ''}"
        say(f"Repair {one['id']}: {book} for {one['plan']['target']}", "bold")
        say("; ".join((one["state"], *filter(None, (one["reason"], *one["why"], *one["checks"])))))
        for plan, step in zip(one["plan"]["steps"], one["steps"], strict=True):
            _say_step(plan | {"name": f"{plan['name']}: {step['state']}"})
            say(f"   {step['text'] or 'not begun'}")
        heading(f"People ({one['needs']} must agree, asked by {one['asked_by']})")
        rows(one["answers"], "by agrees choice note time_ms", "Nobody has answered.")
        for choice, means in found["choices"].items():
            say(f"{one['question']}: {choice} ({means})")
        if one["repair_s"] is not None:
            say(f"repaired after {one['repair_s']:.0f} s", "green")

    to.answer(found, tell)


@command(repairs.command())
def approve(to: Asked, repair: Id, note: Note = "") -> None:
    """Agree that a repair begin."""
    _answer(to, repair, agrees=True, note=note)


@command(repairs.command())
def refuse(to: Asked, repair: Id, note: Note) -> None:
    """Refuse a repair, with the reason."""
    _answer(to, repair, agrees=False, note=note)


@command(repairs.command())
def answer(
    to: Asked,
    repair: Id,
    choice: Annotated[str, typer.Argument(help="One of the choices that `repair show` tells.")],
    note: Note = "",
) -> None:
    """Answer what a repair asks half-way."""
    _answer(to, repair, agrees=choice != "no", note=note, choice=choice)


@command(repairs.command())
def stop(
    to: Asked,
    repair: Annotated[str, typer.Argument(help="One repair; all of them unless told.")] = "",
    reason: Note = "",
) -> None:
    """Halt every repair now, or one; none begins until `twinhelm repair resume`."""
    path = _path("repairs", repair, "stop") if repair else "stop"
    made = to.reach().post(path, {"reason": reason})
    halted = "Every repair is halted, and none begins until `twinhelm repair resume`."
    to.answer(made, f"Repair {repair} is {made['state']}." if repair else halted)


@command(repairs.command())
def resume(to: Asked, reason: Note = "") -> None:
    """Let repairs begin again; those that were halted stay so."""
    made = to.reach().post("stop/release", {"reason": reason})
    halted = "What was halted (`repair list --state stopped`) stays so until `repair undo ID`."
    to.answer(made, f"Repairs may begin again. {halted}")


@command(repairs.command())
def undo(to: Asked, repair: Id) -> None:
    """Take back what a stopped repair did."""
    made = to.reach().post(_path("repairs", repair, "undo"))
    to.answer(made, f"Repair {repair} is being taken back.")


def _answer(to: Asked, repair: str, **said: Any) -> None:
    made = to.reach().post(_path("repairs", repair, "answer"), said)
    to.answer(made, f"Repair {repair} is {made['state']}.")


def _say_step(step: dict[str, Any]) -> None:
    heading(step["name"])
    for what, texts in (("look first", step["before"]), ("do", [step["says"]]),
                        ("look after", step["after"]), ("undo", [step["undo"]])):  # fmt: skip
        for text in filter(None, texts):
            say(f"   {what}: {text}")


def _wish(incident: int, values: list[str] | None) -> dict[str, Any]:
    split = [each.partition("=") for each in values or ()]
    if wrong := [name for name, equals, _ in split if not equals]:
        raise typer.BadParameter(f"{wrong[0][:40]!r} is no value; write NAME=VALUE")
    return {"incident": incident, "values": {name: value for name, _, value in split} or None}


def _text(file: Path) -> str:
    if not file.is_file():
        raise NotFound(f"there is no file {file}", hint="name a runbook's file")
    return file.read_text(encoding="utf-8")


def _path(of: str, name: str, *rest: str) -> str:
    return "/".join((of, quote(name, safe=""), *rest))
