"""How would a runbook for an incident like this one begin? Its facts filled in, the deed left open.

In: a :class:`~.match.Case`; out: a TOML text that is sound as it stands and whose one step only
asks a person, so that nothing happens by it before its author writes what to do. Pure; what comes
from outside is written as TOML strings, and as patterns that match it to the letter.
"""

import re

from twinhelm.aiops.automate.match import Case
from twinhelm.aiops.automate.pattern import fault_of
from twinhelm.core.entities import split_key
from twinhelm.core.json import dumps

__all__ = ["draft_of"]

EMPTY = """\
[runbook]
name = {name}
says = "Say in a sentence what it does."
level = "suggest"                # suggest, ask or act: how far it may go by itself

[when]                           # all of it must hold of one suspect
{when}
confidence = {confidence:g}

[[steps]]
name = "look"
do = "ask"                       # what there is to do: docs/runbooks.md
arguments = {{ question = "Is it safe to go on?" }}

[verify]
within_s = 300                   # the incident's own signs have ended within this

[limits]
reach = 1                        # most things that one run may touch
per_hour = 2
cooldown_s = 1800
"""
MAX_FACT = 200
SURE = 0.65


def draft_of(case: Case | None = None) -> str:
    """Write the text; without a case, for memory that grows."""
    if case is None:
        return EMPTY.format(
            name=_quoted("my-runbook"), when='resource = ["memory"]', confidence=SURE
        )
    suspect = case.suspects[0] if case.suspects else None
    entity = suspect.entity if suspect else next(iter(case.incident.entities), "")
    signs = [each for each in case.signs if each.entity == entity] or case.signs
    resources = sorted({each.resource for each in signs})
    when = [f"verdict = [{_quoted(case.incident.verdict or 'inconclusive')}]"]
    if resources:
        when.append(f"resource = [{', '.join(map(_quoted, resources))}]")
    if suspect is not None and re.fullmatch("[a-z][a-z0-9_]{0,60}", suspect.kind):
        when.append(f"suspect = [{_quoted(suspect.kind)}]")
    if entity.isprintable() and entity and not fault_of(_literal(entity)):
        when.append(f"entity = [{_quoted(_literal(entity))}]")
    about = [f"incident {case.incident.id}: {case.incident.title}"]
    if suspect is not None:
        about.append(f"suspect: {suspect.kind} {suspect.entity}, {suspect.name}")
        about.append(f"it shows in {suspect.indicator}, confidence {suspect.confidence:.2f}")
    lines = ("".join(each if each.isprintable() else " " for each in line) for line in about)
    head = "".join(f"# {line[:MAX_FACT]}\n" for line in lines)
    sure = min(SURE, int(suspect.confidence * 100) / 100 if suspect else 0.0)
    name = re.sub(r"[^a-z0-9]+", "-", split_key(entity)[1].lower()).strip("-")[:50]
    name = _quoted(f"repair-{name or 'it'}")
    return head + EMPTY.format(name=name, when="\n".join(when), confidence=sure)


def _literal(text: str) -> str:
    """Write a pattern that matches a text alone; of what patterns may hold."""
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", text)


def _quoted(text: str) -> str:
    return dumps(text).decode()
