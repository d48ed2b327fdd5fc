"""What stands around every page: rail, header, palette, and whether twinhelm itself is well.

Two groups in the rail, machines and models, and below them what both share. Only what leads
somewhere is listed. In comes a :class:`~twinhelm.web.pages.kit.sheet.Sheet`, and inside the
``with`` the page builds its own content.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui
from nicegui.events import GenericEventArguments

from twinhelm.aiops.types import IncidentState
from twinhelm.core.labels import METRIC
from twinhelm.web import VERSION
from twinhelm.web.pages.kit.drawing import quoted
from twinhelm.web.pages.kit.html import UNAIDED, Node, Region, When, address, path_of, say
from twinhelm.web.pages.kit.sheet import RANGES, Live, Sheet
from twinhelm.web.pages.kit.stop import DIALOG, Halt, Repairing, repairing

__all__ = ["RAIL", "framed", "title_row"]

RAIL: dict[str, tuple[tuple[str, str], ...]] = {
    "": (("Overview", "/"),),
    "Machines": (
        ("Incidents", "/incidents"), ("Repairs", "/repairs"), ("Runbooks", "/runbooks"),
        ("On call", "/on-call"), ("Alert quality", "/alert-quality"), ("Answers", "/feedback"),
        ("Series", "/series"), ("Logs", "/logs"), ("Traces", "/traces"), ("Capacity", "/capacity"),
    ),
    "Models": (("Portfolio", "/products"), ("Approvals", "/approvals")),
    "Both": (
        ("Advise", "/advise"), ("Audit", "/audit"), ("Rejected", "/rejected"),
        ("Settings and health", "/settings"), ("Connect", "/connect"),
    ),
}  # fmt: skip
RANGE_WORDS = {"m": "minutes", "h": "hours", "d": "days"}
LATE_MS = 15_000
FOUND = 8


Pulse = tuple[int, str, int, Repairing]
"""How twinhelm is: open incidents, what stops telemetry, since when none is judged, repairs."""


def _pulse(sheet: Sheet) -> Pulse:
    house = sheet.house
    counts, stats, last = house.desk.counts(), house.telemetry.stats(), house.watch.last_tick_ms
    late = last and house.clock.now_ms() - last > LATE_MS
    return (
        sum(count for state, count in counts.items() if state != IncidentState.RESOLVED),
        "" if stats.taking else f"No telemetry is taken: {stats.reason}.",
        last if late else 0,
        repairing(sheet),
    )


@contextmanager
def framed(
    sheet: Sheet, title: str = "", aside: str = "", *, wing: str = "", ranged: bool = False
) -> Iterator[None]:
    """Build the frame; ``wing`` is machines, models or empty, ``ranged`` offers a time range."""
    # The framework's own page element is a landmark; ours is the one that counts.
    slot = ui.context.client.content.parent_slot
    if slot is not None:
        slot.parent.props("role=presentation")
    Node("a", "Skip to content", "skip", href="#content")
    with Node("div", classes="frame"):
        counts = _rail(sheet)
        with Node("div", classes="side"):
            halt = _head(sheet, ranged)
            with Node("main", classes=f"sheet {wing}", id="content", tabindex="-1"):
                troubles = Region("wait")
                halt.banner()

                def show(now: Pulse) -> None:
                    counts["/incidents"].show((now[0], "not resolved"), _count)
                    counts["/repairs"].show((now[3].waiting, "waiting for an answer"), _count)
                    troubles.show(now[1:3], _troubles)
                    halt.show(now[3])

                Live(sheet, lambda: _pulse(sheet), show)
                if title:
                    title_row(title, aside)
                yield
    halt.dialog()
    _palette(sheet)
    for live in sheet.lives:
        live.keep()


def title_row(title: str, aside: str = "") -> None:
    """Head a page; ``aside`` is a few quiet words beside the title."""
    with Node("div", classes="title"):
        Node("h1", title)
        if aside:
            Node("span", aside, "muted")


def _entries(sheet: Sheet) -> dict[str, tuple[tuple[str, str], ...]]:
    """List what the rail leads to: the tour only while there is one."""
    if sheet.house.tour is None:
        return RAIL
    return {**RAIL, "": (*RAIL[""], ("Guided tour", "/tour"))}


def _rail(sheet: Sheet) -> dict[str, Region]:
    here = sheet.request.url.path
    counts = {path: Region(tag="span") for path in ("/incidents", "/repairs")}
    with Node("div", classes="rail"):
        with Node("a", classes="brand", href="/", aria_label="twinhelm, overview"):
            Node("span", classes="brand-mark", aria_hidden="true")
            Node("span", "twinhelm")
        for group, entries in _entries(sheet).items():
            with Node("nav", classes=group.lower(), aria_label=group or "Start"):
                if group:
                    Node("h2", group)
                with Node("ul"):
                    for name, path in entries:
                        inside = here == path or (path != "/" and here.startswith(f"{path}/"))
                        current = "page" if inside else None
                        with Node("li"), Node("a", href=path, aria_current=current):
                            Node("span", name)
                            if path in counts:
                                counts[path].box.move(ui.context.slot.parent)
        with Node("div", classes="rail-foot"):
            Node("div", f"twinhelm {VERSION}")
    return counts


def _count(now: tuple[int, str]) -> None:
    if now[0]:
        Node("span", str(now[0]), "count", aria_label=f"{now[0]} {now[1]}")


def _troubles(what: tuple[str, int]) -> None:
    trouble, late_since = what
    if trouble:
        say(trouble, kind="failed")
    if late_since:
        with say("Telemetry has not been judged for a while; the last check was ", kind="amber"):
            When(late_since)


def _head(sheet: Sheet, ranged: bool) -> Halt:
    with Node("header", classes="head"):
        with Node(
            "button", classes="search", type="button", data_opens="palette", aria_label="Search"
        ):
            Node("span", "Search pages, products, metrics", "oneline")
            Node("kbd", "/", aria_hidden="true")
        Node("span", classes="gap")
        if ranged:
            _ranges(sheet)
        if sheet.house.drive is not None:
            with Node("span", classes="env"):
                Node("span", "replay", id="replay")
                _follow_clock(sheet)
        Node("span", sheet.house.settings.server.environment, "env oneline", title="Environment")
        halt = Halt(sheet)
        theme = Node("button", "Theme", "quiet small", type="button", aria_label="Light or dark")
        theme.on("click", js_handler="() => helmTheme()")
        _who(sheet)
    return halt


def _follow_clock(sheet: Sheet) -> None:
    """Show the time of a driven clock, which is what moments on the page are relative to."""

    def show(now_ms: int) -> None:
        ui.run_javascript(f"helmReplay({now_ms})")

    Live(sheet, sheet.house.clock.now_ms, show, every_s=1.0)


def _ranges(sheet: Sheet) -> None:
    with Node("select", aria_label="Time range") as choice:
        if sheet.fixed is not None:
            Node("option", "Pinned range", value="", selected=True)
        for name in RANGES:
            chosen = sheet.fixed is None and name == sheet.range_name
            said = "1 hour" if name == "1h" else f"{name[:-1]} {RANGE_WORDS[name[-1]]}"
            Node("option", f"Last {said}", value=name, selected=chosen)
    choice.on(
        "change",
        js_handler="(e) => { const u = new URL(location.href); "
        "u.searchParams.delete('from'); u.searchParams.delete('to'); "
        "u.searchParams.set('range', e.target.value); location.assign(u); }",
    )


def _who(sheet: Sheet) -> None:
    visitor = sheet.visitor
    if not visitor.signed_in:
        Node("a", "Sign in", "button", href=f"/sign-in?next={sheet.request.url.path}")
        return
    roles = ", ".join(sorted(role.value for role in visitor.asker.identity.roles))
    Node("span", visitor.name, "who oneline", title=f"{visitor.name}: {roles}")
    with Node("form", method="post", action="/sign-out"):
        Node("input", type="hidden", name="csrf", value=visitor.asker.csrf)
        Node("button", "Sign out", "quiet small", type="submit")


def _palette(sheet: Sheet) -> None:
    with Node("dialog", id="palette", aria_label="Search"):
        hint = "Page, product, version, incident number or metric"
        said = "Search pages, products, incidents and metrics"
        field = Node("input", type="search", placeholder=hint, aria_label=said, **UNAIDED)
        found = Region(tag="ul")
        found.show(_pages(sheet, ""), _offers)

        async def look(event: GenericEventArguments) -> None:
            said = str(event.args or "")[:200].strip()
            rows = await sheet.visitor.read(lambda: _matches(sheet, said))
            found.show(rows, _offers)

        field.on("input", look, throttle=0.15, js_handler="(e) => emit(e.target.value)")


def _pages(sheet: Sheet, said: str) -> list[tuple[str, str, str]]:
    every = (entry for entries in _entries(sheet).values() for entry in entries)
    rows = [(name, path, "page") for name, path in every if said.lower() in name.lower()]
    stop = "Stop switch: halt every repair"
    return [*rows, (stop, f"#{DIALOG}", "deed")] if said.lower() in stop.lower() else rows


def _matches(sheet: Sheet, said: str) -> list[tuple[str, str, str]]:
    rows = _pages(sheet, said)
    number = said.lstrip("#")
    if re.fullmatch(r"[0-9]{1,15}", number):
        rows.insert(0, (f"Incident {number}", f"/incidents/{number}", "incident"))
    if said:
        rows += _products(sheet, said)
        names = sheet.house.telemetry.label_values(METRIC, [])
        for name in [name for name in names if said.lower() in name.lower()][:FOUND]:
            rows.append((name, address("/series", q=f"{{__name__={quoted(name)}}}"), "metric"))
    return rows


def _products(sheet: Sheet, said: str) -> list[tuple[str, str, str]]:
    """Find products by a part of their names, and versions of those: "cancer 3", "cancer/3"."""
    name, _, version = re.sub(r"[\s/]+", " ", said.lower()).partition(" ")
    rows, desk = [], sheet.house.models.desk
    for one in desk.all():
        if name not in one.name.lower():
            continue
        if not version:
            rows.append((one.name, path_of(one.name), "product"))
        if version or name == one.name.lower():
            rows += [
                (f"{one.name}, version {each}", path_of(one.name, each), "version")
                for each in (made.version for made in desk.versions(one.name))
                if each.startswith(version.removeprefix("version "))
            ][:FOUND]
    return rows[: 2 * FOUND]


def _offers(rows: list[tuple[str, str, str]]) -> None:
    if not rows:
        Node("li", "Nothing by that name.", "notice")
    for name, path, kind in rows:
        with Node("li"), Node("a", href=path):
            Node("span", name)
            Node("span", kind, "muted small")
