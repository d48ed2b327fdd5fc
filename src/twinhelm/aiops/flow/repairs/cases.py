"""What is known of an incident, as runbooks are matched with it: loaded out of the records.

In: an incident's number; out: a :class:`~twinhelm.aiops.automate.match.Case`. Also of an incident
that is long over, for back-tests: suspects, anomalies and alerts stay in the records, changes in
the store.
"""

from collections.abc import Callable, Sequence

from twinhelm.aiops.automate.match import Case, Sign
from twinhelm.aiops.clean import entity_of
from twinhelm.aiops.records import incident_ref, load_incident
from twinhelm.aiops.types import Anomaly, Incident, Suspect
from twinhelm.core.claims import Claim
from twinhelm.core.errors import NotFound
from twinhelm.core.labels import metric_name
from twinhelm.core.telemetry import Alert, Change
from twinhelm.events.values import Reading, load

__all__ = ["Changes", "case_of", "sign_of", "suspect_of"]

BEFORE_MS = 2 * 3_600_000
MOST_SIGNS = 500

Changes = Callable[[int, int], Sequence[Change]]
"""Read the changes of a range of time, epoch ms."""


def case_of(unit: Reading, incident_id: int, changes: Changes) -> Case:
    """Load a case; raises :class:`NotFound`."""
    incident = load_incident(unit, incident_id)
    if incident is None:
        said = f"there is no incident {incident_id}"
        raise NotFound(said, hint="`twinhelm incidents` lists them")
    parent = incident_ref(incident_id)
    claims = [load(Claim, each) for each in unit.find("claim", parent=parent, state="cause")]
    suspects = tuple(map(suspect_of, sorted(claims, key=lambda claim: claim.id)))
    anomalies = unit.find("anomaly", parent=parent, newest_first=True, limit=MOST_SIGNS)
    # An alert that fired again belongs to a newer incident by now, and was a member of this one.
    signs = [sign_of(load(Anomaly, each)) for each in anomalies]
    alerts = (unit.get("alert", member) for member in incident.members[:MOST_SIGNS])
    signs += [sign_of(load(Alert, each)) for each in alerts if each is not None]
    return Case(incident, suspects, tuple(signs), _named(incident, suspects, changes))


def suspect_of(claim: Claim) -> Suspect:
    """Put what was claimed of a cause back as the suspect that it was."""
    facts = claim.facts
    return Suspect(
        int(claim.id.rsplit("/", 1)[1]), facts.get("kind", ""), claim.subject,
        facts.get("indicator", ""), claim.text, claim.confidence, claim.evidence_for,
    )  # fmt: skip


def sign_of(one: Anomaly | Alert) -> Sign:
    """Say what a member of an incident shows, as runbooks ask of it."""
    labels = dict(one.labels)
    if isinstance(one, Anomaly):
        return Sign(one.entity, one.resource.value, metric_name(one.labels), labels)
    return Sign(entity_of(one.labels), "other", labels.get("alertname", ""), labels)


def _named(incident: Incident, suspects: Sequence[Suspect], changes: Changes) -> dict[str, Change]:
    """Read the changes that suspects name, where any does."""
    wanted = {each.indicator for each in suspects if each.kind == "change"}
    if not wanted:
        return {}
    found = changes(incident.started_ms - BEFORE_MS, incident.updated_ms)
    return {change.id: change for change in found if change.id in wanted}
