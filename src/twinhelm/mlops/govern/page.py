"""How a document of ours looks as Markdown and as one HTML page.

In come :class:`Section` values: plain text and ready charts. Out comes text in which nothing that
a person or a record wrote is markup. The page is light, made to be printed, and asks for no
address, script or picture from outside: its own content policy forbids it. Pure.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Section", "html", "markdown"]

_MARKS = re.compile(r"([\\`*_\[\]|~#])")
_STATES = ("evidenced", "partly", "missing", "unknown")
_STYLE = """
@page{margin:16mm}body{font:14px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;
padding:0 1rem;color:#1c2430;background:#fff}h1{font-size:20px}h2{font-size:16px;margin-top:2rem;
border-bottom:1px solid #d9dee5;break-after:avoid}table{border-collapse:collapse;width:100%;
font-size:13px}th,td{padding:4px 8px;text-align:left;vertical-align:top;overflow-wrap:anywhere;
border-bottom:1px solid #d9dee5}th{font-weight:600}tr{break-inside:avoid}
td[class]{white-space:nowrap}p{white-space:pre-line}
.evidenced{color:#146c43;font-weight:600}.partly{color:#8a5a00;font-weight:600}
.missing{color:#a4262c;font-weight:600}.unknown{color:#5a6472;font-weight:600}
svg{display:block;margin:8px 0;max-width:100%}svg text{font:12px system-ui,sans-serif}
@media print{body{margin:0;max-width:none;font-size:11px}}
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a paragraph, a table; ``charts`` are SVG elements, escaped by their maker."""

    title: str
    text: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    charts: tuple[str, ...] = ()


def markdown(title: str, sections: Sequence[Section]) -> str:
    """Write sections as Markdown with tables; charts are left out, their numbers stand there."""
    lines = [f"# {_plain(title)}"]
    for each in sections:
        lines += ["", f"## {_plain(each.title)}", *(["", _plain(each.text)] if each.text else [])]
        if each.rows:
            lines += ["", _line(each.head), "|" + " --- |" * len(each.head)]
            lines += [_line(row) for row in each.rows]
    return "\n".join(lines) + "\n"


def html(title: str, sections: Sequence[Section]) -> str:
    """Write sections as one page."""
    body = "".join(_section(each) for each in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>"
    )


def _plain(text: str) -> str:
    """Escape text for Markdown, on one line."""
    return _MARKS.sub(r"\\\1", escape(" ".join(text.split()), quote=False))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_plain(cell) for cell in cells) + " |"


def _section(each: Section) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in each.head)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in each.rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
    text = f"<p>{escape(each.text)}</p>" if each.text else ""
    return f"<section><h2>{escape(each.title)}</h2>{text}{''.join(each.charts)}{table}</section>"


def _cell(text: str) -> str:
    state = f' class="{text}"' if text in _STATES else ""
    return f"<td{state}>{escape(text)}</td>"
