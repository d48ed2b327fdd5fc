"""The inbox: each request to go live with its evidence beside the buttons, worst first.

Whoever may not answer reads why: it is their own request or version, they lack the role, or the
product names its reviewers. What was answered already, and who else must agree, stands there too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twinhelm.core.policy import Verdict
from twinhelm.core.roles import Right
from twinhelm.mlops.approve import may_answer
from twinhelm.mlops.types import Approval, Check, Product, ProductVersion, Validation
from twinhelm.web.pages.automation import waiting_note
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Node, Region, When
from twinhelm.web.pages.kit.sheet import Live, Sheet
from twinhelm.web.pages.models.figures import difference_table
from twinhelm.web.pages.models.making import verdict_of
from twinhelm.web.pages.models.parts import check_table, interval

__all__ = ["answers", "approvals"]


FEW = 12
"""More measurements than this are folded away."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A request with all that speaks for and against it; ``barred`` says why not I."""

    approval: Approval
    product: Product
    version: ProductVersion
    validation: Validation | None
    gates: list[Check]
    differences: list[dict[str, Any]]
    barred: str


async def approvals(sheet: Sheet) -> None:
    """Show what waits for an answer."""
    with framed(sheet, "Approvals", "Requests that a version go live", wing="models"):
        deeds = Deeds(sheet)
        waiting_note(sheet)
        box = Region("stack")
        cases: dict[str, Region] = {}

        def show(found: list[_Case]) -> None:
            def place(_: object) -> None:
                cases.clear()
                for case in found:
                    cases[case.approval.id] = Region("card models stack")
                if not found:
                    says = "Requests come from a version's page, twinhelm promote, or MLflow."
                    html.empty("Nothing waits for an answer.", says, good=True, classes="card")

            box.show([case.approval.id for case in found], place)
            for case in found:
                # Each follows its own evidence, so that a note half written stays.
                cases[case.approval.id].show(case, lambda one: _case(one, deeds))

        await Live(sheet, lambda: _ask(sheet), show).start()


def _ask(sheet: Sheet) -> list[_Case]:
    return [_asked(sheet, one) for one in sheet.house.models.promotions.inbox()]


def _asked(sheet: Sheet, one: Approval) -> _Case:
    models, visitor = sheet.house.models, sheet.visitor
    product = models.desk.product(one.product)
    version = models.desk.version(one.product, one.version)
    found = models.validations.latest(one.product, one.version)
    _, gates = models.promotions.judge(one.product, one.version, by=one.asked_by)
    measured = found and models.validations.latest(one.product, product.live)
    apart = models.validations.compare(one.product, product.live, one.version) if measured else []
    roles = visitor.asker.identity.roles
    spec = models.desk.spec(one.product)
    may = may_answer(spec, version, one, by=visitor.name, roles=roles, person=True)
    barred = "" if may.verdict is Verdict.ALLOW else html.sentence(may.reason)
    barred = visitor.why_not(Right.APPROVE) or barred
    return _Case(one, product, version, found, gates, apart, barred)


def _case(case: _Case, deeds: Deeds) -> None:
    one, version, found = case.approval, case.version, case.validation
    where = html.path_of(one.product, one.version)
    with Node("div", classes="card-head"):
        with Node("h2"):
            Node("a", f"{one.product}, version {one.version}", href=where)
        with Node("span", classes="row"):
            html.chip(f"risk tier {case.product.tier}")
            verdict_of(found)
    with Node("div", classes="twos"):
        with Node("div", classes="stack"):
            Node("p", case.product.decides, "lead prose")
            note = f": {one.note}" if one.note else ""
            html.phrase(f"{one.asked_by} asks, ", one.asked_ms, note, tag="p")
            maker = (version.author or "nobody named") + " (which nobody proved)" * version.claimed
            Node("p", f"Made by {maker} as {version.method}.", "muted")
            live = case.product.live
            says = f"It takes over from version {live}" if live else "Nobody answers yet"
            rollout = case.product.spec.get("rollout", {}).get("kind", "canary")
            Node("p", f"{says}; way: {rollout}, rolled back by itself if worse.", "prose")
            answers(one)
            _buttons(case, deeds)
        with Node("div", classes="stack"):
            with Node("div", classes="card flush"):
                check_table(case.gates)
            if found is not None:
                _slices(found)
    if case.differences:
        with Node("div", classes="card flush"):
            difference_table(case.differences, live, one.version)


def _slices(found: Validation) -> None:
    parts = [one for one in found.measured if one.slice and one.of in {"", found.version}]
    if not parts:
        return
    with Node("details", open=len(parts) <= FEW):
        Node("summary", f"By slice, {html.plural(len(parts), 'measurement')}")
        html.facts(
            {
                f"{one.slice}, {one.metric}": f"{interval(one.value, one.low, one.high)}, "
                f"{one.rows:,} rows"
                for one in parts
            }
        )


def answers(one: Approval) -> None:
    """Show who agreed and who did not, and how many are still wanted."""
    agreed = sum(answer.agrees for answer in one.answers)
    with Node("ul", classes="items"):
        for answer in one.answers:
            with Node("li", classes="row"):
                html.dot("green" if answer.agrees else "red")
                Node("span", f"{answer.by} {'agreed' if answer.agrees else 'refused'}")
                When(answer.time_ms)
                Node("span", answer.note, "wrapany")
    if one.state == "open":
        Node("p", f"{agreed} of {one.needs} agreed; {one.needs - agreed} more must.", "muted")


def _buttons(case: _Case, deeds: Deeds) -> None:
    one = case.approval
    sheet, promotions = deeds.sheet, deeds.sheet.house.models.promotions
    box = f"note-{one.id}"

    def answer(agrees: bool, who: str, note: str) -> object:
        roles = sheet.visitor.asker.identity.roles
        return promotions.answer(one.id, agrees=agrees, note=note, by=who, roles=roles)

    with Node("label", classes="field"):
        Node("span", "Note; it stands in the journal")
        Node("textarea", id=box, maxlength="4000", disabled=bool(case.barred))
    with Node("div", classes="row"):
        deeds.button(
            f"Approve {one.product} {one.version}",
            Right.APPROVE,
            lambda who, note: answer(True, who, note),
            box=box,
            wrong=case.barred,
            style="primary",
        )
        deeds.button(
            "Refuse",
            Right.APPROVE,
            lambda who, note: answer(False, who, note),
            box=box,
            needs="why it is refused",
            wrong=case.barred,
            style="danger",
        )
    if case.barred:
        Node("p", case.barred, "muted")
