"""Would the draft do, and what would it have done? Each is read as its reader would, and tried.

In: what was found, and all that was seen; out: the same with the draft's runbook read, the past
incidents that it would have run on, and the share of the hours that it would have saved: those of
incidents where people did the very thing. Where it would have run and something else helped, that
speaks against it. A draft that its reader does not take is told of and left out.
"""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace

from twinhelm.advise.types import Found, Seen
from twinhelm.aiops.automate.match import fits
from twinhelm.aiops.automate.runbook import Runbook
from twinhelm.core.errors import TwinhelmError
from twinhelm.core.json import loads

__all__ = ["tried"]

NAMED = 8
"""So many records are named in a sentence."""


def tried(found: Found, seen: Seen, read: Callable[[str, str], Runbook]) -> Found:
    """Try a draft on the past; see the module."""
    draft = found.draft
    if draft is None:
        return found
    try:
        if draft.kind in {"rule", "workflow"}:
            loads(draft.text.partition("\n")[2])  # below its head it is JSON, so YAML too
        elif draft.kind == "schedule":
            tomllib.loads(draft.text)
        elif draft.kind == "runbook":
            draft = replace(draft, runbook=read(draft.text, draft.file))
    except (TwinhelmError, tomllib.TOMLDecodeError) as error:
        told = (f"no draft could be made of it: {error}"[:500], 0.3)
        return replace(found, draft=None, says_against=[*found.says_against, told])
    if draft.runbook is None or not found.right:
        return replace(found, draft=draft)
    hits = [past for past in seen.pasts if fits(draft.runbook, past.case).fits]
    hours = sum(past.hours for past in hits if past.ref in found.right)
    refs, wrong = [past.ref for past in hits], [p.ref for p in hits if p.ref not in found.right]
    says = f"tried on the past, the draft would have run on {_named(refs)}: {hours:.1f} h saved"
    against, share = list(found.says_against), len(wrong) / max(len(hits), 1)
    if wrong:
        other = f"on {_named(wrong)} it would have run, and something else was done"
        against.append((other, 0.5 * share))
    return replace(
        found,
        draft=draft,
        covered=refs,
        saved=hours / found.hours if found.hours else 0.0,
        same=found.same * (1 - 0.5 * share),
        says_for=[*found.says_for, (says, 0.9)],
        says_against=against,
    )


def _named(refs: Sequence[str]) -> str:
    more = f" and {len(refs) - NAMED} more" if len(refs) > NAMED else ""
    return ", ".join(refs[:NAMED]) + more or "none"
