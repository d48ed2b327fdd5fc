"""The pages as one application: which page stands where, and how the page framework is set.

The framework keeps one application per process: a later call of :func:`pages_app` replaces the
pages of an earlier one. It speaks over a websocket only and loads nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI
from nicegui import app as framework
from nicegui import run, ui
from starlette.requests import Request

from twinhelm.core.errors import TwinhelmError
from twinhelm.web.pages.advise import advise, assessment
from twinhelm.web.pages.automation import editor, repair, repairs, runbook, runbooks
from twinhelm.web.pages.capacity import capacity
from twinhelm.web.pages.incident import incident, incidents
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.drawing import Drawer
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Node
from twinhelm.web.pages.kit.sheet import Sheet, Visitor
from twinhelm.web.pages.ledgers import audit, rejected
from twinhelm.web.pages.logs import logs, traces
from twinhelm.web.pages.machines.answers import feedback
from twinhelm.web.pages.machines.on_call import on_call
from twinhelm.web.pages.machines.quality import quality
from twinhelm.web.pages.models import approvals, compare, past, product, products, version
from twinhelm.web.pages.overview import overview
from twinhelm.web.pages.series import series
from twinhelm.web.pages.settings import connect, settings
from twinhelm.web.pages.tour import tour

if TYPE_CHECKING:
    from twinhelm.app import House

__all__ = ["PAGES", "pages_app"]

PATIENCE_S = 30.0
"""A page that takes longer to be built, on a machine with much to do, is answered 500."""

Builder = Callable[[Sheet], Awaitable[None]]

PAGES: dict[str, tuple[str, Builder]] = {
    "/": ("Overview", overview),
    "/tour": ("Guided tour", tour),
    "/incidents": ("Incidents", incidents),
    "/incidents/{incident_id}": ("Incident", incident),
    "/repairs": ("Repairs", repairs),
    "/repairs/{repair_id}": ("Repair", repair),
    "/runbooks": ("Runbooks", runbooks),
    "/runbooks/_new": ("Write a runbook", editor),
    "/runbooks/{name}": ("Runbook", runbook),
    "/series": ("Series", series),
    "/logs": ("Logs", logs),
    "/traces": ("Traces", traces),
    "/capacity": ("Capacity", capacity),
    "/on-call": ("On call", on_call),
    "/alert-quality": ("Alert quality", quality),
    "/feedback": ("Answers", feedback),
    "/products": ("Portfolio", products),
    "/products/{name}": ("Product", product),
    "/products/{name}/compare": ("Compare", compare),
    "/products/{name}/versions/{version}": ("Version", version),
    "/approvals": ("Approvals", approvals),
    "/advise": ("Advise", advise),
    "/advise/assessment": ("Where we stand", assessment),
    "/audit": ("Audit", audit),
    "/audit/live": ("What was live", past),
    "/rejected": ("Rejected", rejected),
    "/settings": ("Settings and health", settings),
    "/connect": ("Connect", connect),
}


def pages_app(house: House) -> FastAPI:
    """Make the application that serves every page of a house."""
    app = FastAPI(openapi_url=None)
    drawer = Drawer(house)
    # Never used; any other way begins a process that outlives ours by a moment.
    run.process_pool_start_method = "fork"
    framework.config.socket_io_js_transports = ["websocket"]
    for path, (title, build) in PAGES.items():
        page = ui.page(path, title=f"{title} - twinhelm", response_timeout=PATIENCE_S)
        page(_page(house, drawer, title, build))
    ui.run_with(
        app,
        title="twinhelm",
        favicon=(html.STATIC / "icon.svg").read_text(),
        language="en-US",
        binding_refresh_interval=None,
        reconnect_timeout=10.0,
        message_history_length=100,
        tailwind=False,
        show_welcome_message=False,
    )
    return app


def _page(
    house: House, drawer: Drawer, title: str, build: Builder
) -> Callable[[Request], Awaitable[None]]:
    style, script = ((html.STATIC / name).read_text() for name in ("helm.css", "helm.js"))

    async def page(request: Request) -> None:
        now = house.clock.now_ms()
        ui.add_head_html(
            f"<script>window.helmSkew = {now} - Date.now();{script}</script><style>{style}</style>"
        )
        sheet = Sheet(house, Visitor(house, request.state.asker), drawer, request)
        try:
            await build(sheet)
        except TwinhelmError as error:
            ui.status_code(error.status)
            ui.context.client.content.clear()
            sheet.lives.clear()
            with framed(sheet, title), Node("div", classes="card empty"):
                Node("p", html.sentence(error.message), "lead wrapany")
                if error.hint:
                    Node("p", html.sentence(error.hint), "muted")
                with Node("p"):
                    Node("a", "Go to the overview", href="/")

    return page
