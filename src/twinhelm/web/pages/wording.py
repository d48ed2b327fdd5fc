"""Puts journal rows in words, and says where each leads."""

from __future__ import annotations

import re

from twinhelm.aiops.types import IncidentState
from twinhelm.core.ports import JournalRow

__all__ = ["deed", "kind_words"]

SAID = ("title", "reason", "change", "note", "text", "name", "person", "target", "source", "what")
_WORDS = {
    "server.started": "twinhelm started",
    "server.stopped": "twinhelm stopped",
    "incident.opened": "Incident {key} opened",
    "incident.updated": "Incident {key} changed",
    "incident.acknowledged": "Incident {key} acknowledged",
    "incident.commented": "Remark on incident {key}",
    "incident.resolved": "Incident {key} resolved",
    "incident.reopened": "Incident {key} came back",
}


def deed(row: JournalRow) -> tuple[str, str]:
    """Say what happened, in a sentence, and the path it leads to (empty for none)."""
    thing, _, key = row.subject.partition("/")
    words = _WORDS.get(row.kind, kind_words(row.kind)).format(key=key)
    said = [str(row.body[name]) for name in SAID if row.body.get(name)]
    text = f"{words}: {', '.join(said)}" if said else words
    if thing == "incident" and re.fullmatch(r"\d{1,15}", key):
        return text, f"/incidents/{key}"
    if thing in {"product", "version", "detector"}:
        return text, "/products"
    return text, ""


def kind_words(kind: str) -> str:
    """Put the kind of an event in words: ``token.revoked`` is ``Token revoked``."""
    words = kind.replace("_", " ").replace(".", " ")
    return words[:1].upper() + words[1:]


def state_words(state: IncidentState) -> str:
    """Say in a sentence what a state means."""
    return {
        IncidentState.OPEN: "It lasts and nobody has taken it.",
        IncidentState.ACKNOWLEDGED: "Somebody has taken it.",
        IncidentState.RESOLVED: "It is over.",
        IncidentState.REOPENED: "The signs came back.",
    }[state]
