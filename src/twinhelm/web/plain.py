"""Small pages that need no script: signing in, and being told no.

One frame of HTML with its style inside, in the manner of every other page (neutral slate, system
type, both themes), and every text from outside escaped. In come sentences, out goes UTF-8.
"""

from __future__ import annotations

from html import escape

from twinhelm.core.errors import TwinhelmError

__all__ = ["form_page", "hidden", "page", "refusal_page"]

STYLE = """
:root{color-scheme:light dark;--ground:#f8fafc;--card:#fff;--ink:#0f172a;--muted:#475569;
--edge:#cbd5e1;--blue:#1d4ed8;--red:#b91c1c;--on:#fff}
@media(prefers-color-scheme:dark){:root{--ground:#0f172a;--card:#1e293b;--ink:#f1f5f9;
--muted:#cbd5e1;--edge:#475569;--blue:#93c5fd;--red:#fca5a5;--on:#0f172a}}
body{margin:0;background:var(--ground);color:var(--ink);font:14px/20px system-ui,sans-serif}
main{box-sizing:border-box;max-width:400px;margin:64px auto;padding:24px;background:var(--card);
border:1px solid var(--edge);border-radius:8px}
h1{font-size:20px;line-height:28px;margin:0 0 12px}p{margin:0 0 12px}
label{display:block;margin:12px 0 4px}
input{box-sizing:border-box;width:100%;padding:8px;font:inherit;color:inherit;
background:transparent;border:1px solid var(--muted);border-radius:4px}
button{margin-top:16px;padding:8px 16px;font:inherit;font-weight:600;color:var(--on);
background:var(--blue);border:0;border-radius:4px}a{color:var(--blue)}
:focus-visible{outline:2px solid var(--blue);outline-offset:2px}
.muted{color:var(--muted)}.wrong{color:var(--red)}
"""


def page(title: str, body: str) -> bytes:
    """Wrap ``body``, which is HTML that the caller has escaped, in the frame."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} - twinhelm</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    ).encode()


def refusal_page(error: TwinhelmError) -> bytes:
    """Say what was refused and what to try."""
    hint = f'<p class="muted">{escape(error.hint)}</p>' if error.hint else ""
    title = {401: "Sign in first", 403: "Not allowed", 404: "Nothing here"}.get(
        error.status, "This did not work"
    )
    return page(title, f'<p>{escape(error.message)}</p>{hint}<p><a href="/">Overview</a></p>')


def form_page(
    title: str, says: str, fields: str, *, action: str, button: str, wrong: str = ""
) -> bytes:
    """Make a page with one form; ``fields`` is escaped HTML, ``wrong`` what failed last time."""
    alert = f'<p class="wrong" role="alert">{escape(wrong)}</p>' if wrong else ""
    return page(
        title,
        f'<p class="muted">{escape(says)}</p>{alert}<form method="post" action="{escape(action)}">'
        f"{fields}<button>{escape(button)}</button></form>",
    )


def hidden(name: str, value: str) -> str:
    """Make a field that the reader does not see."""
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'
