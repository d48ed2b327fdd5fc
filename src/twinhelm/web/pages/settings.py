"""Settings and health: is the store well, how is everything set, who may come in, what may send.

People and tokens are for admins. Secrets (one-time links, tokens) are shown once, on the page of
whoever made them, and are kept nowhere readable. How to send telemetry here is told in exact
snippets with this server's own address in them.
"""

import os
import tomllib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from nicegui.events import GenericEventArguments

from twinhelm.aiops.words import quantity
from twinhelm.core.labels import DEFAULT_TENANT
from twinhelm.core.ports import StoreStats
from twinhelm.core.roles import Right, Role
from twinhelm.core.settings import Settings
from twinhelm.events.identities import Person
from twinhelm.events.tokens import Token
from twinhelm.web import VERSION
from twinhelm.web.api.status import listed
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Column, Node, Region, When
from twinhelm.web.pages.kit.sheet import Live, Sheet

__all__ = ["connect", "settings"]

Setting = tuple[str, str, str, str]
"""A setting's name, its value, where that came from, and what it does."""

CARDS = {
    "person": ("people", "People", "Remove", "Nobody can sign in yet."),
    "token": ("tokens", "Tokens, for programs", "Revoke", "No tokens yet."),
}
"""Of each kind of key: anchor and title of its card, how one is taken back, and none."""


async def settings(sheet: Sheet) -> None:
    """Build the page."""
    house = sheet.house
    with framed(sheet, "Settings and health", f"twinhelm {VERSION}"):
        with html.card("Health"):
            health = Region()
        if sheet.visitor.may(Right.ADMIN):
            await _people(sheet)
        else:
            with html.card("People and tokens"):
                Node("p", sheet.visitor.why_not(Right.ADMIN), "muted")
        with Node("section", classes="card flush"):
            with Node("div", style="padding:16px 16px 8px"):
                Node("h2", "Settings")
                says = "Changed in twinhelm.toml, by environment variables TWINHELM_SECTION__NAME "
                Node("p", f"{says}or by flags; they hold from the next start.", "muted prose")
            html.table(
                list(_listed(house.settings)),
                Column("Setting", "tightcol", lambda one: Node("code", one[0])),
                Column("Value", "namecol", lambda one: one[1]),
                Column("From", "namecol", _source),
                Column("What it does", "muted cutoff", lambda one: one[3]),
            )

        def ask() -> tuple[StoreStats, bool, int]:
            return house.telemetry.stats(), house.ready, house.watch.last_tick_ms

        await Live(sheet, ask, lambda now: health.show(now, _health)).start()


async def connect(sheet: Sheet) -> None:
    """Build the page that says how to send telemetry here."""
    ways = tomllib.loads((html.STATIC / "connect.toml").read_text(encoding="utf-8"))["way"]
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
                    with html.card_head(way["title"]):
                        html.copier(snippet).set(aria_label=f"Copy the snippet for {way['title']}")
                    Node("p", way["says"], "muted prose", style="margin-bottom:8px")
                    Node("pre", snippet, "snippet", tabindex="0")
        says = "Several teams? Send the header X-Scope-OrgID; without it all is of the tenant "
        Node("p", f"{says}{DEFAULT_TENANT!r}.", "muted prose")


def _health(now: tuple[StoreStats, bool, int]) -> None:
    store, ready, last_ms = now
    told = "Telemetry is taken and judged"
    if not ready:
        told = "Starting: telemetry is kept, and judged once the watch stands"
    elif not store.taking:
        told = f"No telemetry is taken: {store.reason}"
    with Node("p", classes="lead row", style="margin-bottom:8px"):
        html.dot("green" if ready and store.taking else "red")
        Node("span", told)
    disk, free = quantity(store.disk_bytes, "bytes"), quantity(store.free_bytes, "bytes")
    counts = {"Series": store.series, "Samples": store.samples, "Log lines": store.logs}
    counts |= {"Spans": store.spans, "Changes": store.changes}
    pending = f"{store.pending_rows:,} rows (safe in the append log)" if store.samples else ""
    html.facts(
        {
            "Last check": (lambda: When(last_ms)) if last_ms else "not yet",
            **{name: f"{count:,}" for name, count in counts.items()},
            "On disk": f"{disk}, {free} free",
            "Waiting to be moved": pending,
        },
        "facts wide",
    )


def _source(one: Setting) -> object:
    return Node("span", one[2], "muted") if one[2] == "default" else one[2]


def _listed(found: Settings) -> Iterator[Setting]:
    """List every setting with its value, secrets struck out, and where it came from."""
    file = os.environ.get("TWINHELM_CONFIG") or str(found.data / "twinhelm.toml")
    for one in listed(found):
        variable = "TWINHELM_" + one.name.upper().replace(".", "__")
        said = {"file": f"file {file}", "environment": f"environment {variable}"}
        yield one.name, _shown(one.value), said.get(one.source, one.source), one.description


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(str(each) for each in value) or "(none)"
    return str(value) or "(empty)"


async def _people(sheet: Sheet) -> None:
    """Show and change who may come in; each change is checked at that moment."""
    who, base = sheet.house.identities, str(sheet.request.base_url).rstrip("/")

    def invite(name: str, roles: list[Role], by: str) -> str:
        who.add_person(name, roles, None, by)
        return f"{base}/sign-in/first?secret={who.link_secret(name, by)}"

    with Node("div", classes="twos"):
        persons = _Keys(sheet, "person", invite, who.remove_person, who.set_roles)
        tokens = _Keys(sheet, "token", who.create_token, who.revoke_token)

    def show(now: tuple[list[Person], list[Token]]) -> None:
        persons.rows.show(now[0], persons.table)
        tokens.rows.show(now[1], tokens.table)

    await Live(sheet, lambda: (who.people(), who.tokens()), show, every_s=15.0).start()


class _Keys:
    """A card of those who may come in: people, or tokens, whose roles cannot be ``changed``.

    ``add`` lets one in and returns the secret that is theirs, ``remove`` lets them out.
    """

    def __init__(
        self,
        sheet: Sheet,
        what: str,
        add: Callable[[str, list[Role], str], str],
        remove: Callable[[str, str], object],
        changed: Callable[[str, list[Role], str], object] | None = None,
    ) -> None:
        self._remove, self._changed = remove, changed
        anchor, title, self._verb, self._nobody = CARDS[what]
        chosen = [Role.VIEWER]

        async def choose(role: Role) -> None:
            chosen[:] = [role]

        with Node("section", classes="card", id=anchor):
            Node("h2", title)
            self.rows = Region()
            with Node("div", classes="stack tight", style="margin-top:12px"):
                self._deeds = Deeds(sheet)
                with Node("div", classes="row"):
                    hints = {"placeholder": "Name", "aria_label": f"Name of the new {what}"}
                    Node("input", id=f"new-{what}", maxlength="200", autocomplete="off", **hints)
                    _choice(f"Role of the new {what}", chosen, choose)
                    button = Node("button", f"Add {what}", "primary", type="button")
        self._deeds.on(
            button,
            Right.ADMIN,
            lambda by, name: add(name, [*chosen], by),
            box=f"new-{what}",
            done=lambda secret: _secret(what, secret),
        )

    def table(self, found: Sequence[Person | Token]) -> None:
        """Show who there is."""

        def since(one: Person | Token) -> None:
            by = f", {one.created_by}" if isinstance(one, Token) else ""
            by += f", of {one.person}" if isinstance(one, Token) and one.person else ""
            html.phrase(one.created_ms, by, classes="")

        def remove(one: Person | Token) -> None:
            # A second press confirms; a dialog for each row would be heavier.
            button = self._deeds.button(
                self._verb, Right.ADMIN, lambda by, _: self._remove(one.name, by)
            )
            button.set(aria_label=f"{self._verb} {one.name}")

        html.table(
            found,
            Column("Name", "namecol", lambda one: one.name),
            Column("Role", "", self._roles),
            Column("Since", "tightcol", since),
            Column("", "tightcol", remove),
            nothing=lambda: Node("p", self._nobody, "muted"),
        )

    def _roles(self, one: Person | Token) -> object:
        if (change := self._changed) is None:
            return _roles_of(one)

        async def choose(role: Role) -> None:
            await self._deeds.act(Right.ADMIN, lambda by: change(one.name, [role], by))

        _choice(f"Role of {one.name}", sorted(one.roles), choose)
        return None


def _choice(label: str, roles: Sequence[Role], choose: Callable[[Role], Awaitable[None]]) -> None:
    """Offer the roles; several that somebody has stand as one more choice."""
    with Node("select", aria_label=label) as choice:
        if len(roles) != 1:
            Node("option", ", ".join(roles), value="", selected=True)
        for role in Role:
            Node("option", role.value, value=role.value, selected=[role] == list(roles))

    async def chosen(event: GenericEventArguments) -> None:
        for role in Role:
            if role.value == event.args:
                await choose(role)

    choice.on("change", chosen, js_handler="(e) => emit(e.target.value)")


def _roles_of(one: Person | Token) -> str:
    return ", ".join(sorted(role.value for role in one.roles))


def _secret(what: str, text: str) -> None:
    if not text:
        return
    with Node("div", classes="notice amber", role="status"):
        says = "This link signs them in once, within a day." if what == "person" else "The token."
        Node("p", f"{says} It is shown this once only.")
        with Node("div", classes="row"):
            Node("code", text, "wrapany")
            html.copier(text)
