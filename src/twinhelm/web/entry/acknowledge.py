"""Acknowledging from a message, without signing in: a page with a button, and the button.

Opening the link changes nothing, since mail scanners and previews open links; only its button
does. Whoever holds the link may press it: it is signed, works once, and expires. The page says
which incidents it takes, as they are now, and nothing else.
"""

from __future__ import annotations

import asyncio
from html import escape
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twinhelm.aiops.flow.notices.outbox import TAKE
from twinhelm.web.entry.signin import form_page, hidden, html_page, plain_page
from twinhelm.web.frame import fields_of

if TYPE_CHECKING:
    from twinhelm.app import House

__all__ = ["notice_routes"]

MAX_FIELDS = 5


def notice_routes(house: House) -> list[Route]:
    """Make the routes of the links in messages."""
    desk = house.notices.desk

    async def ask(request: Request) -> Response:
        link = request.query_params.get("link", "")
        known, numbers = await asyncio.to_thread(desk.asked, link)
        more = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
        says = f"{known.message.title}{more}. The link works once."
        form = form_page(
            f"Acknowledge incident {numbers[0]}{more}", says, hidden("link", link),
            action=TAKE, button="I have it",
        )  # fmt: skip
        return html_page(form)

    async def take(request: Request) -> Response:
        link = (await fields_of(request, most=MAX_FIELDS)).get("link", [""])[0]
        taken = await asyncio.to_thread(desk.acknowledge, link)
        told = f"{len(taken)} incidents are yours." if len(taken) > 1 else "The incident is yours."
        told = told if taken else "Nothing was left to take: it is over, or somebody has it."
        first = f'<p><a href="/incidents/{taken[0]}">Open it</a></p>' if taken else ""
        return html_page(plain_page("Acknowledged", f"<p>{escape(told)}</p>{first}"))

    return [Route(TAKE, ask), Route(TAKE, take, methods=["POST"])]
