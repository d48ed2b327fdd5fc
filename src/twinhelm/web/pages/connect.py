"""How to send telemetry here: exact snippets, with this server's own address in them."""

import tomllib

from twinhelm.core.labels import DEFAULT_TENANT
from twinhelm.web.pages.elements import STATIC, Node, card_head, copier
from twinhelm.web.pages.frame import framed
from twinhelm.web.pages.sheet import Sheet

__all__ = ["connect"]


async def connect(sheet: Sheet) -> None:
    """Build the page."""
    ways = tomllib.loads((STATIC / "connect.toml").read_text(encoding="utf-8"))["way"]
    base = str(sheet.request.base_url).rstrip("/")
    trusted = sheet.visitor.asker.trusted
    with framed(sheet, "Connect", "Change nothing but an address in what you already run"):
        says = "Put a token made under Settings and health where TOKEN stands."
        says = "Programs on this machine may send without a token." if trusted else says
        Node("p", says, "muted prose")
        with Node("div", classes="twos"):
            for way in ways:
                whole = way["snippet"].replace("AUTH", "" if trusted else way["token"])
                snippet = whole.replace("BASE", base)
                with Node("section", classes="card", id=way["anchor"]):
                    with card_head(way["title"]):
                        copier(snippet).set(aria_label=f"Copy the snippet for {way['title']}")
                    Node("p", way["says"], "muted prose", style="margin-bottom:8px")
                    Node("pre", snippet, "snippet", tabindex="0")
        says = "Several teams? Send the header X-Scope-OrgID; without it all is of the tenant "
        Node("p", f"{says}{DEFAULT_TENANT!r}.", "muted prose")
