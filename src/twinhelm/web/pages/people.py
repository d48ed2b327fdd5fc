"""People and tokens, for admins: who may come in, with which roles.

Secrets (one-time links, tokens) are shown once, on the page of whoever made them, and are kept
nowhere readable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nicegui.events import GenericEventArguments

from twinhelm.core.errors import TwinhelmError
from twinhelm.core.roles import Right, Role
from twinhelm.events.identities import Person
from twinhelm.events.tokens import Token
from twinhelm.web.pages.elements import Node, When, copier
from twinhelm.web.pages.live import Live, Region, say
from twinhelm.web.pages.pieces import table
from twinhelm.web.pages.sheet import Sheet

__all__ = ["people"]


@dataclass(frozen=True, slots=True)
class Known:
    """Who may come in."""

    people: list[Person]
    tokens: list[Token]


async def people(sheet: Sheet) -> None:
    """Build the two cards."""
    desk = _Desk(sheet)
    with Node("div", classes="twos"):
        with Node("section", classes="card", id="people"):
            Node("h2", "People")
            desk.people = Region()
            desk.form("person")
        with Node("section", classes="card", id="tokens"):
            Node("h2", "Tokens, for programs")
            desk.tokens = Region()
            desk.form("token")
    await desk.start()


class _Desk:
    """Shows and changes who may come in; each change is checked at that moment."""

    people: Region
    tokens: Region

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._who = sheet.house.identities
        self._said: dict[str, Region] = {}
        self._live: Live[Known] | None = None

    async def start(self) -> None:
        """Show who may come in, and keep it true."""
        self._live = Live(self._sheet, self._ask, self._show, every_s=15.0)
        await self._live.start()

    def form(self, what: str) -> None:
        """Offer to add a person or a token."""
        with Node("div", classes="stack tight", style="margin-top:12px"):
            self._said[what] = Region("wait")
            with Node("div", classes="row"):
                Node(
                    "input",
                    id=f"new-{what}",
                    placeholder="Name",
                    aria_label=f"Name of the new {what}",
                    maxlength="200",
                    autocomplete="off",
                )
                with Node("select", id=f"role-{what}", aria_label=f"Role of the new {what}"):
                    for role in Role:
                        Node("option", role.value, value=role.value)
                add = Node("button", f"Add {what}", "primary", type="button")
        add.on(
            "click",
            lambda event: self._add(what, event),
            js_handler=f"() => emit([document.getElementById('new-{what}').value, "
            f"document.getElementById('role-{what}').value])",
        )

    def _ask(self) -> Known:
        return Known(self._who.people(), self._who.tokens())

    def _show(self, now: Known) -> None:
        self.people.show(now.people, self._people)
        self.tokens.show(now.tokens, self._tokens)

    async def _add(self, what: str, event: GenericEventArguments) -> None:
        name, chosen = (str(each) for each in event.args)
        if chosen not in {role.value for role in Role}:
            return
        roles = [Role(chosen)]

        def person(by: str) -> str:
            self._who.add_person(name, roles, None, by)
            return f"/sign-in/first?secret={self._who.link_secret(name, by)}"

        def token(by: str) -> str:
            return self._who.create_token(name, roles, by)

        await self._change(what, person if what == "person" else token, secret=True)

    async def _change(
        self, what: str, change: Callable[[str], str | None], *, secret: bool = False
    ) -> None:
        said = self._said[what]
        try:
            made = await self._sheet.visitor.act(Right.ADMIN, change)
        except TwinhelmError as error:
            said.show(str(error), lambda text: say(text, kind="failed"))
            return
        if secret and made:
            base = str(self._sheet.request.base_url).rstrip("/")
            shown = base + made if what == "person" else made
            said.show(shown, lambda text: _secret(what, text))
        else:
            said.show("", lambda _: None)
        if self._live is not None:
            await self._live.ask()

    def _people(self, found: list[Person]) -> None:
        if not found:
            Node("p", "Nobody can sign in yet.", "muted")
            return

        def row(person: Person) -> None:
            with Node("tr"):
                Node("td", person.name, "namecol")
                with Node("td"):
                    self._roles(person)
                with Node("td", classes="tightcol"):
                    When(person.created_ms)
                with Node("td", classes="tightcol"):
                    name = person.name
                    self._button("person", "Remove", name, lambda by: self._remove(name, by))

        table(["Name", "Role", "Since", ""], found, row)

    def _tokens(self, found: list[Token]) -> None:
        if not found:
            Node("p", "No tokens yet.", "muted")
            return

        def row(token: Token) -> None:
            with Node("tr"):
                Node("td", token.name, "namecol")
                Node("td", ", ".join(sorted(role.value for role in token.roles)))
                with Node("td", classes="tightcol"):
                    When(token.created_ms)
                    Node("span", f", {token.created_by}", "muted")
                with Node("td", classes="tightcol"):
                    name = token.name
                    self._button("token", "Revoke", name, lambda by: self._revoke(name, by))

        table(["Name", "Role", "Made", ""], found, row)

    def _remove(self, name: str, by: str) -> None:
        self._who.remove_person(name, by)

    def _revoke(self, name: str, by: str) -> None:
        self._who.revoke_token(name, by)

    def _roles(self, person: Person) -> None:
        several = len(person.roles) > 1
        with Node("select", aria_label=f"Role of {person.name}") as choice:
            if several:
                said = ", ".join(sorted(role.value for role in person.roles))
                Node("option", said, value="", selected=True)
            for role in Role:
                mine = not several and role in person.roles
                Node("option", role.value, value=role.value, selected=mine)

        async def choose(event: GenericEventArguments) -> None:
            chosen = str(event.args)
            if chosen in {role.value for role in Role}:
                await self._change(
                    "person", lambda by: self._who.set_roles(person.name, [Role(chosen)], by)
                )

        choice.on("change", choose, js_handler="(e) => emit(e.target.value)")

    def _button(self, what: str, verb: str, name: str, change: Callable[[str], None]) -> None:
        button = Node("button", verb, "small", type="button", aria_label=f"{verb} {name}")

        async def go(_: GenericEventArguments) -> None:
            await self._change(what, change)

        # A second press within a few seconds confirms; a dialog for each row would be heavier.
        button.on(
            "click",
            go,
            js_handler=f"(e) => {{ const b = e.currentTarget; if (b.dataset.sure) {{ emit(); "
            f"return; }} b.dataset.sure = '1'; b.textContent = 'Sure? {verb}'; "
            f"setTimeout(() => {{ delete b.dataset.sure; b.textContent = '{verb}'; }}, 4000); }}",
        )


def _secret(what: str, text: str) -> None:
    with Node("div", classes="notice amber", role="status"):
        says = "This link signs them in once, within a day." if what == "person" else "The token."
        Node("p", f"{says} It is shown this once only.")
        with Node("div", classes="row"):
            Node("code", text, "wrapany")
            copier(text)
