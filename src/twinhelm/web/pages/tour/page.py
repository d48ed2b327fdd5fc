"""The page of the tour, and the card on the overview that leads to it.

In: the :class:`~twinhelm.app.tour.Story` so far. Everything on it is asked for anew every two
seconds; only what changed is drawn again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from twinhelm.aiops.types import LIVE
from twinhelm.app.tour import Step, Story, Tour, right
from twinhelm.core.errors import TwinhelmError
from twinhelm.core.labels import METRIC, Matcher, MatchKind
from twinhelm.core.roles import Right
from twinhelm.core.telemetry import Change
from twinhelm.web.pages.drawing import Drawing, query_of
from twinhelm.web.pages.elements import (
    Charts,
    Node,
    Region,
    When,
    card_head,
    chip,
    confidence,
    dot,
    empty,
    plural,
    range_link,
    say,
    sentence,
)
from twinhelm.web.pages.frame import framed
from twinhelm.web.pages.sheet import Live, Sheet
from twinhelm.web.pages.tour.map import Picture, draw_map, picture

__all__ = ["tour", "tour_card"]

SHOP = "shop"
EVERY_S = 2.0
SHOWN_MS = 300_000
LEAST_MS = 60_000
PANELS = (
    ("Requests, gateway", "traces_requests_per_second", "gateway"),
    ("Answer time, gateway", "traces_duration_mean_seconds", "gateway"),
    ("Failed share, checkout", "traces_errors_ratio", "checkout"),
)
RAIL = {
    Step.QUIET: "Quiet",
    Step.FAULT: "Fault",
    Step.INCIDENT: "Incident",
    Step.CAUSE: "Cause",
    Step.REPAIR: "Repair",
    Step.RESOLVED: "Resolved",
}
ORDER = [Step.STARTING, *RAIL]


@dataclass(frozen=True, slots=True)
class _Now:
    story: Story
    services: int
    series: int
    faults: tuple[tuple[str, str], ...]
    picture: Picture


async def tour(sheet: Sheet) -> None:
    """Build the page."""
    told = sheet.house.tour
    aside = "A small shop runs beside twinhelm. It is broken on purpose, found out, and repaired."
    with framed(sheet, "Guided tour", aside, wing="machines"):
        if told is None:
            with Node("div", classes="card flush"), empty("No lab is attached."):
                Node("p", "Start twinhelm with one:", "muted")
                Node("pre", "twinhelm up --lab", "snippet")
            return
        page = _Page(sheet, told)
        live = Live(sheet, page.ask, page.show, every_s=EVERY_S)
        page.changed = live.ask
        await live.start()
        box = page.charts

        def draw(drawn: list[tuple[str, str, Drawing]]) -> None:
            box.follow(drawn, _no_charts, classes="charts three")

        await Live(sheet, lambda: _drawn(sheet, told.story), draw).start()


def tour_card(sheet: Sheet) -> None:
    """Show, on another page, where the story is; nothing where there is none."""
    told = sheet.house.tour
    if told is None:
        return
    box = Region("card")

    def show(story: Story) -> None:
        box.show((story.step, story.trouble, story.fault), lambda _: _card(story))

    Live(sheet, lambda: told.story, show)


def _card(story: Story) -> None:
    card_head("Guided tour", "Follow it", "/tour")
    Node("p", story.trouble or _lead(story), "wrapany")


class _Page:
    """The parts of the page, each drawn anew when what it shows has changed."""

    changed: Callable[[], Awaitable[None]]

    def __init__(self, sheet: Sheet, told: Tour) -> None:
        self._sheet = sheet
        self._tour = told
        self._step = Step.STARTING
        self._rail = Region("tour-rail", tag="ol")
        with Node("div", classes="halves"):
            with Node("div", classes="stack"):
                with Node("section", classes="card tour-now", aria_label="What happens now"):
                    self._lead = Region()
                    self._lead.box.set(role="status")
                    self._next, self._deed = Region(), Region("row")
                    self._wrong = Region("wait")
                self._cause = Region("card")
                self.charts = Charts()
                self._map = Region("card")
            with Node("div", classes="stack"):
                self._moments = Region("card")
                self._choice = Region("card")

    def ask(self) -> _Now:
        """Gather what the page shows."""
        house, story = self._sheet.house, self._tour.story
        known = list(house.watch.known.described.values())
        ours = {entity for _, entity, _ in known if entity.startswith(f"service:{SHOP}/")}
        lasting = house.desk.incidents(states=LIVE)
        suspect = story.claim.subject if story.claim and story.step is not Step.RESOLVED else ""
        return _Now(
            story,
            len(ours),
            sum(entity in ours for _, entity, _ in known),
            tuple((each.name, each.title) for each in self._tour.faults.values()),
            picture(house, lasting, suspect, SHOP),
        )

    def show(self, now: _Now) -> None:
        """Show it."""
        story = now.story
        if story.step is not self._step:
            self._step = story.step
            self._wrong.show("", lambda _: None)  # of a step that is over
        self._rail.show(_rail(story), _draw_rail)
        self._lead.show((_lead(story), story.step, story.trouble), lambda _: _draw_lead(story))
        self._next.show(
            (story.step, story.due_ms, now.services, story.incident), lambda _: _next(now)
        )
        self._deed.show((story.step, story.fault), lambda _: self._deeds(story))
        self._cause.show((story.claim, story.fault, story.step), lambda _: _cause(story))
        self._moments.show((story.begun_ms, story.told), lambda _: _moments(story))
        free = story.step in (Step.QUIET, Step.RESOLVED)
        self._choice.show((now.faults, free), lambda _: self._offer(now.faults, free=free))
        self._map.show(now.picture, _draw_map)

    def _deeds(self, story: Story) -> None:
        if story.step in (Step.INCIDENT, Step.CAUSE) and story.fault is not None:
            self._button(story.fault.repair, lambda who, _: self._tour.repair(by=who), primary=True)
        elif story.step is Step.RESOLVED:
            self._button("Tell it again", lambda _, __: self._tour.again(), primary=True)

    def _offer(self, faults: Sequence[tuple[str, str]], *, free: bool) -> None:
        if not faults:
            return
        Node("h2", "Break something else")
        with Node("div", classes="stack tight"):
            with Node("select", id="tour-fault", aria_label="Fault", disabled=not free):
                for name, title in faults:
                    Node("option", title, value=name)
            with Node("div", classes="row"):
                self._button(
                    "Break it",
                    lambda who, name: self._tour.break_(name, by=who),
                    value="document.getElementById('tour-fault').value",
                    wrong="" if free else "A story is being told: it ends with its repair.",
                )

    def _button(
        self,
        text: str,
        change: Callable[[str, str], object],
        *,
        value: str = "''",
        primary: bool = False,
        wrong: str = "",
    ) -> None:
        """Offer a deed, and say why where it cannot be done."""
        visitor = self._sheet.visitor
        barred = visitor.why_not(Right.OPERATE)
        style = "primary" if primary and not barred else ""
        button = Node("button", text, style, type="button", disabled=bool(barred or wrong))
        if barred or wrong:
            Node("span", barred or wrong, "muted small")

        async def act(said: object) -> None:
            try:
                await visitor.act(Right.OPERATE, lambda who: change(who, str(said or "")))
            except TwinhelmError as error:
                self._wrong.show(str(error), lambda told: say(told, kind="failed"))
            else:
                self._wrong.show("", lambda _: None)
            await self.changed()

        button.on("click", lambda event: act(event.args), js_handler=f"() => emit({value})")


def _rail(story: Story) -> list[tuple[str, str, str]]:
    """List the steps: name, whether it is done, now or next, and when it was reached."""
    at = {
        Step.INCIDENT: story.found_ms,
        Step.CAUSE: story.blamed_ms,
        Step.REPAIR: story.repaired_ms,
        Step.RESOLVED: story.since_ms if story.step is Step.RESOLVED else None,
    }
    here = max(ORDER.index(story.step), 1)
    steps = []
    for place, (step, name) in enumerate(RAIL.items(), 1):
        when = at.get(step)
        after = _after(story, when) if when and story.begun_ms else ""
        state = "done" if place < here or story.step is Step.RESOLVED else "next"
        steps.append((name, "now" if place == here else state, after))
    return steps


def _draw_rail(steps: Sequence[tuple[str, str, str]]) -> None:
    for name, state, after in steps:
        with Node("li", classes=state, aria_current="step" if state == "now" else None):
            dot({"done": "green", "now": "blue"}.get(state, ""))
            Node("span", name)
            Node("span", after or {"done": "done", "now": "now"}.get(state, ""), "small muted")


def _after(story: Story, time_ms: int) -> str:
    return f"{max(0, time_ms - story.begun_ms) / 1000:.0f} s"


def _lead(story: Story) -> str:
    """Say in one sentence what happens now."""
    fault = story.fault.title if story.fault else ""
    found = story.found_ms is not None and story.incident is not None
    opened = f"twinhelm opened incident {story.incident.id}" if story.incident else ""
    raised = f"{opened} {_after(story, story.found_ms or 0)} after the fault" if found else ""
    match story.step:
        case Step.STARTING:
            return "The shop is being started."
        case Step.QUIET:
            return "All is quiet in the shop."
        case Step.FAULT:
            return sentence(fault)
        case Step.INCIDENT:
            return f"{raised}."
        case Step.CAUSE:
            return f"{raised}, and says what it suspects."
        case Step.REPAIR:
            done = story.fault.repair if story.fault else ""
            return f"{done}: done{'' if found else ', though twinhelm raised no incident'}."
        case Step.RESOLVED:
            if not found:
                blamed = story.fault is None or story.fault.blame
                return "twinhelm missed it." if blamed else "Nobody was blamed, and rightly so."
            return f"All is well again {_after(story, story.since_ms)} after the fault."


def _draw_lead(story: Story) -> None:
    if story.trouble:
        say(sentence(story.trouble), kind="failed")
        return
    colour = {Step.QUIET: "green", Step.RESOLVED: "green", Step.STARTING: ""}
    with Node("p", classes="lead row"):
        dot(colour.get(story.step, "amber" if story.step is Step.REPAIR else "red"))
        Node("span", _lead(story), "wrapany")
    if story.incident is not None:
        with Node("p"):
            Node("a", story.incident.title, "wrapany", href=f"/incidents/{story.incident.id}")


def _next(now: _Now) -> None:
    """Say what is watched, and what comes next."""
    story = now.story
    watched = f"twinhelm watches {plural(now.services, 'service')} of it and {now.series} series."
    before, after = {
        Step.STARTING: ("Its processes come up within seconds.", ""),
        Step.QUIET: (f"{watched} Next, by itself", f": {_fault_of(story)}."),
        Step.FAULT: (
            "twinhelm is told of nothing, it has the telemetry alone. Next: an incident; without "
            "one the tour repairs it",
            ".",
        ),
        Step.INCIDENT: ("Next: its cause. Unrepaired, the tour repairs it", "."),
        Step.CAUSE: ("Next: the repair. If nobody presses, the tour does it", "."),
        Step.REPAIR: (
            "Next: the signs end, and after a quiet minute the incident resolves itself.",
            "",
        ),
        Step.RESOLVED: ("Tell it again, or break something else.", ""),
    }[story.step]
    with Node("p", classes="muted"):
        Node("span", before)
        if story.due_ms is not None and after:
            Node("span", " ")
            When(story.due_ms)
        Node("span", after)


def _fault_of(story: Story) -> str:
    title = story.fault.title if story.fault else "a fault"
    return title[:1].lower() + title[1:].rstrip(".")


def _cause(story: Story) -> None:
    claim, fault = story.claim, story.fault
    if claim is None or fault is None or ORDER.index(story.step) < ORDER.index(Step.CAUSE):
        return
    with Node("div", classes="twos"):
        with Node("section", classes="suspect"):
            with card_head("The cause, says twinhelm"):
                if story.incident is not None:
                    verdict = story.incident.verdict
                    chip(verdict, "blue" if verdict == "conclusive" else "")
            Node("h3", claim.text, "wrapany")
            confidence(claim.confidence)
            with Node("ul", classes="evidence"):
                for one in claim.evidence_for[:3]:
                    with Node("li"):
                        Node("span", "+", "sign", title="speaks for it")
                        Node("span", one.text)
        with Node("section", classes="suspect"):
            with card_head("What was really done"):
                good = right(claim, fault)
                chip("right" if good else "wrong", "green" if good else "red")
            Node("h3", sentence(fault.title), "wrapany")
            Node("p", f"To blame: {fault.service}." if fault.blame else "Nobody is to blame.")
            Node("p", sentence(fault.repair), "muted")


def _moments(story: Story) -> None:
    if not story.told:
        return
    Node("h2", "What happened when")
    with Node("ol", classes="timeline tour-moments"):
        for time_ms, text in sorted(story.told, key=itemgetter(0)):
            with Node("li"):
                Node("span", f"+ {_after(story, time_ms)}", "num muted")
                with Node("span", classes="wrapany"):
                    Node("span", sentence(text))


def _draw_map(shown: Picture) -> None:
    Node("h2", "Who leans on whom")
    draw_map(shown)


def _drawn(sheet: Sheet, story: Story) -> list[tuple[str, str, Drawing]]:
    """Draw the shop: what is asked of it, how long it takes, what fails."""
    end = sheet.house.clock.now_ms()
    start = end - SHOWN_MS
    marks = [
        Change(f"tour-{at}", at, "tour", "", title, "tour")
        for at, title in ((story.begun_ms, "fault"), (story.repaired_ms or 0, "repair"))
        if at > start
    ]
    drawn = []
    for title, metric, service in PANELS:
        matchers = [
            Matcher(METRIC, MatchKind.EQUAL, metric),
            Matcher("service_name", MatchKind.EQUAL, service),
            Matcher("operation", MatchKind.EQUAL, ""),
        ]
        found = sheet.house.telemetry.find_series(matchers, start_ms=start, limit=1)
        if not found:
            continue
        since = max(start, min(found[0].first_ms, end - LEAST_MS))
        drawing = sheet.drawer.draw([found[0].id], since, end, names=[service])
        href = range_link(query_of(found[0].labels), since, end)
        drawn.append((title, href, drawing.marked([], marks, end)))
    return drawn


def _no_charts() -> None:
    with Node("div", classes="card flush"):
        empty("The shop's first telemetry is on its way.")
