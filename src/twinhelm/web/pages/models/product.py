"""One product, as a data scientist, an engineer, an operator and an auditor each read it.

On top what it decides, whose it is, what is live, how it fares, and how far along its road it is;
below that one part at a time, each under its own address (``?tab=``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from twinhelm.core.ports import JournalRow
from twinhelm.core.roles import Right
from twinhelm.mlops.types import Health, Product, ProductVersion, Remark, Stage, Validation
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.frame import framed, title_row
from twinhelm.web.pages.kit.html import Node, Region
from twinhelm.web.pages.kit.sheet import Live, Sheet, follow, work
from twinhelm.web.pages.ledgers import journal_rows
from twinhelm.web.pages.models.evidence import evidence
from twinhelm.web.pages.models.health import health
from twinhelm.web.pages.models.making import builds, versions
from twinhelm.web.pages.models.parts import health_chip
from twinhelm.web.pages.models.traffic import now

__all__ = ["product"]

Tab = Callable[[Sheet, str, Deeds], Awaitable[None]]
REMARK = "remark-text"
SUBJECTS = 30
ROWS = 200


@dataclass(frozen=True, slots=True)
class _Known:
    """What the head of the page shows."""

    product: Product
    versions: list[ProductVersion]
    validation: Validation | None
    waiting: int
    health: Health | None


async def product(sheet: Sheet) -> None:
    """Show one; raises :class:`NotFound`."""
    name = str(sheet.request.path_params["name"])
    models = sheet.house.models
    # Asked once before anything is built, so that what is not there is answered with 404.
    await work(lambda: models.desk.product(name))
    tab = sheet.asked("tab")
    tab = tab if tab in TABS else ""
    with framed(sheet, wing="models", ranged=tab in {"", "health"}):
        head = Region("stack tight")
        deeds = Deeds(sheet)

        def ask() -> _Known:
            known = models.desk.versions(name)
            return _Known(
                models.desk.product(name),
                known,
                models.validations.latest(name, known[0].version) if known else None,
                sum(one.product == name for one in models.promotions.inbox()),
                models.health.report(name),
            )

        await Live(
            sheet, ask, lambda found: head.show(found, lambda _: _head(found, deeds))
        ).start()
        path = html.path_of(name)
        tabs = ((html.address(path, tab=key), text) for key, (text, _) in TABS.items())
        html.segments("Tab", tabs, html.address(path, tab=tab))
        await TABS[tab][1](sheet, name, deeds)


def _head(found: _Known, deeds: Deeds) -> None:
    one = found.product
    html.crumbs(("Portfolio", "/products"), (one.name, ""))
    title_row(one.name)
    Node("p", one.decides, "prose")
    with Node("div", classes="row"):
        if one.live:
            Node(
                "a", f"version {one.live} live", "chip green", href=html.path_of(one.name, one.live)
            )
        else:
            html.chip("not live")
        health_chip(found.health.state if found.health else "unknown")
        html.chip(f"risk tier {one.tier}")
        Node("span", f"Owner: {one.owner}", "muted")
        if found.waiting:
            Node("a", f"{found.waiting} waiting for approval", "chip amber", href="/approvals")
        _watching(one, deeds)
    if one.retired:
        html.say(f"Retired: {one.retired}", kind="amber")
    if one.hold:
        html.say(f"Legal hold, nothing of it is deleted: {one.hold}", kind="amber")
    _road(found)


def _watching(one: Product, deeds: Deeds) -> None:
    desk = deeds.sheet.house.models.desk
    mine = deeds.sheet.visitor.name in one.watchers
    deeds.button(
        "Stop watching" if mine else "Watch",
        Right.REMARK,
        lambda who, _: desk.watch(one.name, by=who, on=not mine),
        style="small quiet",
    )


def _road(found: _Known) -> None:
    """Show the way of every product, done up to where this one stands."""
    one, known = found.product, found.versions
    agreed = [each for each in known if each.stage in {Stage.APPROVED, Stage.LIVE}]
    passed = found.validation is not None and found.validation.passed
    verdict = f"{known[0].version} passed" if passed else "not yet"
    if found.validation is not None and not passed:
        verdict = f"a check keeps {known[0].version} back"
    state = found.health.state if found.health else "unknown"
    steps = (
        ("Framed", bool(one.spec), f"tier {one.tier}" if one.spec else "no product file"),
        ("Built", bool(known), html.plural(len(known), "version")),
        ("Validated", passed or bool(agreed), verdict),
        (
            "Approved",
            bool(agreed),
            "waiting" if found.waiting else html.plural(len(agreed), "version"),
        ),
        ("Live", bool(one.live), one.live or "not yet"),
        ("Watched", state != "unknown", state),
    )
    first = next((name for name, done, _ in steps if not done), "")
    with Node("ol", classes="tour-rail", aria_label="How far it is"):
        html.road(
            (name, "done" if done else "now" if name == first else "", says)
            for name, done, says in steps
        )


async def _talk(sheet: Sheet, name: str, deeds: Deeds) -> None:
    desk = sheet.house.models.desk
    with Node("section", classes="card stack tight"):
        with Node("label", classes="field"):
            Node("span", "Say something; @name tells somebody")
            Node("textarea", id=REMARK, maxlength="4000")
        with Node("div", classes="row"):
            deeds.button(
                "Add remark",
                Right.REMARK,
                lambda who, text: desk.remark(name, text, by=who),
                box=REMARK,
            )
            deeds.barred(Right.REMARK)

    def ask() -> tuple[list[Remark], tuple[str, ...]]:
        return desk.remarks(name), desk.product(name).watchers

    await follow(sheet, ask, _remarks, classes="card")


def _remarks(found: tuple[list[Remark], tuple[str, ...]]) -> None:
    remarks, watchers = found
    html.card_head("What was said")
    Node("p", f"Watched by {', '.join(watchers) or 'nobody yet'}", "muted small")
    if not remarks:
        html.empty("Nothing was said yet.", "Questions and reviews of this product belong here.")
    with Node("ul", classes="items"):
        for one in sorted(remarks, key=lambda each: -each.time_ms):
            with Node("li"):
                Node("p", one.text, "prose wrapany")
                about = f", about {one.about}" if one.about else ""
                html.phrase(one.time_ms, f", {one.by}{about}", tag="div", classes="muted small")


async def _journal(sheet: Sheet, name: str, _deeds: Deeds) -> None:
    house = sheet.house

    def ask() -> list[JournalRow]:
        known = sheet.house.models.desk.versions(name)[:SUBJECTS]
        subjects = [f"product/{name}", *(f"version/{one.ref}" for one in known)]
        rows = [
            row
            for subject in subjects
            for row in house.journal.read(subject=subject, newest_first=True, limit=ROWS)
        ]
        return sorted(rows, key=lambda row: -row.seq)[:ROWS]

    await follow(sheet, ask, journal_rows)


TABS: dict[str, tuple[str, Tab]] = {
    "": ("Now", now),
    "versions": ("Versions", versions),
    "builds": ("Builds", builds),
    "health": ("Health", health),
    "evidence": ("Evidence", evidence),
    "talk": ("Talk", _talk),
    "journal": ("Journal", _journal),
}
