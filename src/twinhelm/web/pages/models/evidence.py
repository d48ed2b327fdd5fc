"""What an auditor asks for: readiness, lineage, card, packs, the rules that were declared.

Every score and sentence comes from the records; what is not known is written as unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from nicegui import ui

from twinhelm.core.roles import Right
from twinhelm.mlops.flow.evidence import Kept
from twinhelm.mlops.govern import Lineage, Readiness, Tested
from twinhelm.mlops.types import Product
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.html import Column, Node, Region
from twinhelm.web.pages.kit.sheet import Live, Sheet, follow
from twinhelm.web.pages.models.portfolio import ready_meter

__all__ = ["card_of", "evidence", "files_of"]

WHY = "ending-reason"
MANY = 12
"""A longer list is counted, not shown."""
FORMS = ("html", "pdf", "json")


@dataclass(frozen=True, slots=True)
class _Known:
    """What the part shows; ``version`` is the live one, else the newest, else empty."""

    product: Product
    version: str
    packs: list[Kept]
    readiness: Readiness
    lineage: Lineage


async def evidence(sheet: Sheet, name: str, deeds: Deeds) -> None:
    """Build the part."""
    models = sheet.house.models

    def ask() -> _Known:
        one, known = models.desk.product(name), models.desk.versions(name)
        version = one.live or (known[0].version if known else "")
        desk = models.evidence
        packs = desk.packs(name, version) if version else []
        return _Known(one, version, packs, desk.readiness(name), desk.lineage(name, version))

    def show(found: _Known) -> None:
        ready.show(found.readiness, _ready)
        drawn.show(found.lineage, _lineage)
        rules.show(found.product.spec, _rules)
        files.show((found.version, found.packs), lambda _: _files(found, deeds))
        end.show((found.product.retired, found.product.hold), lambda _: _end(found.product, deeds))

    with Node("div", classes="twos"):
        ready, rules = Region("card stack tight"), Region("card")
    drawn, files, end = Region("card"), Region("card stack tight"), Region("card stack tight")
    await Live(sheet, ask, show, every_s=30.0).start()


def _ready(found: Readiness) -> None:
    with html.card_head("Ready for production"):
        ready_meter(found.score)
    Node("p", found.says, "muted")
    for one in found.steps[:1]:
        with Node("p", classes="prose"):
            Node("b", "Next: ")
            Node("span", one.step)
    html.facts({part: partial(ready_meter, score) for part, score in found.parts.items()})
    with Node("details"):
        Node("summary", "Every test, and what would raise it")
        html.table(
            found.tests,
            Column("Test", "cutoff", _tested),
            Column("Score", "num tightcol", lambda one: f"{one.score:g}"),
            Column("Next step", "cutoff", lambda one: one.step if one.score < 1 else ""),
            Column("By a", "tightcol", lambda one: one.way),
        )


def _tested(one: Tested) -> None:
    Node("div", one.title)
    Node("div", "; ".join(one.evidence) or "Nothing shows it.", "muted small")


def _lineage(found: Lineage) -> None:
    html.card_head("What came of what")
    if not found.edges:
        html.empty(
            "Nothing is known of where it comes from.", "A build of twinhelm's records it all."
        )
        return
    with Node("div", classes="lineage", role="img", aria_label="Lineage; in words below"):
        ui.mermaid(found.mermaid)
    with Node("details"):
        Node("summary", "In words")
        with Node("ul", classes="items plain"):
            for edge in found.edges:
                Node("li", f"{edge.start} {edge.says} {edge.end}", "wrapany")


def _rules(spec: dict[str, Any]) -> None:
    html.card_head("What was declared")
    if not spec:
        html.empty(
            "It was registered without a product file.",
            "Until it is framed, no gate of its own holds: twinhelm product new",
        )
    for part, said in spec.items():
        rows = said if isinstance(said, (list, tuple)) else [said]
        with Node("details", open=part == "product"):
            Node("summary", part.capitalize())
            for row in rows:
                html.facts({key: _plain(value) for key, value in dict(row).items()})


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        if len(value) > MANY:
            return f"{len(value)} of them"
        told = [_plain(each) for each in value]
        return (" " if all(each.endswith(".") for each in told) else ", ").join(told)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(each)}" for key, each in value.items() if each)
    return "" if value is None else str(value)


def _files(found: _Known, deeds: Deeds) -> None:
    name, version = found.product.name, found.version
    of = f"Version {version}" if version else ""
    html.card_head("Files to keep", of, html.path_of(name, version))
    if version:
        files_of(deeds, name, version, found.packs)
    else:
        html.empty("There is no version to tell of yet.")


def files_of(deeds: Deeds, name: str, version: str, packs: list[Kept]) -> None:
    """Offer card, bill of materials, and for each catalogue of controls its packs."""
    base = f"/api/twinhelm/v1/products/{quote(name, safe='')}/versions/{quote(version, safe='')}"
    desk = deeds.sheet.house.models.evidence
    newest = {one.catalogue: one for one in reversed(packs)}
    older = [one for one in packs if one is not newest[one.catalogue]]

    def made(one: Kept | None) -> None:
        if one is None:
            Node("span", "none made yet", "muted")
            return
        with Node("div", classes="row"):
            for form in FORMS:
                Node("a", form.upper(), href=f"{base}/evidence/{one.digest}.{form}")
        with html.phrase(
            one.made_ms, f", {one.made_by}, digest ", tag="div", classes="muted small"
        ):
            Node("code", one.digest[:8], title=one.digest)

    def make(catalogue: str) -> None:
        deeds.button(
            "Make one" if catalogue not in newest else "Make a new one",
            Right.REMARK,
            lambda who, _: desk.pack(name, version, catalogue, by=who),
            done=f"The pack for {catalogue} is made and journaled; its files stand beside it.",
        )

    with Node("p", classes="row"):
        Node("a", "Model card (Markdown)", href=f"{base}/card", download=f"{name}-card.md")
        Node("a", "Bill of materials (CycloneDX)", href=f"{base}/bom", download=f"{name}-bom.json")
    html.table(
        desk.catalogues(),
        Column("Evidence pack", "cutoff", lambda one: one["title"]),
        Column("Newest", "tightcol", lambda one: made(newest.get(one["name"]))),
        Column("", "tightcol", lambda one: make(one["name"])),
    )
    if older:
        with Node("details"):
            Node("summary", html.plural(len(older), "earlier pack"))
            html.table(
                older,
                Column("For", "cutoff", lambda one: one.catalogue),
                Column("Files", "tightcol", made),
            )


async def card_of(sheet: Sheet, name: str, version: str) -> None:
    """Show the model card as people read it, without its front matter."""
    card = sheet.house.models.evidence.card

    def render(text: str) -> None:
        _, _, body = text.removeprefix("---\n").partition("\n---\n")
        body = body if text.startswith("---\n") else text
        with Node("details"):
            Node("summary", "Model card")
            # What people wrote is text: no tags, and nothing is loaded from elsewhere.
            body = re.sub("^#", "##", body, flags=re.MULTILINE)
            ui.markdown(body.replace("<", "&lt;").replace("![", "["))

    await follow(sheet, lambda: card(name, version), render, every_s=0, classes="card")


def _end(one: Product, deeds: Deeds) -> None:
    desk = deeds.sheet.house.models.desk
    html.card_head("Retirement and legal hold")
    Node("p", "Retired, it answers no more. Under a legal hold, nothing of it is deleted.", "muted")
    with Node("div", classes="row"):
        html.entry("", "", "Why", "Reason", "grow", id=WHY, maxlength="1000")
        deeds.button(
            f"Take {one.name} up again" if one.retired else f"Retire {one.name}",
            Right.BUILD,
            lambda who, why: desk.retire(one.name, "" if one.retired else why, by=who),
            box=WHY,
            needs="" if one.retired else "why",
            style="" if one.retired else "danger",
        )
        deeds.button(
            "End the legal hold" if one.hold else "Put it on legal hold",
            Right.APPROVE,
            lambda who, why: desk.hold(one.name, "" if one.hold else why, by=who),
            box=WHY,
            needs="" if one.hold else "why",
            style="",
        )
