"""The page of the tour, and the card on the overview that leads to it.

In: the :class:`~twinhelm.app.tour.Story` so far. Everything on it is asked for anew every two
seconds; only what changed is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from twinhelm.aiops.types import LIVE
from twinhelm.app.tour import Step, Story, Tour, right
from twinhelm.core.labels import METRIC, Matcher, MatchKind
from twinhelm.core.roles import Right
from twinhelm.core.telemetry import Change
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.charts import charted, range_link
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.drawing import Drawing, query_of
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Node, Region
from twinhelm.web.pages.kit.sheet import Live, Sheet
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
            with html.empty("No lab is attached.", classes="card"):
                Node("p", "Start twinhelm with one:", "muted")
                Node("pre", "twinhelm up --lab", "snippet")
            return
        page = _Page(sheet, told)
        await Live(sheet, page.ask, page.show, every_s=EVERY_S).start()
        with page.charts:
            drawn = lambda: _drawn(sheet, told.story)  # noqa: E731 - one of two
            await charted(sheet, drawn, _no_charts, classes="charts three")


def tour_card(sheet: Sheet) -> None:
    """Show, on another page, where the story is; nothing where there is none."""
    told = sheet.house.tour
    if told is None:
        return
    box = Region("card")

    def show(story: Story) -> None:
        box.show((story.step, story.trouble or _lead(story)), lambda now: _card(now[1]))

    Live(sheet, lambda: told.story, show)


def _card(says: str) -> None:
    html.card_head("Guided tour", "Follow it", "/tour")
    Node("p", says, "wrapany")


class _Page:
    """The parts of the page, each drawn anew when what it shows has changed."""

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
                    self._hand = Deeds(sheet)
                self._cause = Region("card")
                self.charts = Node("div")
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
            self._hand.still()  # what was told of a step that is over
        self._rail.show(_rail(story), html.road)
        self._lead.show((_lead(story), story.step, story.trouble), lambda _: _draw_lead(story))
        self._next.show(
            (story.step, story.due_ms, now.services, story.incident), lambda _: _next(now)
        )
        self._deed.show((story.step, story.fault), lambda _: self._deeds(story))
        self._cause.show((story.claim, story.fault, story.step), lambda _: _cause(story))
        self._moments.show((story.begun_ms, story.told), lambda _: _moments(story))
        free = story.step in (Step.QUIET, Step.RESOLVED)
        self._choice.show((now.faults, free), lambda _: self._offer(now.faults, free=free))
        self._map.show(now.picture, draw_map)

    def _deeds(self, story: Story) -> None:
        if story.step in (Step.INCIDENT, Step.CAUSE) and story.fault is not None:
            self._button(story.fault.repair, lambda who, _: self._tour.repair(by=who))
        elif story.step is Step.RESOLVED:
            self._button("Tell it again", lambda _, __: self._tour.again())

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
                    box="tour-fault",
                    style="",
                    wrong="" if free else "A story is being told: it ends with its repair.",
                )

    def _button(
        self,
        text: str,
        change: Callable[[str, str], object],
        *,
        box: str = "",
        style: str = "primary",
        wrong: str = "",
    ) -> None:
        """Offer a deed, and say why where it cannot be done."""
        deeds, right = self._hand, Right.OPERATE
        deeds.button(text, right, change, box=box, style=style, wrong=wrong, sure=False)
        if wrong := self._sheet.visitor.why_not(right) or wrong:
            Node("span", wrong, "muted small")


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
        state = "now" if place == here else state
        steps.append((name, state, after or state.replace("next", "")))
    return steps


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
            return html.sentence(fault)
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
        html.say(html.sentence(story.trouble), kind="failed")
        return
    colour = {Step.QUIET: "green", Step.RESOLVED: "green", Step.STARTING: ""}
    with Node("p", classes="lead row"):
        html.dot(colour.get(story.step, "amber" if story.step is Step.REPAIR else "red"))
        Node("span", _lead(story), "wrapany")
    if story.incident is not None:
        with Node("p"):
            Node("a", story.incident.title, "wrapany", href=f"/incidents/{story.incident.id}")


def _next(now: _Now) -> None:
    """Say what is watched, and what comes next."""
    story = now.story
    watched = (
        f"twinhelm watches {html.plural(now.services, 'service')} of it and {now.series} series."
    )
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
    due = (" ", story.due_ms) if story.due_ms is not None and after else ()
    html.phrase(before, *due, after, tag="p")


def _fault_of(story: Story) -> str:
    title = story.fault.title if story.fault else "a fault"
    return title[:1].lower() + title[1:].rstrip(".")


def _cause(story: Story) -> None:
    claim, fault = story.claim, story.fault
    if claim is None or fault is None or ORDER.index(story.step) < ORDER.index(Step.CAUSE):
        return
    with Node("div", classes="twos"):
        with Node("section", classes="suspect"):
            with html.card_head("The cause, says twinhelm"):
                if story.incident is not None:
                    verdict = story.incident.verdict
                    html.chip(verdict, "blue" if verdict == "conclusive" else "")
            Node("h3", claim.text, "wrapany")
            html.confidence(claim.confidence)
            html.points((one.text for one in claim.evidence_for[:3]), "+")
        with Node("section", classes="suspect"):
            with html.card_head("What was really done"):
                good = right(claim, fault)
                html.chip("right" if good else "wrong", "green" if good else "red")
            Node("h3", html.sentence(fault.title), "wrapany")
            Node("p", f"To blame: {fault.service}." if fault.blame else "Nobody is to blame.")
            Node("p", html.sentence(fault.repair), "muted")


def _moments(story: Story) -> None:
    if not story.told:
        return
    Node("h2", "What happened when")
    with Node("ol", classes="timeline tour-moments"):
        for time_ms, text in sorted(story.told, key=itemgetter(0)):
            with Node("li"):
                Node("span", f"+ {_after(story, time_ms)}", "num muted")
                with Node("span", classes="wrapany"):
                    Node("span", html.sentence(text))


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
    html.empty("The shop's first telemetry is on its way.", classes="card")
