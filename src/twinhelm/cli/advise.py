"""``advise`` says what to automate next; its other commands bring in what it is made of."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from twinhelm.cli.asked import Asked, Last, command
from twinhelm.cli.shown import count, heading, rows, say, when
from twinhelm.core.errors import BadInput, NotFound

if TYPE_CHECKING:
    from twinhelm.advise.assess import Question

__all__ = [
    "advise", "app", "assess", "chores", "commits", "dismiss", "look", "show", "take_up", "tests",
]  # fmt: skip

app = typer.Typer(name="advise", help="What to automate next, machines or processes.")

DAY_MS = 86_400_000
GIT_S = 120.0
FIELDS = "key what=claim.text of=claim.facts.discipline >h_a_month=claim.facts.hours_month "
FIELDS += ">sure=claim.confidence >risk=claim.facts.risk draft=claim.facts.draft.kind dismissed"
_NONE = "Nothing that happens again and again was found. `twinhelm advise look` looks now; shell "
_NONE += "history, tickets and CI runs make it see more (`twinhelm advise chores --help`)."

Key = Annotated[str, typer.Argument(help="As `twinhelm advise` lists it.", show_default=False)]
File = Annotated[Path, typer.Argument(help="The file to send.", show_default=False)]
Suite = Annotated[str, typer.Option("--of", help="The repository or suite, such as acme/shop.")]


@command(app.callback(invoke_without_command=True))
def advise(to: Asked, context: typer.Context) -> None:
    """Say what to automate next, the best first: hours saved times confidence and risk."""
    if context.invoked_subcommand is None:
        found = to.reach().get("advice")
        to.answer(found, lambda: rows(found, FIELDS, _NONE))


@command(app.command())
def look(to: Asked, last: Last = None) -> None:
    """Look for toil now, which else happens every hour."""
    query = f"?days={last / DAY_MS:g}" if last else ""
    found = to.reach().post(f"advice{query}", patient=True)
    to.answer(found, lambda: rows(found, FIELDS, _NONE))


@command(app.command())
def show(to: Asked, key: Key) -> None:
    """Show one piece of advice: evidence for and against, and the draft to begin with."""
    found = next((one for one in to.reach().get("advice") if one["key"] == key), None)
    if found is None:
        raise NotFound(f"there is no advice {key!r}", hint="`twinhelm advise` lists it")
    claim, facts = found["claim"], found["claim"]["facts"]

    def tell() -> None:
        say(claim["text"], "bold")
        say(facts["why"])
        for sign, evidence in (("+", claim["evidence_for"]), ("-", claim["evidence_against"])):
            for each in evidence:
                say(f"   {sign} {each['text']}")
        if found["dismissed"]:
            say(f"Dismissed by {found['by']}: {found['dismissed']}", "yellow")
        if draft := facts["draft"]:
            heading(f"{draft['file']} ({draft['kind']})")
            say(draft["text"])

    to.answer(found, tell)


@command(app.command())
def dismiss(
    to: Asked, key: Key, reason: Annotated[str, typer.Option(help="Why; it stands in the journal.")]
) -> None:
    """Silence a piece of advice until there is much more of it."""
    made = to.reach().post(f"advice/{quote(key, safe='')}/dismissal", {"reason": reason})
    to.answer(made, f"{key} is silent until it costs half as much again.")


@command(app.command("take-up"))
def take_up(to: Asked, key: Key) -> None:
    """Hear of dismissed advice again."""
    to.reach().delete(f"advice/{quote(key, safe='')}/dismissal")
    to.answer({"key": key}, f"{key} counts again.")


@command(app.command())
def assess(
    to: Asked,
    answers: Annotated[
        list[str] | None, typer.Option("--answer", help="NAME=LEVEL, 0 to 3; repeatable.")
    ] = None,
    save: Annotated[bool, typer.Option("--save", help="Keep it, to compare later.")] = False,
) -> None:
    """Say where the team stands: use cases, data, skills, culture; evidence answers what it can."""
    from twinhelm.advise.assess import questions

    given: dict[str, int] = {}
    for each in answers or ():
        name, _, level = each.partition("=")
        if not level.isdecimal():
            raise typer.BadParameter(f"{each[:40]!r} is no answer; write NAME=LEVEL, 0 to 3")
        given[name] = int(level)
    there = to.reach()
    if save or given:
        made = there.post("assessments", {"answers": given})
        found = made["answers"]
    else:
        made = found = there.get("assessments/begun")
    asked = {one.name: one for one in questions()}
    to.answer(made, lambda: _say_assessment(found, asked, there.get("assessments")))


@command(app.command())
def commits(
    to: Asked,
    folder: Annotated[Path, typer.Argument(help="A work tree.")],
    of: Suite,
    since: Annotated[str, typer.Option(help="How far back, as git reads it.")] = "90 days ago",
) -> None:
    """Send the commits of a local git history: who, when, what, and what it takes back."""
    from twinhelm.aiops.collect.development import GIT_LOG

    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}", hint="name a work tree")
    program = ["git", "-C", str(folder), "--no-pager", *GIT_LOG, f"--since={since}"]
    try:
        ran = subprocess.run(program, capture_output=True, timeout=GIT_S, check=False)  # noqa: S603 - an argument list, no shell
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadInput(f"git could not be asked: {error}", hint="is git installed?") from error
    if ran.returncode:
        said = ran.stderr.decode(errors="replace").strip()[:300]
        raise BadInput(f"git says: {said}", hint="name a work tree")
    _sent(to, "commits", ran.stdout, {"X-Suite": of})


@command(app.command())
def tests(
    to: Asked,
    file: File,
    of: Suite,
    commit: Annotated[str, typer.Option(help="Which commit was tested.")],
    run: Annotated[str, typer.Option(help="Which run; the same again replaces it.")],
) -> None:
    """Send a test report in JUnit XML."""
    _sent(to, "tests", _bytes(file), {"X-Suite": of, "X-Commit": commit, "X-Run": run})


@command(app.command())
def chores(to: Asked, file: File) -> None:
    """Send shell history or tickets as CSV: time, who, host or service, command or title."""
    _sent(to, "chores", _bytes(file), {})


def _bytes(file: Path) -> bytes:
    if not file.is_file():
        raise NotFound(f"there is no file {file}", hint="name the file to send")
    return file.read_bytes()


def _sent(to: Asked, door: str, body: bytes, headers: dict[str, str]) -> None:
    made = to.reach().send(f"development/{door}", body, headers)
    to.answer(made, f"{count(made['changes'], 'change')} kept; `twinhelm advise look` looks at it.")


def _say_assessment(
    found: list[dict[str, Any]], asked: dict[str, Question], saved: list[dict[str, Any]]
) -> None:
    from twinhelm.advise.assess import levels

    part = ""
    for one in found:
        question = asked[one["name"]]
        if question.part != part:
            part = question.part
            heading(part.capitalize())
        known = one["level"] is not None
        level = f"{one['level']} {levels()[one['level']]}" if known else "? nobody knows yet"
        said = "; ".join(filter(None, (one["by"], one["says"])))
        say(f"   {level:18} {question.ask} [{one['name']}]" + f"  ({said})" * bool(said))
        if not known or one["level"] < 2:
            say(f"   {'':18} next: {question.next}", "dim")
    if saved:
        heading("Kept before")
    for each in saved[:5]:
        scores = ", ".join(f"{name} {value:.1f}" for name, value in each["scores"].items())
        say(f"   {when(each['time_ms'])} by {each['by']}: {scores}")
