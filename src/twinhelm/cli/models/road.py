"""The road of a version: build, validate, promote, approve; then traffic, health and evidence.

Long work runs in the server: whoever watches may go away (Ctrl-C) and come back with
``twinhelm jobs``.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from twinhelm.cli.asked import Asked, command, header, moment_ms
from twinhelm.cli.jobs import Wait, follow
from twinhelm.cli.models.products import PANEL, Name, path_of
from twinhelm.cli.shown import heading, rows, say, when
from twinhelm.core.errors import BadInput, NotFound, Refused

if TYPE_CHECKING:
    from twinhelm.cli.server import Server

__all__ = [
    "again", "app", "approvals", "approve", "build", "cancel", "deployment", "evidence", "health",
    "import_models", "inventory", "labels", "live", "promote", "rollback", "runs", "score",
    "stop_rollout", "validate",
]  # fmt: skip

app = typer.Typer()
runs = typer.Typer(name="run", help="Runs of a product's recipe.", no_args_is_help=True)

BATCH = 5000
"""So many labels fit a request."""
KINDS = ("html", "pdf", "json")
CHECKS = "name verdict value wanted says"
PARTS = "version role share"
LIVE = "product version role share since_ms asked_by approved_by reason"
INVENTORY = "product decides owner tier stage live checks approved_by health readiness"
DRIFT = "column slice psi p drifted against"

Version = Annotated[str, typer.Argument(help="The version.", show_default=False)]
Note = Annotated[str, typer.Option(help="Why; it stands in the journal.")]


@command(app.command(rich_help_panel=PANEL))
def build(
    to: Asked,
    name: Name,
    params: Annotated[
        list[str] | None, typer.Option("--param", help="NAME=VALUE for the recipe; repeatable.")
    ] = None,
    wait: Wait = True,
) -> None:
    """Run a product's recipe; what it registers becomes the next version."""
    from twinhelm.core import json

    given: dict[str, Any] = {}
    for each in params or ():
        key, equals, said = each.partition("=")
        if not equals:
            raise typer.BadParameter(f"{each[:40]!r} is no parameter; write NAME=VALUE")
        try:
            given[key] = json.loads(said, what="parameter")
        except BadInput:
            given[key] = said
    there = to.reach()
    _built(to, there, there.post(path_of(name, "builds"), {"params": given or None}), wait)


@command(runs.command())
def again(
    to: Asked,
    name: Name,
    number: Annotated[int, typer.Argument(min=1, help="The build to repeat.")],
    wait: Wait = True,
) -> None:
    """Build again with the data, code and seed of an earlier build."""
    there = to.reach()
    _built(to, there, there.post(path_of(name, "builds", str(number), "again")), wait)


@command(runs.command())
def cancel(
    to: Asked, name: Name, number: Annotated[int, typer.Argument(min=1, help="The build to end.")]
) -> None:
    """End a build that is under way."""
    made = to.reach().post(path_of(name, "builds", str(number), "cancel"))
    to.answer(made, f"Build {number} of {name} is cancelled.")


@command(app.command(rich_help_panel=PANEL))
def score(
    to: Asked,
    name: Name,
    source: Annotated[str, typer.Argument(help="A Parquet file or glob, or sql: and a query.")],
    target: Annotated[Path, typer.Argument(help="The Parquet file to write, on the server.")],
    version: Annotated[str, typer.Option(help="Which version; the live one unless told.")] = "",
    wait: Wait = True,
) -> None:
    """Answer a whole file: its columns, and what the model says of each row."""
    there, file = to.reach(), source
    if not source.startswith("sql:"):
        file = str(Path(source).absolute())
    wish = {"source": file, "target": str(target.absolute()), "version": version}
    _done(to, there, there.post(path_of(name, "score"), wish)["id"], wait)


@command(app.command("import-models", rich_help_panel=PANEL))
def import_models(
    to: Asked,
    url: Annotated[str, typer.Argument(help="Such as http://mlflow:5000.")],
    headers: Annotated[
        list[str] | None, typer.Option("--header", help="'Name: value' to send along; repeatable.")
    ] = None,
    wait: Wait = True,
) -> None:
    """Copy runs and registered models of another MLflow server; nothing goes live by it."""
    there = to.reach()
    wish = {"url": url, "headers": dict(header(each) for each in headers or ())}
    _done(to, there, there.post("mlflow-imports", wish)["id"], wait)


def _built(to: Asked, there: Server, run: dict[str, Any], wait: bool) -> None:
    if wait and run["state"] == "running":
        _over(to, there, run["job"])
        known = there.get(path_of(run["product"], "builds"))
        run = next(each for each in known if each["number"] == run["number"])
    if run["state"] == "failed":
        hint = f"its log: the page of {run['product']}, part Builds"
        raise Refused(f"build {run['number']} failed: {run['error']}", hint=hint)
    made = f", version {run['version']}" if run["version"] else ""
    told = f"Build {run['number']} of {run['product']}: {run['state']}{made}. {run['says']}"
    to.answer(run, told.strip())


def _done(to: Asked, there: Server, job: str, wait: bool) -> None:
    """Say what came of long work, or how to follow it."""
    if _over(to, there, job, wait):
        done = there.get("jobs", id=job)[0]
        to.answer(done, ", ".join(f"{key} {each}" for key, each in done["result"].items()))


def _over(to: Asked, there: Server, job: str, wait: bool = True) -> bool:
    """Stay until a job is over; False, with word how to follow it, where nobody waits.

    Raises :class:`Refused` where it did not end well.
    """
    follow_it = f"twinhelm jobs {job} --follow"
    if not wait:
        to.answer({"id": job}, f"It goes on in the server. Follow it: {follow_it}")
        return False
    ended = follow(there, job, quiet=to.as_json)
    if ended is None:
        raise Refused(f"{job} goes on in the server", hint=follow_it)
    if ended["state"] != "done":
        said = ended["error"] or ended["message"] or "it gave no reason"
        raise Refused(f"{job} ended as {ended['state']}: {said}", hint="twinhelm product show NAME")
    return True


@command(app.command(rich_help_panel=PANEL))
def validate(to: Asked, name: Name, version: Version, wait: Wait = True) -> None:
    """Measure a version on the hold-out data; exit status 1 where a check does not pass."""
    there = to.reach()
    job = there.post(path_of(name, "versions", version, "validate"))["id"]
    if not _over(to, there, job, wait):
        return
    found = there.get(path_of(name, "versions", version))["validation"]
    to.answer(found, lambda: rows(found["checks"], CHECKS, "Nothing is declared to check."))
    if any(each["verdict"] != "pass" for each in found["checks"]):
        raise typer.Exit(1)


@command(app.command(rich_help_panel=PANEL))
def promote(to: Asked, name: Name, version: Version, note: Note = "") -> None:
    """Ask that a version go live; refused with the reason where a gate does not hold."""
    made = to.reach().post(path_of(name, "versions", version, "promote"), {"note": note})
    one = made["approval"]
    told = f"{name} {version} is taking over; see it: twinhelm deployment {name}"
    if one:
        told = f"Asked: {one['needs']} must agree. They answer with: twinhelm approve {one['id']}"
    to.answer(made, told)


@command(app.command(rich_help_panel=PANEL))
def approvals(to: Asked) -> None:
    """List the requests to go live that wait for an answer."""
    found = to.reach().get("approvals")
    fields = "id product version asked_by asked_ms needs note"
    to.answer(found, lambda: rows(found, fields, "Nothing waits for an answer."))


@command(app.command(rich_help_panel=PANEL))
def approve(
    to: Asked,
    approval: Annotated[str, typer.Argument(help="The request; `twinhelm approvals` lists them.")],
    refuse: Annotated[bool, typer.Option("--refuse", help="Say no.")] = False,
    note: Note = "",
) -> None:
    """Agree that a version go live, or refuse; never one's own."""
    body = {"id": approval, "agrees": not refuse, "note": note}
    made = to.reach().post("approvals", body)
    to.answer(made, f"{made['product']} {made['version']}: {made['state']}.")


@command(app.command(rich_help_panel=PANEL))
def rollback(to: Asked, name: Name, note: Note = "") -> None:
    """Move all traffic to the champion before, at once."""
    _turned(to, name, "rollback", note)


@command(app.command("stop-rollout", rich_help_panel=PANEL))
def stop_rollout(to: Asked, name: Name, note: Note = "") -> None:
    """End the rollout under way; the champion has all traffic again."""
    _turned(to, name, "stop", note)


def _turned(to: Asked, name: str, how: str, note: str) -> None:
    made = to.reach().post(path_of(name, "deployment", how), {"reason": note})
    to.answer(made, lambda: rows(made["parts"], PARTS, f"Nobody answers for {name} now."))


@command(app.command(rich_help_panel=PANEL))
def deployment(to: Asked, name: Name) -> None:
    """Show who answers a product's requests, and its rollouts."""
    found = to.reach().get(path_of(name, "deployment"))

    def tell() -> None:
        parts = found["deployment"]["parts"] if found["deployment"] else []
        rows(parts, PARTS, f"Nobody answers for {name}: no version was promoted.")
        heading("Rollouts")
        rows(found["rollouts"], "started_ms version before state reason", "None yet.")

    to.answer(found, tell)


@command(app.command(rich_help_panel=PANEL))
def health(to: Asked, name: Name) -> None:
    """Show how the live version fares: drift, performance with intervals, what to look at."""
    found = to.reach().get(path_of(name, "health"))

    def tell() -> None:
        one = found["latest"]
        if one is None:
            say(f"Nobody has looked at {name} yet: a live version is looked at every minute.")
            return
        say(f"{name} {one['version']}: {one['state']}", "bold")
        for says in one["says"]:
            say(f"   {says}")
        for what in ("performance", "estimated"):
            for metric, values in one[what].items():
                value, low, high = (float("nan") if v is None else v for v in values)
                say(f"{metric} ({what}): {value:.4g} ({low:.4g} to {high:.4g})")
        say(f"{one['rows']:,} rows, {one['labelled']:,} with labels, until {when(one['end_ms'])}")
        rows(one["drift"], DRIFT, "Drift is unknown: too little was seen.")

    to.answer(found, tell)


@command(app.command(rich_help_panel=PANEL))
def labels(
    to: Asked,
    name: Name,
    file: Annotated[Path, typer.Argument(help="CSV with the columns id and value.")],
) -> None:
    """Tell what predictions turned out to be; the same label twice changes nothing."""
    there, became, rest = to.reach(), Counter[str](), _labels(file)
    while batch := list(islice(rest, BATCH)):
        became.update(there.post(path_of(name, "labels"), {"labels": batch}))
    told = ", ".join(f"{number:,} {word}" for word, number in became.most_common())
    to.answer(dict(became), f"Labels of {name}: {told or 'none in the file'}.")


def _labels(file: Path) -> Iterator[dict[str, Any]]:
    if not file.is_file():
        raise NotFound(f"there is no file {file}", hint="a CSV file with the columns id and value")
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        if not {"id", "value"} <= set(rows.fieldnames or ()):
            raise BadInput(f"{file} lacks the columns id and value", hint="name them in line 1")
        for row in rows:
            try:
                yield {"id": row["id"], "value": float(row["value"])}
            except ValueError:
                yield {"id": row["id"], "value": row["value"]}


@command(app.command(rich_help_panel=PANEL))
def evidence(
    to: Asked,
    name: Name,
    version: Version,
    catalogue: Annotated[str, typer.Option(help="The catalogue of controls.")] = "eu-ai-act",
    out: Annotated[Path, typer.Option(help="The directory to write to.")] = Path(),
) -> None:
    """Write an evidence pack: HTML, PDF and JSON, with the model card and bill of materials."""
    there = to.reach()
    base = path_of(name, "versions", version)
    stem = quote(f"{name}-{version}", safe="")
    made = there.post(f"{base}/evidence", {"catalogue": catalogue})["digest"]
    wanted = {f"{stem}-{catalogue}.{kind}": f"evidence/{made}.{kind}" for kind in KINDS}
    wanted |= {f"{stem}-card.md": "card", f"{stem}-bom.json": "bom"}
    written = []
    for file, path in wanted.items():
        content = there.fetch(f"{base}/{path}")
        out.mkdir(parents=True, exist_ok=True)
        (out / file).write_bytes(content)
        written.append(str(out / file))
    told = f"Wrote {', '.join(written)}. The pack's digest, as the journal has it: {made}"
    to.answer({"digest": made, "files": written}, told)


@command(app.command(rich_help_panel=PANEL))
def live(
    to: Asked,
    at: Annotated[
        int | None, typer.Option(parser=moment_ms, metavar="TIME", help="ISO 8601 or epoch; now.")
    ] = None,
) -> None:
    """Tell what was live at a time, since when, who asked for it and who agreed."""
    found = to.reach().get("live", at=at)
    to.answer(found, lambda: rows(found, LIVE, "Nothing was live then."))


@command(app.command(rich_help_panel=PANEL))
def inventory(to: Asked) -> None:
    """List every model with purpose, owner, tier and state, for a register of AI systems."""
    found = to.reach().get("inventory")
    to.answer(
        found, lambda: rows(found, INVENTORY, "There is no product yet: twinhelm product new")
    )
