"""The runbooks in use, how far each goes by itself and how it earned that; the house's policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twinhelm.aiops.automate.policy import Freeze, Policy
from twinhelm.aiops.automate.repair import OPEN, UNDER_WAY
from twinhelm.aiops.flow.repairs.standing import Shelved, past_of, shelf
from twinhelm.core.roles import Right
from twinhelm.web.pages.automation.parts import (
    earned,
    level_chip,
    repair_chip,
    repair_path,
    runbook_link,
)
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Column, Node, Region, When
from twinhelm.web.pages.kit.sheet import Live, Sheet

__all__ = ["SOURCES", "runbooks"]

SOURCES = {"library": "comes with twinhelm", "folder": "your folder", "api": "page or API"}
POLICY = "policy.toml"
HOUR_MS = 3_600_000
FORMAT = "docs/runbooks.md tells how runbooks and policy.toml are written."


@dataclass(frozen=True, slots=True)
class _House:
    """All that the page shows; ``stand`` is what limits look at, as the day stands."""

    shelf: tuple[Shelved, ...]
    wrong: Mapping[str, str]
    told: str
    policy: Policy
    stand: tuple[int, int, float]
    frozen: tuple[str, ...]


async def runbooks(sheet: Sheet) -> None:
    """Show the page."""

    def show(now: _House) -> None:
        wrong.show(now.wrong, lambda _: _wrong(now))
        rows.show(now.shelf, _table)
        policy.show((now.policy, now.stand, now.frozen), lambda _: _policy(sheet, now))

    with framed(sheet, "Runbooks", "What may be done about incidents, and how far by itself",
                wing="machines"):  # fmt: skip
        with Node("div", classes="row"):
            Node("a", "Write a runbook", "button", href="/runbooks/_new")
            if sheet.visitor.why_not(Right.OPERATE):
                says = "You may write and try one; saving needs the role operator."
                Node("span", says, "muted small")
        wrong, rows, policy = Region("wait"), Region("card flush"), Region("card stack")
        policy.box.set(id="policy")
        await Live(sheet, lambda: _ask(sheet), show).start()


def _ask(sheet: Sheet) -> _House:
    house = sheet.house
    books, now = house.repairs.books, house.clock.now_ms()
    with house.records.reading() as unit:
        past = past_of(unit)
    begun = [one for one in past.repairs if one.started_ms]
    stand = (
        sum(one.state in UNDER_WAY or one.state in OPEN for one in begun),
        sum(one.started_ms > now - HOUR_MS for one in begun),
        sum(one.cost for one in begun if one.started_ms > now - 24 * HOUR_MS),
    )
    here = house.settings.server.environment
    frozen = tuple(one.name for one in books.policy.freezes if one.holds(now, here))
    told = "The defaults: no folder is named"
    if folder := books.folder:
        read = (folder / POLICY).is_file()
        told = f"Read from {folder / POLICY}" if read else f"The defaults: {folder} has no {POLICY}"
    return _House(tuple(shelf(books)), dict(books.wrong), told, books.policy, stand, frozen)


def _wrong(now: _House) -> None:
    for file, why in now.wrong.items():
        with html.say("", kind="failed"):
            Node("b", f"{file} is not taken; what it said before, if anything, still holds.")
            Node("pre", why, "wrapany", style="white-space:pre-wrap;margin:4px 0 0")


def _table(found: tuple[Shelved, ...]) -> None:
    html.table(
        found,
        Column("Runbook", "cutoff", _named),
        Column("By itself", "", _level),
        Column("Last run", "", _last),
        Column("From", "tightcol", lambda one: SOURCES.get(one.book.source, one.book.source)),
        Column("Owner", "namecol", lambda one: one.owner or Node("span", "nobody", "muted")),
        Column("Version", "num tightcol", lambda one: str(one.book.version)),
        nothing=lambda: html.empty(
            "No runbook is in use yet.",
            "Write one here, or name a folder of them with automate.runbooks in the settings.",
        ),
        href=lambda one: f"/runbooks/{one.book.name}",
    )


def _named(one: Shelved) -> None:
    runbook_link(one.book.name)
    if one.fault:
        Node("div", f"It cannot be used: {one.fault}", "notice failed small")
    Node("div", one.says, "muted small")
    if one.dangerous:
        Node("div", "dangerous: two people must agree", "muted small")


def _level(one: Shelved) -> None:
    if one.autonomy is not None:
        level_chip(one.autonomy.level)
        Node("div", earned(one.autonomy), "muted small")


def _last(one: Shelved) -> None:
    last = next((each for each in one.repairs if each.started_ms), None)
    if last is None:
        Node("span", "never", "muted")
        return
    repair_chip(last.state)
    with Node("div", classes="small"):
        Node("a", last.id, href=repair_path(last))
        html.phrase(" ", last.started_ms)


def _policy(sheet: Sheet, now: _House) -> None:
    policy, limits = now.policy, now.policy.limits
    running, begun, cost = now.stand
    here = sheet.house.settings.server.environment
    html.card_head("Policy")
    Node("p", f"{now.told}. {FORMAT}", "muted prose")
    if now.frozen:
        html.say(f"A freeze holds now: {', '.join(now.frozen)}. No repair begins.", kind="amber")
    levels = dict(policy.autonomy.environments)
    most = levels.pop(here, None)
    html.facts(
        {
            f"In {here}": f"a runbook may {most} at most" if most else "it may act, once earned",
            "Autonomy": f"{policy.autonomy.earn} verified in a row earn it, one failure takes it",
            "Elsewhere": ", ".join(f"{name}: {level}" for name, level in levels.items()),
            "Under way at once": f"{running} of {limits.running}",
            "Begun within an hour": f"{begun} of {limits.per_hour}",
            "Cost within a day": f"{cost:,g} of {_most(limits.cost_per_day)}",
            "Of one thing within an hour": f"{limits.per_entity_hour} at most",
            "Requests of one runbook that wait": f"{limits.waiting} at most",
            "Things that one repair touches": f"{limits.reach} at most",
        }
    )
    _rules(policy, now.frozen)


def _most(limit: float) -> str:
    return f"{limit:,g}" if limit < 1e9 else "no limit"


def _rules(policy: Policy, frozen: tuple[str, ...]) -> None:
    Node("h3", "Freezes and rules of the house")
    if not (policy.freezes or policy.rules):
        Node("p", "None: repairs may begin at any time.", "muted")
    with Node("ul", classes="items"):
        for freeze in policy.freezes:
            with Node("li", classes="row"):
                html.chip("holds now" if freeze.name in frozen else "freeze",
                          "amber" if freeze.name in frozen else "")  # fmt: skip
                Node("span", freeze.name)
                _when(freeze)
        for rule in policy.rules:
            with Node("li", classes="row"):
                html.chip(rule.verdict.value)
                Node("span", f"{rule.name}: {rule.reason}", "wrapany")


def _when(freeze: Freeze) -> None:
    where = f", in {', '.join(freeze.environments)}" if freeze.environments else ""
    if freeze.begins is not None and freeze.ends is not None:
        with html.phrase("from ", round(freeze.begins.timestamp() * 1000), absolute=True):
            Node("span", " until ")
            When(round(freeze.ends.timestamp() * 1000), absolute=True)
            Node("span", where)
    else:
        days = ", ".join(freeze.days)
        Node(
            "span",
            f"{days} from {freeze.from_} until {freeze.until} ({freeze.zone}){where}",
            "muted",
        )
