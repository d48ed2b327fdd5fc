"""One incident: what is broken since when, why, where, what changed, and what can be done.

Everything stays true while the reader looks: state, suspects, timeline and charts follow the
records. What a person does here is checked against who they are at that moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nicegui import ui

from twinhelm.aiops.correlate import Decision
from twinhelm.aiops.flow.incidents import IncidentFile
from twinhelm.aiops.records import load
from twinhelm.aiops.types import Incident, IncidentState
from twinhelm.aiops.words import place
from twinhelm.core.entities import Edge
from twinhelm.core.errors import NotFound, TwinhelmError
from twinhelm.core.roles import Right
from twinhelm.web.pages.drawing import Drawing
from twinhelm.web.pages.elements import Node, When
from twinhelm.web.pages.evidence import draw_evidence, window
from twinhelm.web.pages.frame import framed
from twinhelm.web.pages.incidents import lasted
from twinhelm.web.pages.live import Live, Region, say
from twinhelm.web.pages.pieces import ChartCard, severity_chip, state_chip
from twinhelm.web.pages.sheet import Sheet
from twinhelm.web.pages.story import changes, grouping, timeline, where, why
from twinhelm.web.pages.visitor import work
from twinhelm.web.pages.whynot import decisions

__all__ = ["incident"]

NEAR_MS = 600_000


@dataclass(frozen=True, slots=True)
class Known:
    """All that the page shows of it."""

    file: IncidentFile
    edges: tuple[Edge, ...]
    evidence: list[tuple[str, str, Drawing]]
    others: list[Decision]


async def incident(sheet: Sheet) -> None:
    """Build the page; raises :class:`NotFound`."""
    said = str(sheet.request.path_params["incident_id"])
    if not (said.isascii() and said.isdigit() and len(said) < 16):
        raise NotFound(f"there is no incident {said[:40]}", hint="incidents have numbers")
    number = int(said)
    # Asked once before anything is built, so that what is not there is answered with 404.
    await work(lambda: sheet.house.desk.file(number))
    with framed(sheet, wing="machines"):
        head = Region("stack tight")
        with Node("div", classes="case"):
            reasons = Region("card")
            with Node("div", classes="stack"):
                with Node("div", classes="twos"):
                    places, changed = Region("card"), Region("card")
                story = Region("card")
        charts = Region("stack tight")
        grouped, others = Region("card"), Region("wait")
        cards: dict[str, ChartCard] = {}
        desk = _Desk(sheet, number)

        def show(now: Known) -> None:
            file = now.file
            head.show(file.incident, lambda _: _head(file.incident, desk))
            start, end = window(file, sheet.house.clock.now_ms())
            kept = (
                file.incident.verdict,
                [(c.text, c.confidence, c.evidence_for, c.evidence_against) for c in file.claims],
            )
            reasons.show(kept, lambda _: why(file, start, end))
            places.show((file.incident.entities, now.edges), lambda _: where(file, now.edges))
            changed.show(file.changes, lambda _: changes(file))
            story.show(file.timeline, timeline)
            grouped.show(file.incident.grouping, lambda _: grouping(file))
            others.show(now.others, decisions)

            def draw(_: object) -> None:
                cards.clear()
                _charts(now, cards)

            charts.show([title for title, _, _ in now.evidence], draw)
            for title, _, drawing in now.evidence:
                cards[title].show(drawing)

        live = Live(sheet, lambda: _ask(sheet, number), show, every_s=5.0)
        desk.changed = live.ask
        await live.start()


def _ask(sheet: Sheet, number: int) -> Known:
    house = sheet.house
    file = house.desk.file(number)
    near = set(file.incident.entities)
    with house.records.reading() as unit:
        edges = [load(Edge, record) for record in unit.find("edge", limit=2000)]
    now = house.clock.now_ms()
    until = file.incident.resolved_ms or now
    return Known(
        file,
        tuple(
            edge
            for edge in edges
            if (edge.source in near or edge.target in near) and edge.alive(now)
        )[:200],
        draw_evidence(sheet, file),
        [
            one
            for one in house.desk.decisions(300)
            if one.incident is None
            and file.incident.started_ms - NEAR_MS <= one.time_ms <= until + NEAR_MS
        ][:30],
    )


def _head(now: Incident, desk: _Desk) -> None:
    with Node("div", classes="row"):
        Node("a", "Incidents", href="/incidents")
        Node("span", f"/ #{now.id}", "muted")
    with Node("div", classes="title"):
        Node("h1", now.title)
    with Node("div", classes="row"):
        severity_chip(now.severity)
        state_chip(now.state)
        with Node("span", "Began ", "muted"):
            When(now.started_ms)
        if now.resolved_ms is not None:
            with Node("span", f"lasted {lasted(now)}, over ", "muted"):
                When(now.resolved_ms)
        Node("span", f"Owner: {now.owner or 'nobody yet'}", "muted")
        if now.flaps:
            times = "once" if now.flaps == 1 else f"{now.flaps} times"
            Node("span", f"came back {times}", "muted")
        places = [place(one) for one in now.entities]
        more = f" and {len(places) - 4} more" if len(places) > 4 else ""
        Node("span", ", ".join(places[:4]) + more, "muted wrapany")
    desk.buttons(now)


def _charts(now: Known, cards: dict[str, ChartCard]) -> None:
    if not now.evidence:
        return
    Node("h2", "Evidence")
    notes = [("anomaly", "--span"), ("expected", "--band")]
    over = now.file.incident.state is IncidentState.RESOLVED
    with Node("div", classes="charts wide"):
        for title, href, drawing in now.evidence:
            cards[title] = ChartCard(title, drawing, href=href, notes=notes, live=not over)


class _Desk:
    """The buttons of an incident and the dialogs behind them, which outlive the buttons."""

    def __init__(self, sheet: Sheet, number: int) -> None:
        self._sheet = sheet
        self._number = number
        self.changed: Callable[[], object] = lambda: None
        desk = sheet.house.desk
        self._dialog(
            "take",
            "Acknowledge this incident?",
            f"It becomes yours: {sheet.visitor.name} stands as its owner. The signs go on being "
            "watched, nothing else changes.",
            "Acknowledge",
            lambda who, _: desk.acknowledge(number, by=who),
        )
        self._dialog(
            "close",
            "Resolve this incident?",
            "It is closed for everybody. If the signs come back within the hour it reopens by "
            "itself.",
            "Resolve",
            lambda who, text: desk.resolve(number, by=who, note=text[:4000]),
            field="What solved it (for whoever meets this next)",
        )
        self._dialog(
            "remark",
            "Add a comment",
            "It joins the timeline and the journal, with your name.",
            "Add comment",
            lambda who, text: desk.comment(number, by=who, text=text),
            field="Comment",
        )

    def buttons(self, now: Incident) -> None:
        """Show what can be done now, and why where it cannot."""
        barred = self._sheet.visitor.why_not(Right.OPERATE)
        over = now.state is IncidentState.RESOLVED
        taken = now.state is IncidentState.ACKNOWLEDGED
        with Node("div", classes="row"):
            _button("Acknowledge", "take", barred or ("It is over." if over else ""), not taken)
            _button(
                "Resolve", "close", barred or ("It is resolved already." if over else ""), taken
            )
            _button("Comment", "remark", barred, False)
            if barred:
                Node("span", barred, "muted small")

    def _dialog(
        self,
        key: str,
        title: str,
        says: str,
        button: str,
        change: Callable[[str, str], object],
        field: str = "",
    ) -> None:
        with Node("dialog", id=f"dialog-{key}", aria_labelledby=f"title-{key}"):
            Node("h2", title, id=f"title-{key}")
            with Node("div", classes="stack"):
                Node("p", says, "muted")
                box = f"text-{key}"
                if field:
                    with Node("label", classes="field"):
                        Node("span", field)
                        Node("textarea", id=box, maxlength="4000")
                wrong = Region("wait")
                with Node("div", classes="row end"):
                    Node("button", "Cancel", type="button", data_closes=True)
                    go = Node("button", button, "primary", type="button")

        async def act(text: object) -> None:
            said = str(text or "")
            try:
                await self._sheet.visitor.act(Right.OPERATE, lambda who: change(who, said))
            except TwinhelmError as error:
                wrong.show(str(error), lambda why_not: say(why_not, kind="failed"))
                return
            wrong.show("", lambda _: None)
            ui.run_javascript(
                f"document.getElementById('dialog-{key}').close();"
                f"const t = document.getElementById('{box}'); if (t) t.value = '';"
            )
            result = self.changed()
            if hasattr(result, "__await__"):
                await result

        go.on(
            "click",
            lambda event: act(event.args),
            js_handler=f"() => emit(document.getElementById('{box}')?.value || '')",
        )


def _button(text: str, key: str, barred: str, primary: bool) -> None:
    Node(
        "button",
        text,
        "primary" if primary and not barred else "",
        type="button",
        data_opens=f"dialog-{key}",
        disabled=bool(barred),
        title=barred or None,
    )
