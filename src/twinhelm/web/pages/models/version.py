"""One version: what it is made of, whether its seal holds, every check, who agreed, its card.

Two of them side by side stand on a page of their own. Both are measured on the same rows, so a
difference has an interval of its own; where that holds zero, nobody can tell which is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twinhelm.aiops.words import quantity
from twinhelm.core.errors import TwinhelmError
from twinhelm.core.roles import Right
from twinhelm.mlops.flow.evidence import Kept
from twinhelm.mlops.types import Approval, Field, Measured, ProductVersion, Validation
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.frame import framed, title_row
from twinhelm.web.pages.kit.html import Column, Node, Region
from twinhelm.web.pages.kit.sheet import Live, Sheet, follow, work
from twinhelm.web.pages.models.approvals import answers
from twinhelm.web.pages.models.evidence import card_of, files_of
from twinhelm.web.pages.models.figures import curves, difference_table
from twinhelm.web.pages.models.making import deeds_of, verdict_of
from twinhelm.web.pages.models.parts import check_table, interval, listed, stage_chip

__all__ = ["compare", "version"]

NOTE = "promote-note"


@dataclass(frozen=True, slots=True)
class _Known:
    """What the page shows."""

    version: ProductVersion
    validation: Validation | None
    approvals: list[Approval]


async def version(sheet: Sheet) -> None:
    """Show one; raises :class:`NotFound`."""
    name, number_ = (str(sheet.request.path_params[part]) for part in ("name", "version"))
    models = sheet.house.models
    await work(lambda: models.desk.version(name, number_))

    def ask() -> _Known:
        return _Known(
            models.desk.version(name, number_),
            models.validations.latest(name, number_),
            [one for one in models.promotions.approvals(name) if one.version == number_],
        )

    def show(found: _Known) -> None:
        one = found.version
        head.show((one, found.validation), lambda _: _head(found, deeds))
        made.show(one, _made)
        takes.show(one.schema, lambda _: _schema(one))
        checks.show(found.validation, _validation)
        asked.show(found.approvals, _asked)

    with framed(sheet, wing="models"):
        head = Region("stack tight")
        deeds = Deeds(sheet)
        with Node("div", classes="twos"):
            made = Region("card")
            with Node("div", classes="stack"):
                await _seal(sheet, name, number_)
                takes, asked = Region("card"), Region("card")
        checks = Region("stack")
        await Live(sheet, ask, show).start()

        def files(packs: list[Kept]) -> None:
            html.card_head("Files to keep").set(id="evidence")
            files_of(deeds, name, number_, packs)

        await follow(
            sheet, lambda: models.evidence.packs(name, number_), files, classes="card stack tight"
        )
        await card_of(sheet, name, number_)


def _head(found: _Known, deeds: Deeds) -> None:
    one = found.version
    product = one.product, html.path_of(one.product)
    html.crumbs(("Portfolio", "/products"), product, (one.version, ""))
    title_row(f"{one.product}, version {one.version}")
    with Node("div", classes="row"):
        stage_chip(one.stage)
        verdict_of(found.validation)
        html.phrase(f"by {one.author or 'nobody named'}, ", one.registered_ms)
    if one.reason:
        Node("p", one.reason, "notice amber")
    with Node("div", classes="row"):
        html.entry("", "", "Note for those who approve", "Note", "grow", id=NOTE, maxlength="1000")
        deeds_of(one, deeds, box=NOTE)
        deeds.barred(Right.BUILD)


def _made(one: ProductVersion) -> None:
    html.card_head("What it is made of")
    html.facts(
        {
            "method": one.method,
            "flavor": one.flavor,
            "size": _size(one) if one.size_bytes else "",
            "MLflow run": one.run_id,
            "build": f"#{one.build}" if one.build else "",
            **{f"{role} data": digest for role, digest in one.data.items()},
            **one.metrics,
            **one.facts,
        }
    )


async def _seal(sheet: Sheet, name: str, version: str) -> None:
    models = sheet.house.models

    def ask() -> tuple[ProductVersion, str]:
        found = models.desk.version(name, version)
        try:
            if found.digest:
                models.registrar.opened(name, version)
        except TwinhelmError as error:
            return found, str(error)
        return found, ""

    await follow(sheet, ask, _sealed, every_s=60.0, classes="card")


def _sealed(found: tuple[ProductVersion, str]) -> None:
    one, wrong = found
    html.card_head("Seal")
    says = "Its files are those that were signed" if one.digest else "It has no files to sign"
    with Node("p", classes="lead row"):
        html.dot("red" if wrong else "green" if one.digest else "")
        Node("span", wrong or says)
    html.facts({"digest": one.digest, "signed by": one.signer})


def _schema(one: ProductVersion) -> None:
    html.card_head("What it takes and gives")
    if not one.schema.inputs and not one.schema.outputs:
        html.empty(
            "Its maker did not say.", "Log it with a signature: mlflow.models.infer_signature."
        )
        return
    for title, fields in (("Takes", one.schema.inputs), ("Gives", one.schema.outputs)):
        with Node("details", open=len(fields) <= 12):
            Node("summary", f"{title} {len(fields)}")
            html.table(
                fields,
                Column("Name", "", lambda each: each.name or "(unnamed)"),
                Column("Type", "tightcol", _type),
                Column("", "tightcol muted", lambda each: "may miss" if each.optional else ""),
            )


def _type(one: Field) -> str:
    sizes = ("any" if size < 0 else str(size) for size in one.shape)
    return f"{one.type} [{', '.join(sizes)}]" if one.shape else one.type


def _validation(found: Validation | None) -> None:
    if found is None:
        says = "Press Validate: it is measured on hold-out data."
        html.empty("It was not validated yet.", says, classes="card")
        return
    with Node("section", classes="card flush"):
        with Node("div", classes="row", style="padding:12px"):
            Node("h2", "Validation")
            verdict_of(found)
            says = f", took {found.took_s:,.1f} s on the hold-out data"
            html.phrase(found.time_ms, says, classes="muted small")
        check_table(found.checks)
    with Node("div", classes="twos"):
        with Node("section", classes="card flush"):
            _measured(found.measured)
        with html.card("Curves", classes="card stack"):
            curves(found.curves)


def _measured(found: Sequence[Measured]) -> None:
    html.table(
        found,
        Column("Metric", "", lambda one: one.metric),
        Column("Of", "", lambda one: one.slice or "everybody"),
        Column("Version", "tightcol", lambda one: one.of),
        Column("Value, 95 %", "", lambda one: interval(one.value, one.low, one.high)),
        Column("Rows", "num tightcol", lambda one: f"{one.rows:,}"),
        nothing=lambda: html.empty("Nothing was measured.", "The hold-out data may be missing."),
    )


def _asked(found: list[Approval]) -> None:
    html.card_head("Who agreed", "Approvals", "/approvals")
    if not found:
        Node("p", "Nobody has asked that it go live.", "muted")
    for one in found:
        with Node("div", classes="stack tight"):
            with Node("div", classes="row"):
                html.chip(one.state, {"approved": "green", "refused": "red"}.get(one.state, ""))
                html.phrase(f"asked by {one.asked_by}, ", one.asked_ms)
            answers(one)


@dataclass(frozen=True, slots=True)
class _Pair:
    """What the page shows."""

    a: ProductVersion
    b: ProductVersion
    differences: list[dict[str, Any]]


async def compare(sheet: Sheet) -> None:
    """Show two; raises :class:`NotFound`."""
    name = str(sheet.request.path_params["name"])
    models = sheet.house.models
    first, second = sheet.asked("a"), sheet.asked("b")
    await work(lambda: (models.desk.version(name, first), models.desk.version(name, second)))

    def ask() -> _Pair:
        return _Pair(
            models.desk.version(name, first),
            models.desk.version(name, second),
            models.validations.compare(name, first, second),
        )

    with framed(sheet, wing="models"):
        html.crumbs(("Portfolio", "/products"), (name, f"{html.path_of(name)}?tab=versions"))
        title_row(f"{name}: {first} beside {second}")
        await follow(sheet, ask, _pair, every_s=15.0, classes="stack")


def _pair(found: _Pair) -> None:
    a, b = found.a, found.b
    with Node("section", classes="card flush"):
        difference_table(found.differences, a.version, b.version)
    rows: list[tuple[str, str, str]] = [
        ("Made by", a.author, b.author),
        ("Method", a.method, b.method),
        ("Logged metrics", listed(a.metrics, 8), listed(b.metrics, 8)),
        ("Size", _size(a), _size(b)),
        *((f"Data, {role}", a.data.get(role, ""), b.data.get(role, "")) for role in a.data),
    ]
    with Node("section", classes="card flush"):
        html.table(
            rows,
            Column("", "tightcol muted", lambda row: row[0]),
            Column(f"Version {a.version}", "cutoff", lambda row: row[1]),
            Column(f"Version {b.version}", "cutoff", lambda row: row[2]),
            Column("", "tightcol", lambda row: "same" if row[1] == row[2] else "differs"),
        )
    with Node("div", classes="row"):
        for one in (a, b):
            Node("a", f"Version {one.version}", href=html.path_of(one.product, one.version))
            stage_chip(one.stage)


def _size(one: ProductVersion) -> str:
    return quantity(one.size_bytes, "bytes")
