"""``product``: ask whether a model is the answer, write its file, check it, take it, show it.

``new`` and ``check`` need no server. The questions of ``new`` come from the frame room; what is
answered by ``--answer`` or a file is not asked, and with ``--json``, or without a terminal,
nothing is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from twinhelm.cli.asked import Asked, command
from twinhelm.cli.shown import count, heading, rows, say, styled, when
from twinhelm.core.errors import BadInput, Conflict, NotFound

__all__ = [
    "PANEL", "Name", "check", "frame", "group", "hold", "list_", "new", "path_of", "remark",
    "retire", "show",
]  # fmt: skip

PANEL = "Models"
group = typer.Typer(name="product", help="Model products: what for, whose, how they stand.")

Name = Annotated[str, typer.Argument(help="The product.", show_default=False)]
File = Annotated[Path, typer.Argument(help="A product file.")]
Reason = Annotated[str, typer.Argument(help="Why.", show_default=False)]
Undo = Annotated[bool, typer.Option("--undo", help="Take it back.")]


def path_of(name: str, *more: str) -> str:
    """Return the API's path of a product, or of something of it."""
    return "/".join(["products", quote(name, safe=""), *(quote(each, safe="") for each in more)])


@command(group.command(), ("as_json",))
def new(
    to: Asked,
    out: Annotated[Path, typer.Option(help="Where to write it.")] = Path("product.toml"),
    answers: Annotated[
        list[str] | None,
        typer.Option("--answer", help="QUESTION=ANSWER, not to be asked; may be repeated."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--answers", help="A TOML file of answers, by question.")
    ] = None,
) -> None:
    """Ask what a product is for, and whether a model is the right answer; write its file."""
    from twinhelm.mlops.frame import advice, draft

    if out.exists():
        raise Conflict(f"{out} exists already", hint="name another file with --out")
    given = _given(file, answers or [])
    if sys.stdin.isatty() and not to.as_json:
        _ask(given)
    text, told = draft(given), advice(given)
    out.write_text(text, encoding="utf-8")

    def tell() -> None:
        for line in told:
            say(line, "yellow")
        say(f"Wrote {out}. Complete its columns and gates, then: twinhelm product frame {out}")

    to.answer({"file": str(out), "advice": told}, tell)


def _given(file: Path | None, answers: list[str]) -> dict[str, str]:
    import tomllib

    given: dict[str, str] = {}
    if file is not None:
        try:
            read = tomllib.loads(_text(file))
        except tomllib.TOMLDecodeError as error:
            raise BadInput(
                f"{file} is no TOML: {error}", hint='lines such as rule = "no"'
            ) from error
        given |= {name: str(said) for name, said in read.items()}
    for each in answers:
        name, equals, said = each.partition("=")
        if not equals:
            raise typer.BadParameter(f"{each[:40]!r} is no answer; write QUESTION=ANSWER")
        given[name.strip()] = said.strip()
    return given


def _ask(given: dict[str, str]) -> None:
    """Ask what is still open; an answer against machine learning is told at once."""
    from twinhelm.mlops.frame import questions

    for one in questions():
        needed = one.needed == "always" or (one.needed and given.get("harm") == "serious")
        while one.name not in given:
            heading(one.ask)
            say(one.why, "dim")
            usual = one.choices[0] if one.choices else ""
            said = typer.prompt(" / ".join(one.choices) or "Answer", default=usual).strip()
            if (said or not needed) and (not one.choices or said in one.choices):
                given[one.name] = said
        said = given[one.name]
        if advice := one.advice.get(said):
            say(advice, "yellow")
        if said in one.stop:
            typer.confirm("Go on all the same?", abort=True)


@command(group.command(), ("as_json",))
def check(to: Asked, file: File) -> None:
    """Say everything that is wrong with a product file, by line and column."""
    from twinhelm.mlops.frame import read_spec

    spec = read_spec(_text(file), str(file))
    found = {"name": spec.product.name, "tier": spec.product.tier, "gates": len(spec.gates)}
    held = f"{count(len(spec.data.columns), 'column')}, {count(len(spec.gates), 'gate')}"
    to.answer(found, f"{file} holds together: {spec.product.name}, {spec.product.tier}, {held}.")


@command(group.command())
def frame(to: Asked, file: File = Path("product.toml")) -> None:
    """Take a product file: the product begins, or follows its file's changes."""
    body = {"text": _text(file), "folder": str(file.absolute().parent)}
    made = to.reach().post("products", body)
    told = (
        f"{made['name']} is framed, risk tier {made['tier']}. Next: twinhelm build {made['name']}"
    )
    to.answer(made, told)


@command(group.command("list"))
def list_(to: Asked) -> None:
    """List every product, twinhelm's own algorithms too."""
    found = to.reach().get("products")
    fields = "name live tier owner decides retired hold"
    to.answer(found, lambda: rows(found, fields, "No product yet: twinhelm product new"))


@command(group.command())
def show(to: Asked, name: Name) -> None:
    """Show one product: versions, traffic, health, readiness, remarks."""
    there = to.reach()
    found: dict[str, Any] = there.get(path_of(name))
    found["versions"] = there.get(path_of(name, "versions"))
    found["readiness"] = there.get(path_of(name, "readiness"))
    to.answer(found, lambda: _say_product(found))


def _say_product(found: dict[str, Any]) -> None:
    one, traffic, health, ready = (
        found[part] for part in ("product", "deployment", "health", "readiness")
    )
    say(f"{one['name']}: {one['decides']}", "bold")
    say(f"owner {one['owner']}, risk tier {one['tier']}")
    for word in ("retired", "hold"):
        if one[word]:
            say(f"{word}: {one[word]}", "yellow")
    for part in traffic["parts"] if traffic else ():
        say(f"version {part['version']} is {part['role']}, {part['share']:.0%} of the traffic")
    state = health["state"] if health else "unknown"
    say(f"health {state}", styled(state).style)
    for says in health["says"] if health else ():
        say(f"   {says}")
    step = ready["steps"][0]["step"] if ready["steps"] else "nothing is left to do"
    say(f"ready {ready['score']:.1f} of 7; next: {step}")
    heading("Versions")
    empty = "None yet: log one with MLflow under this name, or twinhelm build NAME."
    rows(found["versions"], "version stage registered_ms author metrics method", empty)
    if found["remarks"]:
        heading("Remarks")
    for each in found["remarks"]:
        say(f"   {when(each['time_ms'])}  {each['text']}  ({each['by']})")


@command(group.command())
def retire(to: Asked, name: Name, reason: Reason = "", undo: Undo = False) -> None:
    """Let a product answer no more; what was kept of it stays."""
    _set(to, name, "retire", reason, undo, "answers no more", "is taken up again")


@command(group.command())
def hold(to: Asked, name: Name, reason: Reason = "", undo: Undo = False) -> None:
    """Put a product on legal hold, under which nothing of it is deleted."""
    _set(to, name, "hold", reason, undo, "is on legal hold", "is on legal hold no longer")


def _set(to: Asked, name: str, what: str, reason: str, undo: bool, done: str, undone: str) -> None:
    if bool(reason.strip()) is undo:
        raise typer.BadParameter("say why, or take it back with --undo")
    made = to.reach().post(path_of(name, what), {"reason": reason})
    to.answer(made, f"{name} {undone if undo else done}.")


@command(group.command())
def remark(
    to: Asked,
    name: Name,
    text: Annotated[str, typer.Argument(help="@name mentions somebody.", show_default=False)],
    about: Annotated[str, typer.Option(help="A version, a run, a section.")] = "",
) -> None:
    """Say something about a product."""
    made = to.reach().post(path_of(name, "remarks"), {"text": text, "about": about})
    to.answer(made, f"Noted on {name}.")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no file {file}", hint="twinhelm product new writes one"
        ) from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is no UTF-8 text", hint="save it as UTF-8") from error
