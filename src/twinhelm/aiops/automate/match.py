"""Which runbook is for this incident, and with which values? Or why is none.

In: an incident with its suspects, signs and changes; runbooks. Out: a :class:`Fit` for each, which
says why it fits or what is missing, and the values of its parameters. A runbook fits one suspect:
the first of the first three for whom all that its ``when`` asks holds, and whose facts match the
patterns of all parameters. An incident that nobody is to blame for has, for runbooks that take an
inconclusive verdict, each entity of its signs as a suspect of kind ``sign`` and of confidence 0.
Pure; what comes from outside goes nowhere but through the patterns.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from twinhelm.aiops.automate.pattern import taken
from twinhelm.aiops.automate.runbook import Runbook, When
from twinhelm.aiops.types import Incident, Suspect
from twinhelm.core.entities import split_key
from twinhelm.core.telemetry import Change

__all__ = ["Case", "Fit", "Sign", "chosen", "fits"]

MAX_SUSPECTS = 3
_PROCESS = re.compile(r"(\S{1,200}) \(pid (\d{1,10})\)$")
"""How a suspect names the one process that it is; at the end, as the name may hold anything."""
_HOST = ("host_name", "host.name", "hostname", "host", "instance")


@dataclass(frozen=True, slots=True)
class Sign:
    """An anomaly or alert of the incident: ``metric`` is the alert's name for an alert."""

    entity: str
    resource: str
    metric: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of an incident; ``changes`` by id, those that a suspect may name."""

    incident: Incident
    suspects: tuple[Suspect, ...] = ()
    signs: tuple[Sign, ...] = ()
    changes: Mapping[str, Change] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a runbook is for an incident, and why (not), in sentences.

    ``target`` is the suspect's entity; ``values`` are the parameters'.
    """

    runbook: str
    fits: bool
    why: tuple[str, ...]
    target: str = ""
    confidence: float = 0.0
    values: Mapping[str, str] = field(default_factory=dict)


def chosen(runbooks: Iterable[Runbook], case: Case) -> list[Fit]:
    """List a fit of every runbook: those that fit first, the most particular of them first."""
    judged = [(fits(each, case), each) for each in runbooks]
    judged.sort(key=lambda one: (not one[0].fits, -one[1].when.particular, one[1].name))
    return [fit for fit, _ in judged]


def fits(runbook: Runbook, case: Case) -> Fit:
    """Say whether a runbook is for an incident, or what keeps it from the likeliest suspect."""
    when, incident = runbook.when, case.incident
    if incident.verdict not in when.verdict:
        return Fit(runbook.name, False, (f"its verdict is {incident.verdict}",))
    if when.severity and incident.severity not in when.severity:
        return Fit(runbook.name, False, (f"its severity is {incident.severity}",))
    missed: tuple[str, ...] = ("it has no suspect",)
    for number, suspect in enumerate(_suspects(case)):
        signs = [each for each in case.signs if each.entity == suspect.entity] or case.signs
        facts = _facts_of(case, suspect, signs)
        against = [*_against(when, suspect, signs, facts, case.changes)]
        values: dict[str, str] = {}
        for name, each in runbook.parameters.items():
            value = taken(each.pattern, facts.get(each.from_, "")) or each.default
            if not value:
                known = facts.get(each.from_, "not known")[:80]
                against.append(f"{name} cannot be had: {each.from_} is {known}")
            values[name] = value
        if not against:
            why = _words(when, suspect)
            return Fit(runbook.name, True, why, suspect.entity, suspect.confidence, values)
        missed = tuple(against) if number == 0 else missed
    return Fit(runbook.name, False, missed)


def _facts_of(case: Case, suspect: Suspect, signs: Iterable[Sign]) -> dict[str, str]:
    """Tell everything that a parameter may be taken from, by name; see ``FACTS`` of runbooks."""
    incident, change = case.incident, case.changes.get(suspect.indicator)
    first, slash, rest = split_key(suspect.entity)[1].partition("/")
    namespace, name = (first, rest) if slash else ("", first)
    facts = {
        "incident.id": str(incident.id), "incident.severity": incident.severity,
        "incident.title": incident.title, "incident.started_ms": str(incident.started_ms),
        "suspect.kind": suspect.kind, "suspect.entity": suspect.entity, "suspect.name": name,
        "suspect.namespace": namespace, "suspect.indicator": suspect.indicator,
        "suspect.text": suspect.name, "suspect.ms": str(incident.updated_ms),
    }  # fmt: skip
    if hit := _PROCESS.search(suspect.name):
        facts |= {"suspect.process": hit[1], "suspect.pid": hit[2]}
    shared = [set(each.labels.items()) for each in signs]
    labels = dict(sorted(set.intersection(*shared))) if shared else {}
    facts |= {f"label.{key}": value for key, value in labels.items()}
    if host := next((labels[each] for each in _HOST if each in labels), ""):
        facts["suspect.host"] = re.sub(r":\d{1,5}$", "", host)
    elif suspect.entity.startswith("host:"):
        facts["suspect.host"] = name
    if change is not None:
        facts |= {f"change.{key}": getattr(change, key) for key in
                  ("id", "kind", "title", "entity", "source")}  # fmt: skip
        told = change.attributes
        facts |= {f"change.{key}": told[key] for key in ("version", "before") if key in told}
    return facts


def _suspects(case: Case) -> list[Suspect]:
    if case.suspects:
        return list(case.suspects[:MAX_SUSPECTS])
    entities = list(dict.fromkeys(each.entity for each in case.signs))[:MAX_SUSPECTS]
    return [Suspect(0, "sign", each, "", each, 0.0, ()) for each in entities]


def _against(
    when: When,
    suspect: Suspect,
    signs: Iterable[Sign],
    facts: Mapping[str, str],
    changes: Mapping[str, Change],
) -> Iterator[str]:
    """Say what of a runbook's ``when`` does not hold of a suspect."""
    of = suspect.entity
    measured = sorted({each.resource for each in signs})
    if when.resource and not set(measured) & set(when.resource):
        yield f"the signs on {of} are of {', '.join(measured) or 'nothing'}"
    if when.metric and not _any(when.metric, (each.metric for each in signs)):
        yield f"no sign on {of} is called so"
    if when.suspect and suspect.kind not in when.suspect:
        yield f"the suspect {of} is a {suspect.kind}"
    if when.entity and not _any(when.entity, [of]):
        yield f"the suspect is {of}"
    if when.indicator and not _any(when.indicator, [suspect.indicator]):
        yield f"it shows in {suspect.indicator or 'nothing'}"
    if suspect.confidence < when.confidence:
        yield f"{of} is suspected with {suspect.confidence:.2f}, it takes {when.confidence:g}"
    change = changes.get(suspect.indicator) if suspect.kind == "change" else None
    if when.change and (change is None or change.kind not in when.change):
        yield f"the suspected change is {change.kind if change else 'none'}"
    for name, pattern in when.labels.items():
        if taken(pattern, facts.get(f"label.{name}", "")) is None:
            yield f"the label {name} of {of} is {facts.get(f'label.{name}', 'not the same')[:80]}"


def _any(patterns: Iterable[str], texts: Iterable[str]) -> bool:
    told = list(texts)
    return any(taken(pattern, text) is not None for pattern in patterns for text in told)


def _words(when: When, suspect: Suspect) -> tuple[str, ...]:
    """Say in sentences why a runbook fits."""
    of = f"{suspect.entity} is suspected ({suspect.kind}, confidence {suspect.confidence:.2f})"
    asked = {
        "resource": when.resource, "metric": when.metric, "entity": when.entity,
        "indicator": when.indicator, "change": when.change, "severity": when.severity,
    }  # fmt: skip
    return (of, *(f"{key} is one of {', '.join(each)}" for key, each in asked.items() if each))
