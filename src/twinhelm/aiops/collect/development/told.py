"""One message of a development system, read by dotted names, and the change that is made of it.

Senders leave out what they like, so what is missing is empty text, never an error; a moment that
is there and cannot be read is one. Pure.

>>> told = Told({"job": {"id": 7, "name": "unit"}})
>>> told.text("job.id"), told.text("job.runner.name")
('7', '')
"""

import re
from collections.abc import Mapping
from typing import Any

from twinhelm.aiops.collect.words import instant_ms
from twinhelm.core.telemetry import Change

__all__ = ["OUTCOMES", "REVERTS", "Told", "made", "takes_back"]

LONGEST = 1024
OUTCOMES = {
    **dict.fromkeys(("failed", "failure", "timed_out", "error", "startup_failure"), "failure"),
    **dict.fromkeys(("canceled", "cancelled", "skipped", "stale", "neutral"), "cancelled"),
    **dict.fromkeys(("success", "successful"), "success"),
}
"""What the words mean by which something ends."""
REVERTS = re.compile(r"^(?:revert\b|rollback\b|roll back\b|hotfix\b|fix!?\(?hotfix)", re.IGNORECASE)
"""How the first line of a commit begins that takes back or mends in haste."""


class Told:
    """See the module; ``said`` is the decoded message."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.said = said

    def get(self, path: str) -> Any:
        """Return what stands at a dotted name, or None."""
        found: Any = self.said
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def text(self, *paths: str) -> str:
        """Return the first of these that is text or a whole number, cut to a sane length."""
        for path in paths:
            found = self.get(path)
            if isinstance(found, str | int) and not isinstance(found, bool) and found != "":
                return str(found)[:LONGEST]
        return ""

    def moment(self, *paths: str) -> int | None:
        """Return the first of these as epoch ms; None where there is none.

        Raises :class:`BadInput` for text that is no moment.
        """
        text = self.text(*paths)
        if not text:
            return None
        # GitLab writes "2026-08-12 15:23:28 UTC" and "2026-04-28 21:50:00 +0200" too.
        text = re.sub(r" ([+-]\d{4})$", r"\1", text.replace(" UTC", "Z"))
        return instant_ms(text, what=paths[0])


def takes_back(push: Told) -> bool:
    """Tell whether a push holds a commit that takes something back or mends in haste."""
    rows = push.get("commits")
    commits = [Told(one) for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []
    return any(REVERTS.match(one.text("message", "title")) for one in commits)


def made(
    key: str,
    kind: str,
    entity: str,
    title: str,
    time_ms: int,
    *,
    end_ms: int | None = None,
    outcome: str = "",
    **attributes: str,
) -> Change:
    """Make a change; ``key`` begins with who told it, empty attributes fall away."""
    return Change(
        id=key,
        time_ms=time_ms,
        kind=kind,
        entity=entity,
        title=" ".join(title.split())[:LONGEST],
        source=key.partition("/")[0],
        end_ms=end_ms,
        outcome=OUTCOMES.get(outcome, outcome),
        attributes={name: text[:LONGEST] for name, text in attributes.items() if text},
    )
