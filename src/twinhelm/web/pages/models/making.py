"""How versions come about: the table of versions with what may be done next, and the builds."""

from __future__ import annotations

import re

from twinhelm.core.errors import NotFound
from twinhelm.core.roles import Right
from twinhelm.events.workflows import WorkflowStatus
from twinhelm.mlops.types import ProductVersion, Run, Stage, Validation
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.html import Column, Node, When
from twinhelm.web.pages.kit.sheet import Sheet, follow
from twinhelm.web.pages.models.parts import listed, stage_chip, version_link

__all__ = ["builds", "deeds_of", "verdict_of", "versions"]

OUTCOMES = {"running": "blue", "done": "green", "cached": "green", "failed": "red"}
MOST = 50
LONGEST_LOG = 20_000
SETTLED = {Stage.LIVE: "It is live.", Stage.REFUSED: "It was refused for good."}

Listed = list[tuple[ProductVersion, Validation | None]]


async def versions(sheet: Sheet, name: str, deeds: Deeds) -> None:
    """Show the versions, newest first, and what can be done with each."""
    models = sheet.house.models

    def ask() -> Listed:
        known = models.desk.versions(name)[:MOST]
        return [(one, models.validations.latest(name, one.version)) for one in known]

    deeds.barred(Right.BUILD)
    await follow(sheet, ask, lambda found: _versions(name, found, deeds))


def _versions(name: str, found: Listed, deeds: Deeds) -> None:
    if len(found) > 1:
        _choice(name, [one.version for one, _ in found])

    def made(row: tuple[ProductVersion, Validation | None]) -> None:
        Node("div", row[0].author or "nobody named")
        html.phrase(row[0].registered_ms, tag="div", classes="muted small")

    html.table(
        found,
        Column("Version", "tightcol", lambda row: version_link(name, row[0].version)),
        Column("Stage", "tightcol", lambda row: stage_chip(row[0].stage)),
        Column("Validated", "tightcol", lambda row: verdict_of(row[1])),
        Column("Metrics", "cutoff", lambda row: listed(row[0].metrics)),
        Column("Method", "cutoff", lambda row: row[0].method),
        Column("Made by", "namecol", made),
        Column("", "tightcol", lambda row: deeds_of(row[0], deeds)),
        nothing=lambda: html.empty(
            "No version yet.",
            "Register one with the MLflow client under this product's name, or start a build.",
        ),
    )


def _choice(name: str, known: list[str]) -> None:
    with html.searching(f"{html.path_of(name)}/compare") as form:
        form.style("padding:12px")
        for field, at in (("a", 0), ("b", 1)):
            with Node("select", name=field, aria_label=f"Version {field}"):
                for each in known:
                    Node("option", each, value=each, selected=each == known[at])
        Node("button", "Compare the two", type="submit")


def verdict_of(found: Validation | None) -> Node:
    """Say in a word what a version was found to be."""
    if found is None:
        return html.chip("not validated")
    wrong = sum(check.verdict != "pass" for check in found.checks)
    return (
        html.chip(f"{html.plural(wrong, 'check')} not passed", "red")
        if wrong
        else html.chip("passed", "green")
    )


def deeds_of(one: ProductVersion, deeds: Deeds, box: str = "") -> None:
    """Offer to validate a version and to ask that it go live."""
    models, name, version = deeds.sheet.house.models, one.product, one.version
    fileless = "" if one.digest else "It has no files: it is part of twinhelm itself."
    wrong = SETTLED.get(Stage(one.stage), fileless)
    refused = SETTLED[Stage.REFUSED] if one.stage == Stage.REFUSED else fileless
    with Node("div", classes="row"):
        deeds.button(
            "Validate",
            Right.BUILD,
            lambda who, _: models.validations.start(name, version, by=who),
            wrong=refused,
            done=f"Version {version} is being measured; its checks stand here when that is over.",
        )
        deeds.button(
            "Ask to promote",
            Right.BUILD,
            lambda who, note: models.promotions.ask(name, version, by=who, door="page", note=note),
            box=box,
            wrong=wrong,
            done="Asked. Where people must agree it waits under Approvals; else it takes over now.",
        )


Runs = list[tuple[Run, WorkflowStatus | None]]


async def builds(sheet: Sheet, name: str, deeds: Deeds) -> None:
    """Show the builds and how far they are, one's log, and start another."""
    models = sheet.house.models
    with Node("div", classes="row"):
        deeds.button(
            "Start a build",
            Right.BUILD,
            lambda who, _: models.builds.start(name, by=who),
            style="primary",
        )
        deeds.barred(Right.BUILD)

    def ask() -> Runs:
        return [(one, _progress(sheet, one)) for one in models.builds.runs(name)[:MOST]]

    await follow(sheet, ask, lambda found: _runs(name, found, deeds), every_s=2.0)
    if re.fullmatch("[0-9]{1,9}", sheet.asked("log")):
        number = int(sheet.asked("log"))
        log = lambda: models.builds.log(name, number)[-LONGEST_LOG:]  # noqa: E731 - one of two
        await follow(sheet, log, lambda text: _log(number, text), every_s=2.0, classes="card")


def _progress(sheet: Sheet, one: Run) -> WorkflowStatus | None:
    if one.state != "running" or not one.job:
        return None
    try:
        return sheet.house.workflows.status(one.job)
    except NotFound:
        return None


def _runs(name: str, found: Runs, deeds: Deeds) -> None:
    models = deeds.sheet.house.models

    def state(row: tuple[Run, WorkflowStatus | None]) -> None:
        run, job = row
        html.chip(run.state, OUTCOMES.get(run.state, ""))
        if job is not None and job.total:
            html.meter(job.done / job.total, f"{job.done} of {job.total}")
        if job is not None:
            Node("div", job.message or job.step, "muted small")

    def began(row: tuple[Run, WorkflowStatus | None]) -> None:
        When(row[0].started_ms)
        if row[0].ended_ms:
            seconds = (row[0].ended_ms - row[0].started_ms) / 1000
            Node("div", f"took {seconds:,.0f} s", "muted small")

    def made(row: tuple[Run, WorkflowStatus | None]) -> None:
        run = row[0]
        if run.version:
            Node("a", f"version {run.version}", href=html.path_of(name, run.version))
        Node("div", listed(run.metrics), "muted small")
        if run.says:
            Node("div", run.says, "muted small")
        if run.error:
            Node("div", run.error, "wrapany")
        with Node("details", classes="small"):
            Node("summary", "Made with", "muted")
            html.facts({"recipe": run.recipe, "code": run.code, "seed": run.seed})
            html.facts({**run.params, **{f"data, {role}": what for role, what in run.data.items()}})
            html.facts(dict(run.environment))

    def acts(row: tuple[Run, WorkflowStatus | None]) -> None:
        number = row[0].number
        with Node("div", classes="row"):
            Node("a", "Log", href=html.address(html.path_of(name), tab="builds", log=number))
            deeds.button(
                "Run again",
                Right.BUILD,
                lambda who, _: models.builds.again(name, number, by=who),
                wrong="It is under way." if row[0].state == "running" else "",
            )
            if row[0].state == "running":
                deeds.button(
                    "Cancel",
                    Right.BUILD,
                    lambda who, _: models.builds.cancel(name, number, by=who),
                    done=f"Build {number} is cancelled.",
                )

    html.table(
        found,
        Column("Build", "num tightcol", lambda row: f"#{row[0].number}"),
        Column("State", "tightcol", state),
        Column("Why", "namecol", lambda row: row[0].reason),
        Column("Who", "namecol", lambda row: row[0].by),
        Column("Began", "tightcol", began),
        Column("Made", "cutoff", made),
        Column("", "tightcol", acts),
        nothing=lambda: html.empty(
            "Nothing was built here yet.",
            "A build runs the recipe of the product file; a script of your own that logs to "
            "/mlflow does as well.",
        ),
    )


def _log(number: int, text: str) -> None:
    html.card_head(f"Log of build {number}")
    Node("pre", text or "It has written nothing yet.", "snippet", tabindex="0")
