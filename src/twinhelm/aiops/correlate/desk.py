"""Keeps the incidents during one look: who holds which sign, what joins, returns, ends.

In: incidents as they stood, and :class:`Sign` s one by one from
:mod:`twinhelm.aiops.correlate.incidents`. Out: ``changed`` incidents and ``decisions``. A desk
serves one look and is thrown away; it touches nothing outside itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from twinhelm.aiops.correlate.grouping import NEAR_MS, Neighbours, places, related
from twinhelm.aiops.correlate.signs import Decision, Sign
from twinhelm.aiops.types import LIVE, Incident, IncidentState
from twinhelm.aiops.words import place
from twinhelm.core.labels import metric_name

__all__ = ["DAMPING_MS", "QUIET_MS", "Desk", "raised_of"]

QUIET_MS = 40_000
DAMPING_MS = 600_000
CAUSE_MS = 40_000
"""What is the matter with a service itself (a leak, a full disk, drift) shows with the first
effects, or is another matter."""
LATE_MS = 180_000
"""Along calls, effects and causes of trouble among services may show this much later."""
SOON_MS = 45_000
"""After more calm than this, only what was found to be the cause brings trouble back: its effects
show with other causes too."""
AGAIN_MS = 20_000
"""What returns after this much calm came back; after less it never went."""
CONTEXT_BEFORE_MS = 60_000
MAX_MEMBERS = 200
REWORD_GROWTH = 1.25
"""A title changes its number only once things are this much worse: live pages must not flicker."""
_OF_NOW = ("calm", "lead", "cause")
_SEVERITIES = ("info", "warning", "critical")


class Desk:
    """The work of one look: incidents as they stand, who holds which sign, what was decided."""

    def __init__(
        self, incidents: Sequence[Incident], signs: Sequence[Sign], near: Neighbours, now_ms: int,
        next_id: int | None,
    ) -> None:  # fmt: skip
        self.incidents = {one.id: one for one in sorted(incidents, key=lambda one: one.id)}
        self.holder = {key: one.id for one in self.incidents.values() for key in one.members}
        self.near = near
        self.now_ms = now_ms
        self.next_id = max(self.incidents, default=0) + 1 if next_id is None else next_id
        self.by_key = {sign.key: sign for sign in signs}
        self.changed: dict[int, Incident] = {}
        self._leads: dict[int, Sign | None] = {}
        self._spans: dict[int, tuple[int, int]] = {}
        self.decisions: list[Decision] = []
        self._at: dict[object, set[int]] = defaultdict(set)
        for one in self.incidents.values():
            self._place(one, self._held(one))

    def decide(self, sign: Sign, outcome: str, incident: int | None, text: str) -> None:
        """Note what became of a sign."""
        self.decisions.append(Decision(sign.key, self.now_ms, outcome, incident, text))

    def join(self, sign: Sign) -> bool:
        """Put a material sign into a live incident, or into one that it brings back."""
        for one in self._about(sign):
            faded_ms = self._faded(one, sign) if one.state in LIVE else _over_ms(one)
            live = faded_ms is None
            why = self._joins(sign, one) if live else self._returns(sign, one, faded_ms)
            if not why:
                continue
            if not live:
                told = {**_anew(one.attributes), "again": str(sign.onset_ms)}
                one = replace(one, state=IncidentState.REOPENED, title="", resolved_ms=None,
                              flaps=one.flaps + 1, attributes=told)  # fmt: skip
            self._put(self._with(one, [sign], (why,)))
            outcome = "grouped" if live else "reopened"
            self.decide(sign, outcome, one.id, f"{sign.text}: in incident {one.id}, {why}")
            return True
        return False

    def open(self, members: list[Sign], why: tuple[str, ...]) -> None:
        """Open an incident for signs that belong together, or reopen the one they bring back."""
        if any(sign.raises and self.join(sign) for sign in members if sign.key not in self.holder):
            for sign in members:
                if sign.key not in self.holder and not self.attach(sign):
                    self.refuse(sign)
            return
        began_ms = min(sign.onset_ms for sign in members)
        opened = Incident(
            self.next_id, IncidentState.OPEN, "", "info", (), began_ms, updated_ms=self.now_ms
        )
        self.next_id += 1
        self._put(self._with(opened, members, why))
        for sign in members:
            self.decide(sign, "raised", opened.id, f"{sign.text}: raised as incident {opened.id}")

    def attach(self, sign: Sign) -> bool:
        """Let a sign that raises nothing join a live incident that it stands near, as a symptom."""
        for one in self._about(sign):
            if one.state not in LIVE or len(one.members) >= MAX_MEMBERS:
                continue
            first, last = self._span(one)
            if not first - CONTEXT_BEFORE_MS <= sign.start_ms <= last + NEAR_MS:
                continue
            lead = self._lead(one)
            if lead is not None:
                before = sign.end_ms is not None and sign.end_ms < lead.start_ms - 15_000
                if before or self.near.apart(lead, sign):
                    continue
            if sign.entity in one.entities:
                why = f"{place(sign.entity)} shows it too"
            elif lead is not None and (found := related(lead, sign, self.near)):
                why = found
            else:
                continue
            self._put(self._with(one, [sign], ()))
            text = f"{sign.text}: a symptom in incident {one.id}, {why}"
            self.decide(sign, "grouped", one.id, text)
            return True
        return False

    def refuse(self, sign: Sign) -> None:
        """Say why a sign became nothing, for now or for good."""
        weight = sign.weight
        waits = sign.end_ms is None and weight.alone and weight.amount >= 1.0 and not sign.answered
        outcome = "waiting" if waits else "not_raised"
        why = sign.answered or weight.why_not or "nothing else near it is strange"
        if sign.end_ms is not None and not (waits or sign.answered) and weight.amount >= 1.0:
            lasted = (sign.last_ms - sign.start_ms) / 1000
            why = f"it was over after {lasted:.0f} s, a blip"
        self.decide(sign, outcome, None, f"{sign.text}: {outcome.replace('_', ' ')}, {why}")

    def review(self) -> None:
        """Refresh what live incidents say, and resolve those whose telling members have ended."""
        for one in list(self.incidents.values()):
            if one.state not in LIVE:
                continue
            members = self._held(one)
            now = self._calmed(self._worded(one, members), members)
            if now != one:
                self._put(replace(now, updated_ms=self.now_ms))

    def came_back(self, sign: Sign, incident: int) -> bool:
        """Tell whether a sign is material again after the incident it was part of ended by itself.

        What a person resolved stays resolved while the sign lasts.
        """
        one = self.incidents[incident]
        over_ms = one.resolved_ms
        ended = over_ms is not None and "calm" in one.attributes
        return ended and sign.raises and sign.fresh and sign.lasts(self.now_ms)

    def _calmed(self, one: Incident, members: list[Sign]) -> Incident:
        """Resolve what has been calm for long enough, and count what comes back before that."""
        # What never mattered by itself (a symptom that lingers) keeps no incident open.
        raising = [sign for sign in members if sign.raises]
        holding = raising if raising or raised_of(one) else members
        more = {key: value for key, value in one.attributes.items() if key != "calm"}
        calm_ms = int(one.attributes.get("calm", 0))
        lasting = [sign for sign in holding if sign.lasts(self.now_ms)]
        if lasting and not calm_ms:
            return one
        if any(sign.fresh for sign in lasting):
            if self.now_ms - calm_ms < AGAIN_MS:
                return replace(one, attributes=more)
            text = f"incident {one.id} is back after {(self.now_ms - calm_ms) / 1000:.0f} s of calm"
            self.decisions.append(
                Decision(f"incident/{one.id}", self.now_ms, "reopened", one.id, text)
            )
            more["again"] = str(self.now_ms - AGAIN_MS // 2)
            state = IncidentState.REOPENED
            one = replace(one, state=state, flaps=one.flaps + 1, attributes=_anew(more), title="")
            return self._worded(one, members)
        last_ms = max((sign.last_ms for sign in holding), default=one.updated_ms)
        faded = any(sign.faded and sign.end_ms is None for sign in holding)
        calm_ms = calm_ms or (self.now_ms if faded else min(last_ms, self.now_ms))
        now = replace(one, attributes={**more, "calm": str(calm_ms)})
        if self.now_ms - calm_ms < QUIET_MS:
            return now
        text = f"incident {one.id} is over: quiet for {(self.now_ms - calm_ms) / 1000:.0f} s"
        self.decisions.append(Decision(f"incident/{one.id}", self.now_ms, "resolved", one.id, text))
        return replace(now, state=IncidentState.RESOLVED, resolved_ms=self.now_ms)

    def _joins(self, sign: Sign, one: Incident) -> str:
        """Say why a material sign belongs to a live incident; empty where it does not."""
        held = self._held(one)
        leads = [other for other in held if other.raises] or held
        for other in sorted(leads, key=lambda other: -other.onset_ms):
            why = related(other, sign, self.near)
            if not why:
                continue
            same = other.weight.resource is sign.weight.resource and other.entity == sign.entity
            over = other.over_by(sign.onset_ms)
            if same and (sign.of_machine or not over):
                return f"the same {sign.weight.resource} trouble of {place(sign.entity)}"
            if not over and self._in_time(sign, other, one):
                gap = abs(sign.onset_ms - other.onset_ms)
                return f"{why}, {gap / 1000:.0f} s apart"
        return ""

    def _in_time(self, sign: Sign, other: Sign, one: Incident) -> bool:
        """Tell whether a sign came close enough to another to be the same trouble."""
        gap = abs(sign.onset_ms - other.onset_ms)
        if sign.start_ms < sign.onset_ms:  # it smouldered: nobody knows since when it matters
            gap = min(gap, abs(self.now_ms - other.onset_ms))
        if sign.of_machine or other.of_machine:
            return gap <= NEAR_MS
        # Services are never all quiet: one sign after another must not make one long incident.
        age = max(gap, sign.onset_ms - one.since_ms)
        if not sign.effect or not other.fresh:
            return age <= CAUSE_MS
        leans = self.near.leans
        along = leans(sign.entity, other.entity) or leans(other.entity, sign.entity)
        return age <= (LATE_MS if along and other.effect else NEAR_MS)

    def _faded(self, one: Incident, sign: Sign) -> int | None:
        """Say since when all that raised a live incident of services had been quiet by ``sign``.

        None where something of it still lasted then.
        """
        raising = [other for other in self._held(one) if other.raises]
        quiet = all(other.over_by(sign.onset_ms) and not other.of_machine for other in raising)
        served = not sign.of_machine and raising
        return max(other.last_ms for other in raising) if served and quiet else None

    def _returns(self, sign: Sign, one: Incident, over_ms: int | None) -> str:
        """Say why a material sign brings back what was over; empty where it does not."""
        if over_ms is None or sign.start_ms < one.started_ms:
            return ""
        passed = sign.onset_ms - over_ms
        patience = DAMPING_MS * min(1 + one.flaps, 4)
        same = one.attributes.get("resource") == sign.weight.resource.value
        if passed > patience or not same or sign.entity not in one.entities:
            return ""
        if passed > SOON_MS and one.attributes.get("cause", sign.entity) != sign.entity:
            return ""
        was = "resolved" if one.resolved_ms else "quiet"
        return f"it came back {max(passed, 0) / 60_000:.0f} min after it was {was}"

    def _held(self, one: Incident) -> list[Sign]:
        """List the members of an incident that this look knows of."""
        return [self.by_key[key] for key in one.members if key in self.by_key]

    def _about(self, sign: Sign) -> Iterator[Incident]:
        """Yield the incidents that a sign may have to do with, the newest first.

        To ask each of them in a storm would cost the square of it.
        """
        wanted = (*places(sign), *self.near.around(sign.entity))
        found = set().union(*(self._at[place] for place in wanted if place in self._at))
        return (self.incidents[number] for number in sorted(found, reverse=True))

    def _place(self, one: Incident, signs: Iterable[Sign]) -> None:
        """Let an incident be found by what it is about and by what these members show."""
        for where in (*one.entities, *(each for sign in signs for each in places(sign))):
            self._at[where].add(one.id)

    def _put(self, one: Incident) -> None:
        self.incidents[one.id] = self.changed[one.id] = one
        self.holder.update(dict.fromkeys(one.members, one.id))
        self._leads.pop(one.id, None)
        self._spans.pop(one.id, None)

    def _with(self, one: Incident, signs: Iterable[Sign], why: tuple[str, ...]) -> Incident:
        """Add members to an incident and word it anew."""
        keys = tuple(dict.fromkeys((*one.members, *(sign.key for sign in signs))))
        grouping = tuple(dict.fromkeys((*one.grouping, *why)))[:20]
        now = replace(one, members=keys, grouping=grouping, updated_ms=self.now_ms)
        self._place(now, signs)
        return self._worded(now, self._held(now))

    def _worded(self, one: Incident, members: list[Sign]) -> Incident:
        """Give title, severity, entities and resource after the heaviest member."""
        if not members:
            return one
        now = members
        if "again" in one.attributes:  # what it was about before is not what it is about now
            telling = [sign for sign in members if sign.raises and sign.last_ms >= one.since_ms]
            now = [sign for sign in telling if sign.fresh] or telling
        cause = one.attributes.get("cause", "")
        at_cause = [sign for sign in now if sign.raises and sign.entity == cause]
        lead = max(at_cause or now or members, key=_heaviness)
        strong = [sign for sign in members if sign.raises] or members
        raised = raised_of(one)
        for sign in members:
            if sign.raises and sign.raised_ms is not None:
                raised.setdefault(sign.key, sign.raised_ms)
        found = tuple(dict.fromkeys(sign.entity for sign in strong))
        entities = tuple(dict.fromkeys((*one.entities, *found)))
        severity = max((_severity(sign) for sign in members), key=_SEVERITIES.index)
        amount = lead.weight.amount
        told, was = one.attributes.get("lead", ""), float(one.attributes.get("amount", "0"))
        ebbing = not any(sign.raises and sign.fresh for sign in members)
        title, resource, leads = lead.weight.title, lead.weight.resource.value, lead.key
        if one.title and told and ebbing:  # what is going away says nothing new
            title, amount, leads = one.title, was, told
            resource = one.attributes["resource"]
        elif one.title and told == lead.key and amount <= REWORD_GROWTH * was:
            title, amount = one.title, was
        if not title:
            names = sorted({metric_name(sign.labels) for sign in members})
            title = f"{len(names)} metrics of {place(lead.entity)} are strange together"
        return replace(
            one,
            title=title,
            severity=max(severity, one.severity, key=_SEVERITIES.index),
            entities=entities,
            started_ms=min(one.started_ms, *(sign.onset_ms for sign in strong)),
            attributes={
                **one.attributes,
                "resource": resource,
                "lead": leads,
                "signs": " ".join(f"{key}@{at}" for key, at in sorted(raised.items())),
                "amount": f"{amount:.6g}",
            },
        )

    def _lead(self, one: Incident) -> Sign | None:
        if one.id not in self._leads:
            self._leads[one.id] = max(self._held(one), key=_heaviness, default=None)
        return self._leads[one.id]

    def _span(self, one: Incident) -> tuple[int, int]:
        if one.id not in self._spans:
            starts = [sign.onset_ms for sign in self._held(one) if sign.raises]
            first, last = min(starts, default=one.started_ms), max(starts, default=one.started_ms)
            self._spans[one.id] = first, last
        return self._spans[one.id]


def _anew(attributes: Mapping[str, str]) -> dict[str, str]:
    """Forget that it was calm, what its title was about, and what was to blame."""
    return {key: value for key, value in attributes.items() if key not in _OF_NOW}


def _over_ms(one: Incident) -> int | None:
    """Say since when a resolved incident has been over: since it was calm, or since a person."""
    calm = one.attributes.get("calm")
    return int(calm) if calm else one.resolved_ms


def raised_of(one: Incident) -> dict[str, int]:
    """Return which members were material once, and when they first were, in ms."""
    pairs = (word.rpartition("@") for word in one.attributes.get("signs", "").split())
    return {key: int(at) for key, _, at in pairs if at.isdigit()}


def _heaviness(sign: Sign) -> tuple[bool, float, int]:
    return (sign.raises, sign.weight.amount, -sign.start_ms)


def _severity(sign: Sign) -> str:
    if sign.weight.critical and sign.raises:
        return "critical"
    return "warning" if sign.raises else "info"
