"""The pages that are lists of records: the journal, and what was not kept."""

import re
from urllib.parse import quote

from twinhelm.aiops.clean import Reason
from twinhelm.aiops.types import Rejection
from twinhelm.core import json
from twinhelm.core.ports import JournalRow
from twinhelm.events.chain import Verification
from twinhelm.events.kinds import EVENT_KINDS
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Column, Node, Region, When
from twinhelm.web.pages.kit.sheet import Live, Sheet, follow

__all__ = ["audit", "deed", "journal_rows", "ledgers", "rejected"]

MOST = 200
LONGEST = 4000
SAID = (
    *("title", "outcome", "verdict", "reason", "change", "note", "text", "name", "person"),
    *("target", "source", "what"),
)
MODELS = {"product", "version", "detector"}
PLACES = {"repair": "/repairs", "runbook": "/runbooks"}
WORDS = {
    "server.started": "twinhelm started",
    "server.stopped": "twinhelm stopped",
    "incident.opened": "Incident {key} opened",
    "incident.updated": "Incident {key} changed",
    "incident.acknowledged": "Incident {key} acknowledged",
    "incident.commented": "Remark on incident {key}",
    "incident.resolved": "Incident {key} resolved",
    "incident.reopened": "Incident {key} came back",
}
REMEDIES = {
    Reason.DUPLICATE: "Nothing to do. Many of them mean that two senders send the same series.",
    Reason.CONFLICTING: "Give each of the two senders a label of its own, such as replica.",
    Reason.LATE: "Send in order of time; a back-fill brings the past in by its own path.",
    Reason.TOO_FAR_AHEAD: "Set the sender's clock right, or raise limits.max_future_s.",
    Reason.TOO_OLD: "Raise limits.max_past_days if this history is wanted.",
    Reason.SERIES_LIMIT: "Drop labels whose values never end (ids, paths) at the sender, or raise "
    "limits.max_series_per_tenant.",
    Reason.BAD_LABELS: "Correct the labels at the sender; limits.max_labels and its kin say how "
    "much may be.",
    Reason.NATIVE_HISTOGRAM: "Let the sender write classic histograms as well.",
    Reason.EXEMPLAR: "Nothing to do: the samples themselves were kept.",
    Reason.DELTA_TEMPORALITY: "Set the SDK's temporality preference to cumulative.",
    Reason.NO_TIME: "Let the sender put a time on each point.",
    Reason.BAD_VALUE: "Correct the value at the sender.",
    Reason.LINE_TOO_LONG: "Shorten the lines at the sender, or raise limits.max_log_line_bytes.",
    Reason.TOO_LARGE: "Send smaller batches, or raise limits.max_body_bytes and its kin.",
    Reason.MALFORMED: "Check which protocol the sender speaks, and that it is sent to its own "
    "path.",
    Reason.UNSUPPORTED: "Choose another form at the sender; Connect lists what is taken.",
}


async def audit(sheet: Sheet) -> None:
    """Show the journal as the auditor reads it: who, what, when, and whether it is whole."""
    kind, subject = sheet.asked("kind"), sheet.asked("subject").strip()
    kind, actor = kind if kind in EVENT_KINDS else "", sheet.asked("actor").strip()
    journal = sheet.house.journal

    def ask() -> list[JournalRow]:
        most = 5000 if actor else MOST
        found = journal.read(
            kind=kind or None, subject=subject or None, newest_first=True, limit=most
        )
        return [row for row in found if not actor or row.actor == actor][:MOST]

    with framed(sheet, "Audit", "Who did what, when; appended once, never changed"):
        ledgers("/audit")
        chain = Region("card")
        with chain.box:
            Node("p", "The chain is being verified.", "muted")
        _form(kind, subject, actor)
        rows = Region("card flush")

        def verify() -> tuple[Verification, int]:
            return journal.verify(), sheet.house.clock.now_ms()

        await Live(sheet, verify, lambda now: chain.show(now, _chain), every_s=60.0).start()
        await Live(sheet, ask, lambda now: rows.show(now, journal_rows)).start()


def ledgers(here: str) -> None:
    """Offer the two ways to ask what happened."""
    html.segments("Audit", (("/audit", "Journal"), ("/audit/live", "What was live")), here)


def _chain(now: tuple[Verification, int]) -> None:
    found, time_ms = now
    count = "1 row is" if found.rows == 1 else f"{found.rows:,} rows are"
    with Node("p", classes="lead row"):
        html.dot("green" if found.ok else "red")
        told = f"The journal was altered at row {found.first_bad_seq}: {found.reason}"
        Node("span", f"The journal is whole: {count} as they were written" if found.ok else told)
    says = "; each row carries the SHA-256 of the one before it. Newest hash "
    with html.phrase("Verified ", time_ms, says, tag="p"):
        Node("code", found.head_hash[:16])
        html.copier(found.head_hash, says="Copy all of it")


def _form(kind: str, subject: str, actor: str) -> None:
    with html.searching("/audit"):
        with Node("select", name="kind", aria_label="Kind of event"):
            Node("option", "Every kind", value="")
            for name in sorted(EVENT_KINDS):
                Node("option", _kind_words(name), value=name, selected=name == kind)
        html.entry("subject", subject, "Subject, such as incident/3", "Subject")
        html.entry("actor", actor, "Who", "Who")
        Node("button", "Filter", type="submit")
        if kind or subject or actor:
            Node("a", "Show everything", href="/audit")


def journal_rows(found: list[JournalRow]) -> None:
    """Show rows of the journal as a table."""
    html.table(
        found,
        Column("Row", "num tightcol muted", lambda row: str(row.seq)),
        Column("When", "tightcol", lambda row: When(row.time_ms, absolute=True)),
        Column("Who", "namecol", lambda row: row.actor, "tightcol"),
        Column("What", "cutoff", _what),
        Column("Subject", "tightcol mono", lambda row: row.subject),
        Column("Hash", "tightcol", lambda row: Node("code", row.hash[:8], "muted", title=row.hash)),
        nothing=lambda: html.empty("No rows match.", "Take a part of the filter away."),
    )


def _what(row: JournalRow) -> None:
    html.linked(*deed(row))
    with Node("details", classes="small"):
        Node("summary", "Details", "muted")
        Node("pre", json.dumps(dict(row.body), indent=True).decode()[:LONGEST], "snippet")


def deed(row: JournalRow) -> tuple[str, str]:
    """Say what happened, in a sentence, and the path it leads to (empty for none)."""
    thing, _, key = row.subject.partition("/")
    words = WORDS.get(row.kind, _kind_words(row.kind)).format(key=key)
    words += f" {key}" if thing in MODELS else ""
    said = [str(row.body[name]) for name in SAID if row.body.get(name)]
    text = f"{words}: {', '.join(said)}" if said else words
    if thing == "incident" and re.fullmatch(r"\d{1,15}", key):
        return text, f"/incidents/{key}"
    if thing in PLACES:
        return text, f"{PLACES[thing]}/{quote(key, safe='')}"
    if thing in MODELS:
        name, _, version = key.partition("/")
        return text, html.path_of(name, version)
    return text, ""


def _kind_words(kind: str) -> str:
    words = kind.replace("_", " ").replace(".", " ")
    return words[:1].upper() + words[1:]


async def rejected(sheet: Sheet) -> None:
    """Show what telemetry was not kept: by which door, why, and what to do about it."""

    def ask() -> list[Rejection]:
        found = sheet.house.intake.rejections.snapshot()[:500]
        return sorted(found, key=lambda one: -one.last_ms)

    with framed(sheet, "Rejected", "Telemetry that was not kept since the server started, and why"):
        await follow(sheet, ask, _rejections)


def _rejections(found: list[Rejection]) -> None:
    html.table(
        found,
        Column("Why", "cutoff", _advice),
        Column("Door", "tightcol", lambda one: one.door),
        Column("Tenant", "tightcol", lambda one: one.tenant),
        Column("How many", "num tightcol", lambda one: f"{one.count:,}"),
        Column("Example", "cutoff", lambda one: Node("code", one.example[:300])),
        Column("First", "tightcol", lambda one: When(one.first_ms)),
        Column("Last", "tightcol", lambda one: When(one.last_ms)),
        nothing=lambda: html.empty(
            "Nothing was rejected.",
            "Everything that was sent since the server started has been kept.",
            good=True,
        ),
    )


def _advice(one: Rejection) -> None:
    known = next((each for each in REMEDIES if each == one.reason), None)
    Node("b", one.reason.replace("_", " "))
    Node("div", known.meaning if known else "A reason that this version does not know.")
    Node("div", REMEDIES[known] if known else "See the example.", "muted")
