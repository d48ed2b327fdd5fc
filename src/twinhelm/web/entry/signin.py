"""Signing in and out: two forms, a one-time link, and the cookie that remembers it.

A one-time link asks once more, so that a program which previews links does not use it up. Before
there is a session, forms are protected by a random token that must come back both as a cookie
and as a field; signing out carries the session's own token. Passwords are checked in a thread,
since that takes 30 ms on purpose. These pages, and the one that says no, need no script, and
every text from outside is escaped.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from twinhelm.core.errors import BadInput, Denied, Overloaded, TwinhelmError, Unauthenticated
from twinhelm.web.frame import fields_of
from twinhelm.web.who import COOKIE, Asker

if TYPE_CHECKING:
    from twinhelm.app import House

__all__ = ["form_page", "hidden", "html_page", "plain_page", "refusal_page", "signin_routes"]

FORM_COOKIE = "twinhelm_form"
MAX_FIELDS = 20


def signin_routes(house: House) -> list[Route]:
    """Make the routes to sign in and out."""
    desk = _Desk(house)
    return [
        Route("/sign-in", desk.form),
        Route("/sign-in", desk.enter, methods=["POST"]),
        Route("/sign-in/first", desk.link),
        Route("/sign-in/first", desk.redeem, methods=["POST"]),
        Route("/sign-out", desk.leave, methods=["POST"]),
    ]


class _Desk:
    """The handlers."""

    def __init__(self, house: House) -> None:
        self._identities = house.identities
        self._session_s = round(house.settings.auth.session_hours * 3600)

    async def form(self, request: Request) -> Response:
        asker: Asker = request.state.asker
        if asker.identity.proof == "session":
            return html_page(_signed_in(asker))
        return self._form(request, request.query_params.get("next", "/"))

    async def enter(self, request: Request) -> Response:
        fields = await _checked_fields(request)
        name, goes_to = fields.get("name", ""), fields.get("next", "/")
        try:
            password = fields.get("password", "")
            session = await asyncio.to_thread(self._identities.sign_in, name, password)
        except (Unauthenticated, Overloaded) as error:
            return self._form(request, goes_to, wrong=error, name=name)
        return self._signed_in(request, session, goes_to)

    async def link(self, request: Request) -> Response:
        secret = request.query_params.get("secret", "")
        if not secret:
            raise BadInput("the link holds no secret", hint="copy the whole of it")
        token = _form_token(request)
        fields = hidden("secret", secret) + hidden("form", token)
        says = "This link works once. After that, sign in by password or ask for another link."
        body = form_page("Sign in", says, fields, action="/sign-in/first", button="Sign in here")
        return _remember_form(request, html_page(body), token)

    async def redeem(self, request: Request) -> Response:
        secret = (await _checked_fields(request)).get("secret", "")
        session = await asyncio.to_thread(self._identities.redeem_link, secret)
        return self._signed_in(request, session, "/")

    async def leave(self, request: Request) -> Response:
        asker: Asker = request.state.asker
        if asker.session:
            said = (await _fields(request)).get("csrf", request.headers.get("x-csrf-token", ""))
            if not hmac.compare_digest(said.encode(), asker.csrf.encode()):
                raise Denied("the form is not from this session", hint="reload the page")
            await asyncio.to_thread(self._identities.sign_out, asker.session)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(COOKIE, path="/")
        return answer

    def _form(
        self, request: Request, goes_to: str, *, wrong: TwinhelmError | None = None, name: str = ""
    ) -> Response:
        token = _form_token(request)
        fields = (
            '<label for="name">Name</label><input id="name" name="name" required autofocus '
            f'autocomplete="username" value="{escape(name[:200])}">'
            '<label for="password">Password</label><input id="password" name="password" '
            'type="password" required autocomplete="current-password">'
            + hidden("next", _inside(goes_to))
            + hidden("form", token)
        )
        says = "Looking may need nobody on this machine; changing things needs somebody."
        alert = str(wrong) if wrong else ""
        body = form_page("Sign in", says, fields, action="/sign-in", button="Sign in", wrong=alert)
        return _remember_form(request, html_page(body, wrong.status if wrong else 200), token)

    def _signed_in(self, request: Request, session: str, goes_to: str) -> Response:
        answer = RedirectResponse(_inside(goes_to), 303)
        answer.set_cookie(
            COOKIE, session, self._session_s, secure=_secure(request), httponly=True, samesite="lax"
        )
        answer.delete_cookie(FORM_COOKIE, path="/sign-in")
        return answer


def _signed_in(asker: Asker) -> bytes:
    roles = ", ".join(sorted(role.value for role in asker.identity.roles)) or "no role"
    return plain_page(
        "Signed in",
        f"<p>{escape(asker.identity.name)} ({escape(roles)})</p><p><a href='/'>Overview</a></p>"
        '<form method="post" action="/sign-out">'
        + hidden("csrf", asker.csrf)
        + "<button>Sign out</button></form>",
    )


async def _fields(request: Request) -> dict[str, str]:
    found = await fields_of(request, most=MAX_FIELDS)
    return {name: values[0] for name, values in found.items()}


async def _checked_fields(request: Request) -> dict[str, str]:
    """Read a form that must carry the token of its cookie."""
    fields = await _fields(request)
    kept = request.cookies.get(FORM_COOKIE, "")
    if not kept or not hmac.compare_digest(kept.encode(), fields.get("form", "").encode()):
        raise Denied("the form is too old or from elsewhere", hint="open /sign-in and try again")
    return fields


def _form_token(request: Request) -> str:
    """Go on with the token that the browser holds, so that two open forms both work."""
    kept = request.cookies.get(FORM_COOKIE, "")
    return kept if len(kept) == 43 and kept.isascii() else secrets.token_urlsafe(32)


def _remember_form(request: Request, answer: Response, token: str) -> Response:
    only: dict[str, Any] = {"path": "/sign-in", "samesite": "strict"}
    answer.set_cookie(FORM_COOKIE, token, 3600, secure=_secure(request), httponly=True, **only)
    return answer


def _secure(request: Request) -> bool:
    # A proxy's word is taken here: a lie only makes the liar's own cookie unusable.
    return "https" in {request.url.scheme, request.headers.get("x-forwarded-proto", "")}


def _inside(goes_to: str) -> str:
    """Return where to go after signing in: a path of ours, never another site."""
    odd = goes_to.startswith(("//", "/\\")) or any(ord(letter) < 32 for letter in goes_to)
    return goes_to if goes_to.startswith("/") and not odd and len(goes_to) < 2000 else "/"


def html_page(body: bytes, status: int = 200) -> Response:
    """Answer with a page that nobody keeps."""
    return HTMLResponse(body, status, {"cache-control": "no-store"})


def plain_page(title: str, body: str) -> bytes:
    """Wrap ``body``, which is HTML that the caller has escaped, in the frame."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} - twinhelm</title><style>{_style()}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    ).encode()


def refusal_page(error: TwinhelmError) -> bytes:
    """Say what was refused and what to try."""
    hint = f'<p class="muted">{escape(error.hint)}</p>' if error.hint else ""
    titles = {401: "Sign in first", 403: "Not allowed", 404: "Nothing here"}
    title = titles.get(error.status, "This did not work")
    return plain_page(title, f'<p>{escape(error.message)}</p>{hint}<p><a href="/">Overview</a></p>')


@cache
def _style() -> str:
    return (Path(__file__).parent / "signin.css").read_text(encoding="utf-8")


def form_page(
    title: str, says: str, fields: str, *, action: str, button: str, wrong: str = ""
) -> bytes:
    """Make a page with one form; ``fields`` is escaped HTML, ``wrong`` what failed last time."""
    alert = f'<p class="wrong" role="alert">{escape(wrong)}</p>' if wrong else ""
    return plain_page(
        title,
        f'<p class="muted">{escape(says)}</p>{alert}<form method="post" action="{escape(action)}">'
        f"{fields}<button>{escape(button)}</button></form>",
    )


def hidden(name: str, value: str) -> str:
    """Make a field that the reader does not see."""
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'
