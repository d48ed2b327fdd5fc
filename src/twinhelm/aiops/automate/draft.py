"""How would a runbook for an incident like this one begin? Its facts filled in, the deed left open.

In: a :class:`~.match.Case`; out: a TOML text that is sound as it stands and whose one step only
asks a person, so that nothing happens by it before its author writes what to do. Pure; what comes
from outside is written as TOML strings, and as patterns that match it to the letter.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from twinhelm.aiops.automate.match import Case
from twinhelm.aiops.automate.pattern import fault_of, literal
from twinhelm.core.documents import table
from twinhelm.core.entities import split_key

__all__ = ["draft_of", "runbook_text"]

HELP = (
    "level: suggest, ask or act, how far it may go by itself; when: all of it must hold of one",
    "suspect; verify: how soon the incident's own signs must have ended. docs/runbooks.md has all.",
)
ASKS = {"name": "look", "do": "ask", "arguments.question": "Is it safe to go on?"}
SURE = 0.65


def runbook_text(
    name: str,
    says: str,
    when: Mapping[str, Any],
    step: Mapping[str, Any],
    *,
    head: Sequence[str] = HELP,
    parameters: Mapping[str, Any] | None = None,
) -> str:
    """Write a runbook of one step, at level suggest; ``head`` are comments."""
    lines = [f"# {line}" for line in head]
    lines += table("runbook", {"name": name, "says": says, "level": "suggest"})
    lines += table("when", {key: value for key, value in when.items() if value != []})
    for key, said in (parameters or {}).items():
        lines += table(f"parameters.{key}", said)
    lines += table("[steps]", step)
    lines += table("verify", {"within_s": 600})
    lines += table("limits", {"reach": 1, "per_hour": 2, "cooldown_s": 1800})
    return "\n".join(lines)


def draft_of(case: Case | None = None) -> str:
    """Write the text; without a case, for memory that grows."""
    says = "Say in a sentence what it does."
    if case is None:
        return runbook_text("my-runbook", says, {"resource": ["memory"], "confidence": SURE}, ASKS)
    suspect = case.suspects[0] if case.suspects else None
    entity = suspect.entity if suspect else next(iter(case.incident.entities), "")
    signs = [each for each in case.signs if each.entity == entity] or case.signs
    kinds = [suspect.kind] if suspect and re.fullmatch("[a-z][a-z0-9_]{0,60}", suspect.kind) else []
    known = entity and entity.isprintable() and not fault_of(literal(entity))
    when = {
        "verdict": [case.incident.verdict or "inconclusive"],
        "resource": sorted({each.resource for each in signs}), "suspect": kinds,
        "entity": [literal(entity)] if known else [],
        "confidence": min(SURE, int(suspect.confidence * 100) / 100 if suspect else 0.0),
    }  # fmt: skip
    about = [f"incident {case.incident.id}: {case.incident.title}"]
    if suspect is not None:
        about.append(f"suspect: {suspect.kind} {suspect.entity}, {suspect.name}")
        about.append(f"it shows in {suspect.indicator}, confidence {suspect.confidence:.2f}")
    head = ["".join(each if each.isprintable() else " " for each in line)[:200] for line in about]
    name = re.sub(r"[^a-z0-9]+", "-", split_key(entity)[1].lower()).strip("-")[:50]
    return runbook_text(f"repair-{name or 'it'}", says, when, ASKS, head=[*head, *HELP])
