"""Has an actor do what a runbook's step says, the way a house does: checked, filled, looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twinhelm.aiops.automate.steps import Actor, Limit, Outcome
from twinhelm.core.errors import BadInput
from twinhelm.core.own.secrets import Secrets

__all__ = ["HOSTILE", "deed", "named"]

HOSTILE = {
    "shell": "$(touch pwned); touch pwned | touch pwned && `touch pwned`",
    "sql": "x'; DROP TABLE orders; --",
    "html": "<script>fetch('/stop')</script>",
    "header": "a%0d%0aX-Evil: 1",
    "template": "{{7*7}}${7*7}{% x %}{did.replicas}{secret.db}",
    "path": "../../etc/passwd",
    "encoded path": "%2e%2e%2fetc%2fpasswd",
    "query": "a&admin=1#x?y=/..;z",
    "format": "%s%n{0.__class__}",
    "glob": "*",
    "words": "ünï cödé two words",
}
"""What a label, a log line or an annotation may try, by what it tries; each is one line of text."""


def deed(
    actor: Actor,
    arguments: Mapping[str, Any],
    *,
    limit_s: float = 60.0,
    ended: Callable[[], str] = lambda: "",
    **values: str,
) -> Outcome:
    """Have it done; arguments as written, ``values`` for their parameters."""
    assert actor.faults(arguments) == []
    try:
        filled = actor.fill(arguments, values)
    except BadInput as error:
        return Outcome(False, str(error))
    assert actor.tell(filled)
    actor.reach(filled)
    return actor.act(filled, Limit(limit_s, ended))


def named(folder: Any, **held: str) -> Secrets:
    """Make secrets of these names, in files below a folder."""
    for name, value in held.items():
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(value)
    return Secrets(folder, {})
