"""The journal as the auditor reads it: who, what, when, and whether the chain is whole."""

from __future__ import annotations

from dataclasses import dataclass

from twinhelm.core import json
from twinhelm.core.ports import JournalRow
from twinhelm.events.chain import Verification
from twinhelm.events.kinds import EVENT_KINDS
from twinhelm.web.pages.elements import Node, When, copier
from twinhelm.web.pages.frame import framed, title_row
from twinhelm.web.pages.live import Live, Region
from twinhelm.web.pages.pieces import empty, table
from twinhelm.web.pages.sheet import Sheet
from twinhelm.web.pages.wording import deed, kind_words

__all__ = ["audit"]

MOST = 200
LONGEST = 4000


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verification and when it was made."""

    found: Verification
    time_ms: int


async def audit(sheet: Sheet) -> None:
    """Build the page."""
    kind, subject = sheet.asked("kind"), sheet.asked("subject").strip()
    actor = sheet.asked("actor").strip()
    kind = kind if kind in EVENT_KINDS else ""
    journal = sheet.house.journal
    with framed(sheet):
        title_row("Audit", "Who did what, when; appended once, never changed")
        chain = Region("card")
        _form(kind, subject, actor)
        rows = Region("card flush")

        def verify() -> Verdict:
            return Verdict(journal.verify(), sheet.house.clock.now_ms())

        def ask() -> list[JournalRow]:
            found = journal.read(
                kind=kind or None,
                subject=subject or None,
                newest_first=True,
                limit=MOST if not actor else 5000,
            )
            return [row for row in found if not actor or row.actor == actor][:MOST]

        with chain.box:
            Node("p", "The chain is being verified.", "muted")
        await Live(sheet, verify, lambda now: chain.show(now, _chain), every_s=60.0).start()
        await Live(sheet, ask, lambda now: rows.show(now, _list), every_s=5.0).start()


def _chain(now: Verdict) -> None:
    found = now.found
    with Node("p", classes="lead row"):
        Node("span", classes=f"dot {'green' if found.ok else 'red'}", aria_hidden="true")
        if found.ok:
            count = "1 row is" if found.rows == 1 else f"{found.rows:,} rows are"
            Node("span", f"The journal is whole: {count} as they were written")
        else:
            Node("span", f"The journal was altered at row {found.first_bad_seq}: {found.reason}")
    with Node("p", "Verified ", "muted"):
        When(now.time_ms)
        Node("span", "; each row carries the SHA-256 of the one before it. Newest hash ")
        Node("code", found.head_hash[:16])
        copier(found.head_hash, says="Copy all of it")


def _form(kind: str, subject: str, actor: str) -> None:
    with Node("form", classes="row", method="get", action="/audit", role="search"):
        with Node("select", name="kind", aria_label="Kind of event"):
            Node("option", "Every kind", value="")
            for name in sorted(EVENT_KINDS):
                Node("option", kind_words(name), value=name, selected=name == kind)
        Node(
            "input",
            name="subject",
            value=subject,
            placeholder="Subject, such as incident/3",
            aria_label="Subject",
        )
        Node("input", name="actor", value=actor, placeholder="Who", aria_label="Who")
        Node("button", "Filter", type="submit")
        if kind or subject or actor:
            Node("a", "Show everything", href="/audit")


def _list(found: list[JournalRow]) -> None:
    if not found:
        empty("No rows match.", "Take a part of the filter away.")
        return
    heads: list[str | tuple[str, str]] = [
        ("Row", "num"),
        ("When", "tightcol"),
        ("Who", "tightcol"),
        "What",
        ("Subject", "tightcol"),
        ("Hash", "tightcol"),
    ]
    table(heads, found, _row)


def _row(row: JournalRow) -> None:
    with Node("tr"):
        Node("td", str(row.seq), "num tightcol muted")
        with Node("td", classes="tightcol"):
            When(row.time_ms, absolute=True)
        Node("td", row.actor, "namecol")
        with Node("td", classes="cutoff"):
            text, href = deed(row)
            if href:
                Node("a", text, href=href)
            else:
                Node("span", text)
            with Node("details", classes="small"):
                Node("summary", "Details", "muted")
                said = json.dumps(dict(row.body), indent=True).decode()
                Node("pre", said[:LONGEST], "snippet")
        Node("td", row.subject, "tightcol mono")
        with Node("td", classes="tightcol"):
            Node("code", row.hash[:8], "muted", title=row.hash)
