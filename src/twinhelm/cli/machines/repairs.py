"""``runbook``: the documents of repairs. ``repair``: what waits, runs and ran, and the stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from twinhelm.cli.asked import Asked, Limit, command
from twinhelm.cli.shown import Column, heading, listing, say, styled, when
from twinhelm.core.errors import NotFound

__all__ = [
    "add", "answer", "approve", "ask", "backtest", "check", "dry_run", "found", "level",
    "listed", "refuse", "remove", "repairs", "resume", "runbooks", "show", "shown", "stop", "undo",
]  # fmt: skip

runbooks = typer.Typer(
    name="runbook", help="How faults are repaired: documents, and how far each goes by itself.",
    no_args_is_help=True,
)  # fmt: skip
repairs = typer.Typer(
    name="repair", help="Repairs: what waits for people, runs and ran; the stop switch.",
    no_args_is_help=True,
)  # fmt: skip

Name = Annotated[str, typer.Argument(help="The runbook.", show_default=False)]
Id = Annotated[str, typer.Argument(help="The repair, such as 12-1.", show_default=False)]
File = Annotated[Path, typer.Argument(help="A file NAME.toml.", show_default=False)]
Incident = Annotated[int, typer.Option(min=1, max=(1 << 53) - 1, help="For which incident.")]
Values = Annotated[
    list[str] | None, typer.Option("--value", help="NAME=VALUE in place of a fact; repeatable.")
]
Note = Annotated[str, typer.Option(help="Why; it stands in the journal.")]
_BOOKS: tuple[Column, ...] = (
    ("name", "name"), ("version", "version"), ("from", "source"), ("goes", "goes"),
    ("why", "why"), ("what", "says"),
)  # fmt: skip
_REPAIRS: tuple[Column, ...] = (
    ("id", "id"), ("state", "state", styled), ("runbook", "runbook"), ("target", "target"),
    ("asked", "asked_ms", when), ("why", "reason"),
)  # fmt: skip
_PAST: tuple[Column, ...] = (
    (">no.", "incident"), ("would", "outcome"), ("began", "started_ms", when),
    ("what", "title"), ("why", "reason"),
)  # fmt: skip


@command(runbooks.command("list"))
def listed(to: Asked) -> None:
    """List the runbooks in use, and how far each goes by itself."""
    found = to.reach().get("runbooks")
    rows = [
        each | {"goes": (each["autonomy"] or {}).get("level", "nowhere"),
                "why": each["fault"] or each["autonomy"]["text"]}
        for each in found
    ]  # fmt: skip
    to.answer(
        found, lambda: listing(rows, _BOOKS, "No runbooks: `twinhelm runbook add` takes one.")
    )


@command(runbooks.command())
def show(to: Asked, name: Name) -> None:
    """Show one runbook: its text, its versions, its repairs."""
    found = to.reach().get(_path(name))

    def tell() -> None:
        say(found["text"].rstrip())
        heading("Versions")
        for each in found["versions"]:
            say(f"   {each['version']} by {each['by']}, {when(each['time_ms'])}, {each['source']}")
        heading("Repairs")
        _list_repairs(found["repairs"])

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
    to.reach().delete(_path(name))
    to.answer({"removed": name}, f"{name} is used no more.")


@command(runbooks.command())
def level(
    to: Asked,
    name: Name,
    most: Annotated[str, typer.Argument(help="suggest, ask, act, or author: as its author says.")],
) -> None:
    """Say how far a runbook may go by itself at most."""
    if most not in ("suggest", "ask", "act", "author"):
        raise typer.BadParameter(f"{most[:40]!r} is none of suggest, ask, act, author")
    wish = {"level": None if most == "author" else most}
    to.answer(to.reach().post(_path(name, "level"), wish), f"{name}: {most} at most.")


@command(runbooks.command("dry-run"))
def dry_run(to: Asked, name: Name, incident: Incident, values: Values = None) -> None:
    """Say exactly what a runbook would do about an incident, and whether it may."""
    wish = {"incident": incident, "values": _values(values)}
    found = to.reach().post(_path(name, "dry-run"), wish)
    to.answer(found, lambda: _say_judged(found))


@command(runbooks.command())
def backtest(
    to: Asked,
    what: Annotated[str, typer.Argument(help="A runbook in use, or a file NAME.toml.")],
    limit: Limit = 200,
) -> None:
    """Say on which past incidents a runbook would have run, and why not on the others."""
    wish: dict[str, Any] = {"limit": limit}
    wish |= {"text": _text(Path(what))} if what.endswith(".toml") else {"name": what}
    found = to.reach().post("runbooks/backtest", wish)
    rows = [each | {"reason": "; ".join(each["why"])} for each in found]

    def tell() -> None:
        ran = sum(each["outcome"] in ("act", "ask") for each in found)
        say(f"It would have run for {ran} of {len(found)} past incidents.", "bold")
        listing(rows, _PAST, "No incidents yet.")

    to.answer(found, tell)


@command(runbooks.command("run"))
def ask(to: Asked, name: Name, incident: Incident, values: Values = None) -> None:
    """Ask for a repair: it begins, or waits for people to agree."""
    wish = {"incident": incident, "values": _values(values)}
    made = to.reach().post(_path(name, "run"), wish)
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
    rows = there.get("repairs", state=state or None, incident=incident, limit=limit)
    switch = there.get("stop")

    def tell() -> None:
        if switch["on"]:
            said = f": {switch['reason']}" if switch["reason"] else ""
            say(f"The stop switch was pulled by {switch['by']} {when(switch['time_ms'])}{said}.",
                "bold red")  # fmt: skip
        _list_repairs(rows)

    to.answer(rows, tell)


@command(repairs.command("show"))
def shown(to: Asked, repair: Id) -> None:
    """Show one repair: why, what is planned, who agreed, how each step went, what was seen."""
    found = to.reach().get(_of(repair))

    def tell() -> None:
        one = found["repair"]
        say(f"Repair {one['id']}: {one['runbook']} for {one['plan']['target']}", "bold")
        state = styled(one["state"])
        say(f"{state.text}{': ' + one['reason'] if one['reason'] else ''}", state.style)
        for text in one["why"]:
            say(f"   {text}")
        heading("Steps")
        for plan, step in zip(one["plan"]["steps"], one["steps"], strict=True):
            say(f"   {step['state']:8} {plan['says']}")
            say(f"            undo: {plan['undo'] or 'nothing changes'}", "dim")
            if step["text"]:
                say(f"            {step['text']}")
        heading("People")
        say(f"   asked by {one['asked_by']}, {one['needs']} must agree")
        for each in one["answers"]:
            verb = each["choice"] or ("agreed" if each["agrees"] else "refused")
            say(f"   {each['by']} {verb} {when(each['time_ms'])} {each['note']}")
        for choice, means in found["choices"].items():
            say(f"   {one['question']}: {choice} ({means})")
        for text in one["checks"]:
            say(f"   {text}")
        if one["repair_s"] is not None:
            say(f"repaired after {one['repair_s']:.0f} s", "green")

    to.answer(found, tell)


@command(repairs.command())
def approve(to: Asked, repair: Id, note: Note = "") -> None:
    """Agree that a repair begin."""
    _answer(to, repair, {"agrees": True, "note": note})


@command(repairs.command())
def refuse(to: Asked, repair: Id, note: Note) -> None:
    """Refuse a repair, with the reason."""
    _answer(to, repair, {"agrees": False, "note": note})


@command(repairs.command())
def answer(
    to: Asked,
    repair: Id,
    choice: Annotated[str, typer.Argument(help="One of the choices that `repair show` tells.")],
    note: Note = "",
) -> None:
    """Answer what a repair asks half-way."""
    _answer(to, repair, {"agrees": choice != "no", "note": note, "choice": choice})


@command(repairs.command())
def stop(
    to: Asked,
    repair: Annotated[str, typer.Argument(help="One repair; all of them unless told.")] = "",
    reason: Note = "",
) -> None:
    """Halt every repair now, or one; none begins until `twinhelm repair resume`."""
    made = to.reach().post(_of(repair, "stop") if repair else "stop", {"reason": reason})
    told = f"Repair {repair} is {made['state']}." if repair else (
        "Every repair is halted, and none begins until `twinhelm repair resume`."
    )  # fmt: skip
    to.answer(made, told)


@command(repairs.command())
def resume(to: Asked, reason: Note = "") -> None:
    """Let repairs begin again; those that were halted stay so."""
    made = to.reach().post("stop/release", {"reason": reason})
    to.answer(made, "Repairs may begin again.")


@command(repairs.command())
def undo(to: Asked, repair: Id) -> None:
    """Take back what a stopped repair did."""
    made = to.reach().post(_of(repair, "undo"))
    to.answer(made, f"Repair {repair} is being taken back.")


def _answer(to: Asked, repair: str, said: dict[str, Any]) -> None:
    made = to.reach().post(_of(repair, "answer"), said)
    to.answer(made, f"Repair {repair} is {made['state']}.")


def _list_repairs(found: list[dict[str, Any]]) -> None:
    rows = [each | {"target": each["plan"]["target"]} for each in found]
    listing(rows, _REPAIRS, "No repairs.")


def _say_judged(found: dict[str, Any]) -> None:
    say(f"{found['verdict']}: {found['reason']}", "bold")
    for text in found["fit"]["why"]:
        say(f"   {text}")
    plan = found["plan"]
    for step in plan["steps"] if plan else ():
        heading(step["name"])
        for text in step["before"]:
            say(f"   look first: {text}")
        say(f"   {step['says']}")
        for text in step["after"]:
            say(f"   look after: {text}")
        say(f"   undo: {step['undo'] or 'nothing changes'}")
    if plan:
        say(f"touches {', '.join(plan['reach']) or 'nothing'}; then {'; '.join(plan['verify'])}")


def _values(said: list[str] | None) -> dict[str, str] | None:
    given = {}
    for each in said or ():
        name, equals, value = each.partition("=")
        if not equals:
            raise typer.BadParameter(f"{each[:40]!r} is no value; write NAME=VALUE")
        given[name] = value
    return given or None


def _text(file: Path) -> str:
    if not file.is_file():
        raise NotFound(f"there is no file {file}", hint="name a runbook's file")
    return file.read_text(encoding="utf-8")


def _path(name: str, *rest: str) -> str:
    return "/".join(("runbooks", quote(name, safe=""), *rest))


def _of(repair: str, *rest: str) -> str:
    return "/".join(("repairs", quote(repair, safe=""), *rest))
