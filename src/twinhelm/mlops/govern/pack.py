"""The evidence pack: for each control of a catalogue, what is shown, by what, and what is not.

In come facts, a catalogue, the journal rows and the head of the chain; out goes one
:class:`Pack` as JSON, as a page and as a PDF, all three of the same numbers. Its digest is the
SHA-256 of the JSON file, which holds all that the other two show: both name it, and so does the
journal, so that anybody can see later (``sha256sum``) that nothing was altered.

A control is *evidenced* where every fact it asks for is known and holds, *partly* where some are,
*missing* where none is and something known speaks against it, *unknown* where nothing is known.
Its verdict is a reading aid: whether a law is kept is for people to say. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from twinhelm.core.json import dumps
from twinhelm.core.ports import JournalRow
from twinhelm.events.chain import Verification
from twinhelm.mlops.govern import charts
from twinhelm.mlops.govern.card import fact_rows, parts
from twinhelm.mlops.govern.catalogue import Catalogue
from twinhelm.mlops.govern.facts import UNKNOWN, Fact, Sources, instant, of
from twinhelm.mlops.govern.page import Section, html
from twinhelm.mlops.govern.pdf import pdf
from twinhelm.mlops.types import Verdict

__all__ = ["Pack", "pack", "state_of"]

STATES = ("evidenced", "partly", "missing", UNKNOWN)
HISTORY_ROWS = 200


@dataclass(frozen=True, slots=True)
class Pack:
    """An evidence pack: ``files`` by form (json, html, pdf); ``digest`` is of the JSON."""

    digest: str
    files: Mapping[str, bytes]


def pack(sources: Sources, facts: Mapping[str, Fact], catalogue: Catalogue, *, made_ms: int,
         made_by: str) -> Pack:  # fmt: skip
    """Make the pack; ``sources`` are those that the facts were gathered from."""
    told = {name: _json(fact) for name, fact in facts.items()}
    controls = [
        {"id": each.id, "title": each.title, "state": state_of(wanted), "missing": each.missing,
         "facts": [fact.name for fact in wanted],
         "gaps": {fact.name: fact.wants for fact in wanted if not fact.known}}
        for each in catalogue.control
        for wanted in [[of(facts, name) for name in (*each.facts, *each.automated)]]
    ]  # fmt: skip
    chain = sources.chain or Verification(False, 0, "", reason=UNKNOWN)
    product, version = facts["product.name"].text, facts["version.number"].text
    made: dict[str, Any] = {
        "product": product,
        "version": version,
        "catalogue": catalogue.model_dump(include={"name", "title", "source", "notice"}),
        "made": {"at": instant(made_ms), "by": made_by},
        "journal": {"rows": chain.rows, "head": chain.head_hash, "whole": chain.ok,
                    "reason": chain.reason},
        "counts": {state: sum(each["state"] == state for each in controls) for state in STATES},
        "controls": controls,
        "facts": told,
        "history": [_row(each) for each in sources.journal[:HISTORY_ROWS]],
    }  # fmt: skip
    plain = dumps(made, indent=True)
    digest = sha256(plain).hexdigest()
    title = f"Evidence pack: {product}, version {version}"
    sections = _sections(made, digest, sources, facts)
    drawn = pdf(title, sections, made_ms=made_ms)
    return Pack(digest, {"json": plain, "html": html(title, sections).encode(), "pdf": drawn})


def state_of(facts: Sequence[Fact]) -> str:
    """Say what a control comes to; no facts at all is unknown."""
    holding = sum(fact.known and fact.holds for fact in facts)
    if facts and holding == len(facts):
        return "evidenced"
    if holding:
        return "partly"
    return "missing" if any(fact.known for fact in facts) else UNKNOWN


def _json(fact: Fact) -> dict[str, Any]:
    if not fact.known:
        return {"says": fact.says, "value": UNKNOWN, "known": False, "wants": fact.wants}
    return {"says": fact.says, "value": fact.value, "known": True, "holds": fact.holds,
            "source": fact.source, "digest": fact.digest}  # fmt: skip


def _row(row: JournalRow) -> dict[str, Any]:
    return {"seq": row.seq, "at": instant(row.time_ms), "by": row.actor, "kind": row.kind,
            "subject": row.subject, "hash": row.hash}  # fmt: skip


def _sections(
    made: Mapping[str, Any], digest: str, sources: Sources, facts: Mapping[str, Fact]
) -> list[Section]:
    about, chain, controls = made["catalogue"], made["journal"], made["controls"]
    counts = ", ".join(f"{count} {state}" for state, count in made["counts"].items())
    whole = "whole" if chain["whole"] else f"not verified: {chain['reason']}"
    intro = (
        f"{about['title']} ({about['source']}). {about['notice']}\n"
        f"Made by {made['made']['by']}, {made['made']['at']}. Controls: {counts}.\n"
        f"Digest of this pack (SHA-256 of its JSON file): {digest}\n"
        f"Journal: {chain['rows']} rows, {whole}; head {chain['head'] or UNKNOWN}"
    )
    first = [
        Section("What this is", intro),
        Section("Controls", head=("control", "state", "to do"),
                rows=tuple((f"{each['id']} {each['title']}", each["state"],
                            "" if each["state"] == "evidenced" else each["missing"])
                           for each in controls)),
        Section("At a glance", charts=_charts(sources)),
    ]  # fmt: skip
    for each in controls:
        rows = fact_rows(of(facts, name) for name in each["facts"])
        title = f"{each['id']} {each['title']}: {each['state']}"
        first.append(Section(title, head=("what", "evidence", "source or to do"), rows=rows))
    history = tuple(
        (f"row {each['seq']}", each["at"], each["by"], each["kind"], each["hash"])
        for each in made["history"]
    )
    head = ("journal", "when", "who", "what", "hash")
    return [*first, *parts(facts), Section("History", "Newest first.", head, history)]


def _charts(sources: Sources) -> tuple[str, ...]:
    """Draw what one would rather look at: metrics, calibration, drift."""
    measured = sources.validation.measured if sources.validation else ()
    checks = sources.validation.checks if sources.validation else ()
    failed = {each.name for each in checks if each.verdict is Verdict.FAIL}
    drift = sources.health.drift if sources.health else ()
    metrics = [
        charts.Range(
            name := f"{each.metric} in {each.slice}" if each.slice else each.metric,
            each.value, each.low, each.high, good=name not in failed,
        )
        for each in measured
    ]  # fmt: skip
    moved = [charts.Range(f"{each.column} {each.slice}".rstrip(), each.psi, each.psi, each.psi,
                          good=not each.drifted) for each in drift]  # fmt: skip
    limit = sources.spec.monitor.psi if sources.spec else None
    curves = sources.validation.curves if sources.validation else {}
    bins = [(each["said"], each["so"]) for each in curves.get("calibration", ())]
    drawn = (
        charts.ranges("Metrics with their 95 % intervals", metrics),
        charts.curve("Calibration: said against seen", bins),
        charts.ranges("Drift of each column (PSI)", moved, limit=limit),
    )
    return tuple(filter(None, drawn))
