"""Settings and health: is the store well, how is everything set, who may come in, what may send.

People and tokens are for admins. Secrets (one-time links, tokens) are shown once, on the page of
whoever made them, and are kept nowhere readable. How to send telemetry here is told in exact
snippets with this server's own address in them.
"""

import os
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

from nicegui.events import GenericEventArguments

from twinhelm.aiops.words import quantity
from twinhelm.core.errors import TwinhelmError
from twinhelm.core.labels import DEFAULT_TENANT
from twinhelm.core.ports import StoreStats
from twinhelm.core.roles import Right, Role
from twinhelm.core.settings import Settings
from twinhelm.events.identities import Person
from twinhelm.events.tokens import Token
from twinhelm.web import VERSION
from twinhelm.web.api.status import listed
from twinhelm.web.pages.elements import (
    STATIC,
    Column,
    Node,
    Region,
    When,
    card_head,
    copier,
    dot,
    say,
    table,
)
from twinhelm.web.pages.frame import framed
from twinhelm.web.pages.sheet import Live, Sheet

__all__ = ["connect", "settings"]

Setting = tuple[str, str, str, str]
"""A setting's name, its value, where that came from, and what it does."""

ROLES = [role.value for role in Role]


async def settings(sheet: Sheet) -> None:
    """Build the page."""
    house = sheet.house
    with framed(sheet, "Settings and health", f"twinhelm {VERSION}"):
        with Node("div", classes="card"):
            Node("h2", "Health")
            health = Region()
        if sheet.visitor.may(Right.ADMIN):
            await _People(sheet).live.start()
        else:
            with Node("section", classes="card"):
                Node("h2", "People and tokens")
                Node("p", sheet.visitor.why_not(Right.ADMIN), "muted")
        with Node("section", classes="card flush"):
            with Node("div", style="padding:16px 16px 8px"):
                Node("h2", "Settings")
                says = "Changed in twinhelm.toml, by environment variables TWINHELM_SECTION__NAME "
                Node("p", f"{says}or by flags; they hold from the next start.", "muted prose")
            table(
                list(_listed(house.settings)),
                Column("Setting", "tightcol", lambda one: Node("code", one[0])),
                Column("Value", "namecol", lambda one: one[1]),
                Column("From", "namecol", _source, "tightcol"),
                Column("What it does", "muted cutoff", lambda one: one[3]),
            )

        def ask() -> tuple[StoreStats, bool, int]:
            return house.telemetry.stats(), house.ready, house.watch.last_tick_ms

        await Live(sheet, ask, lambda now: health.show(now, _health)).start()


async def connect(sheet: Sheet) -> None:
    """Build the page that says how to send telemetry here."""
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


def _health(now: tuple[StoreStats, bool, int]) -> None:
    store, ready, last_ms = now
    told = "Telemetry is taken and judged"
    if not ready:
        told = "Starting: telemetry is kept, and judged once the watch stands"
    elif not store.taking:
        told = f"No telemetry is taken: {store.reason}"
    with Node("p", classes="lead row", style="margin-bottom:8px"):
        dot("green" if ready and store.taking else "red")
        Node("span", told)
    disk, free = quantity(store.disk_bytes, "bytes"), quantity(store.free_bytes, "bytes")
    counts = {"Series": store.series, "Samples": store.samples, "Log lines": store.logs}
    counts |= {"Spans": store.spans, "Changes": store.changes}
    facts = {name: f"{number:,}" for name, number in counts.items()}
    facts["On disk"] = f"{disk}, {free} free"
    if store.samples:
        facts["Waiting to be moved"] = f"{store.pending_rows:,} rows (safe in the append log)"
    with Node("dl", classes="facts wide"):
        Node("dt", "Last check")
        with Node("dd"):
            if last_ms:
                When(last_ms)
            else:
                Node("span", "not yet")
        for name, fact in facts.items():
            Node("dt", name)
            Node("dd", fact)


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


class _People:
    """Shows and changes who may come in; each change is checked at that moment."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._who = sheet.house.identities
        self._said: dict[str, Region] = {}
        with Node("div", classes="twos"):
            self._persons = self._card("person", "people", "People")
            self._tokens = self._card("token", "tokens", "Tokens, for programs")
        who = self._who
        self.live = Live(sheet, lambda: (who.people(), who.tokens()), self._show, every_s=15.0)

    def _card(self, what: str, anchor: str, title: str) -> Region:
        with Node("section", classes="card", id=anchor):
            Node("h2", title)
            listed = Region()
            with Node("div", classes="stack tight", style="margin-top:12px"):
                self._said[what] = Region("wait")
                with Node("div", classes="row"):
                    hints = {"placeholder": "Name", "aria_label": f"Name of the new {what}"}
                    Node("input", id=f"new-{what}", maxlength="200", autocomplete="off", **hints)
                    with Node("select", id=f"role-{what}", aria_label=f"Role of the new {what}"):
                        for role in ROLES:
                            Node("option", role, value=role)
                    add = Node("button", f"Add {what}", "primary", type="button")
        both = (f"document.getElementById('{part}-{what}').value" for part in ("new", "role"))
        script = f"() => emit([{', '.join(both)}])"
        add.on("click", lambda event: self._add(what, event), js_handler=script)
        return listed

    def _show(self, now: tuple[list[Person], list[Token]]) -> None:
        self._persons.show(now[0], self._person_rows)
        self._tokens.show(now[1], self._token_rows)

    async def _add(self, what: str, event: GenericEventArguments) -> None:
        name, chosen = (str(each) for each in event.args)
        if chosen not in ROLES:
            return
        roles = [Role(chosen)]

        def person(by: str) -> str:
            self._who.add_person(name, roles, None, by)
            base = str(self._sheet.request.base_url).rstrip("/")
            return f"{base}/sign-in/first?secret={self._who.link_secret(name, by)}"

        def token(by: str) -> str:
            return self._who.create_token(name, roles, by)

        await self._change(what, person if what == "person" else token)

    async def _change(self, what: str, change: Callable[[str], str | None]) -> None:
        """Make a change; what it returns is a secret, shown this once."""
        said = self._said[what]
        try:
            made = await self._sheet.visitor.act(Right.ADMIN, change)
        except TwinhelmError as error:
            said.show(str(error), lambda text: say(text, kind="failed"))
            return
        said.show(made or "", lambda text: _secret(what, text))
        await self.live.ask()

    def _person_rows(self, found: list[Person]) -> None:
        table(
            found,
            Column("Name", "namecol", lambda one: one.name),
            Column("Role", "", self._roles),
            Column("Since", "tightcol", lambda one: When(one.created_ms)),
            Column("", "tightcol", lambda one: self._button("person", "Remove", one.name)),
            nothing=lambda: Node("p", "Nobody can sign in yet.", "muted"),
        )

    def _token_rows(self, found: list[Token]) -> None:
        def made(one: Token) -> None:
            When(one.created_ms)
            Node("span", f", {one.created_by}", "muted")

        table(
            found,
            Column("Name", "namecol", lambda one: one.name),
            Column("Role", "", _roles_of),
            Column("Made", "tightcol", made),
            Column("", "tightcol", lambda one: self._button("token", "Revoke", one.name)),
            nothing=lambda: Node("p", "No tokens yet.", "muted"),
        )

    def _roles(self, person: Person) -> None:
        several = len(person.roles) > 1
        with Node("select", aria_label=f"Role of {person.name}") as choice:
            if several:
                Node("option", _roles_of(person), value="", selected=True)
            for role in ROLES:
                mine = not several and role in person.roles
                Node("option", role, value=role, selected=mine)

        async def choose(event: GenericEventArguments) -> None:
            chosen = str(event.args)
            if chosen in ROLES:
                roles = [Role(chosen)]
                await self._change("person", lambda by: self._who.set_roles(person.name, roles, by))

        choice.on("change", choose, js_handler="(e) => emit(e.target.value)")

    def _button(self, what: str, verb: str, name: str) -> None:
        button = Node("button", verb, "small", type="button", aria_label=f"{verb} {name}")
        change = self._who.remove_person if what == "person" else self._who.revoke_token

        async def go(_: GenericEventArguments) -> None:
            await self._change(what, lambda by: change(name, by))

        # A second press within a few seconds confirms; a dialog for each row would be heavier.
        button.on(
            "click",
            go,
            js_handler=f"(e) => {{ const b = e.currentTarget; if (b.dataset.sure) {{ emit(); "
            f"return; }} b.dataset.sure = '1'; b.textContent = 'Sure? {verb}'; "
            f"setTimeout(() => {{ delete b.dataset.sure; b.textContent = '{verb}'; }}, 4000); }}",
        )


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
            copier(text)
