"""What happens to model products: every kind of event, from the framing to the retirement.

Subjects are ``product/NAME`` for what concerns a product as a whole and ``version/NAME/VERSION``
for one version of it. Who did it is the row's actor; ``twinhelm`` where nobody asked.
"""

from twinhelm.events.event import Event, event

__all__ = [
    "ApprovalAnswered", "ApprovalRequested", "BuildFinished", "BuildStarted", "DataSeen",
    "DeploymentChanged", "DriftFound", "EvidenceExported", "HealthChanged", "HoldChanged",
    "ModelImported", "ModelRefused", "ProductFramed", "ProductRetired", "PromotionRefused",
    "RemarkMade", "RetrainTriggered", "RolloutAdvanced", "RolloutEnded", "RolloutStarted",
    "VersionExported", "VersionPruned", "VersionRegistered", "VersionStaged", "VersionValidated",
    "WatchersChanged",
]  # fmt: skip


@event("product.framed", "product/{product}")
class ProductFramed(Event):
    """A product file was taken, for the first time or with changes; ``digest`` is its SHA-256."""

    product: str
    tier: str
    owner: str
    digest: str
    changed: tuple[str, ...] = ()


@event("product.retired", "product/{product}")
class ProductRetired(Event):
    """A product answers no more; ``reason`` empty: it was taken up again."""

    product: str
    reason: str


@event("product.hold_changed", "product/{product}")
class HoldChanged(Event):
    """A legal hold began, for ``reason``, or ended (empty)."""

    product: str
    reason: str


@event("product.watchers_changed", "product/{product}")
class WatchersChanged(Event):
    """Who is told of what happens to a product."""

    product: str
    watchers: tuple[str, ...]


@event("product.remarked", "product/{product}")
class RemarkMade(Event):
    """Somebody said something of a product; ``topic`` is the version or section that is meant."""

    product: str
    topic: str
    text: str
    mentions: tuple[str, ...] = ()


@event("data.seen", "product/{product}")
class DataSeen(Event):
    """A version of the data was seen for the first time, by its content."""

    product: str
    role: str
    digest: str
    rows: int
    problems: tuple[str, ...] = ()


@event("build.started", "product/{product}")
class BuildStarted(Event):
    """Run ``number`` began; ``reason`` says what for."""

    product: str
    number: int
    reason: str


@event("build.finished", "product/{product}")
class BuildFinished(Event):
    """Run ``number`` ended as ``outcome`` (done, failed, cached), making ``version`` or none."""

    product: str
    number: int
    outcome: str
    version: str = ""
    error: str = ""


@event("models.imported", "import/{source}")
class ModelImported(Event):
    """Registered models were read from another MLflow server."""

    source: str
    products: tuple[str, ...]
    versions: int


@event("version.registered", "version/{product}/{version}")
class VersionRegistered(Event):
    """A version stands sealed in the register; ``digest`` is the root of its signed manifest."""

    product: str
    version: str
    digest: str
    run_id: str = ""


@event("version.refused", "version/{product}/{version}")
class ModelRefused(Event):
    """A version was not taken, or may never be opened: what was found in its files."""

    product: str
    version: str
    reason: str


@event("version.validated", "version/{product}/{version}")
class VersionValidated(Event):
    """A version was measured; ``verdict`` is pass, fail or unknown, ``failed`` which checks."""

    product: str
    version: str
    verdict: str
    failed: tuple[str, ...] = ()


@event("version.staged", "version/{product}/{version}")
class VersionStaged(Event):
    """A version's stage changed."""

    product: str
    version: str
    before: str
    after: str
    reason: str = ""


@event("version.exported", "version/{product}/{version}")
class VersionExported(Event):
    """An approved version left, to be served elsewhere; ``digest`` is the root of its files."""

    product: str
    version: str
    digest: str


@event("version.pruned", "version/{product}/{version}")
class VersionPruned(Event):
    """A retired version's files were removed, as the product's retention says."""

    product: str
    version: str


@event("approval.requested", "version/{product}/{version}")
class ApprovalRequested(Event):
    """Somebody asks that a version go live; ``needs`` so many others must agree."""

    product: str
    version: str
    approval: str
    needs: int


@event("approval.answered", "version/{product}/{version}")
class ApprovalAnswered(Event):
    """One person agreed or not; ``state`` is what the request came to."""

    product: str
    version: str
    approval: str
    agrees: bool
    note: str
    state: str


@event("promotion.refused", "version/{product}/{version}")
class PromotionRefused(Event):
    """A promotion was not let through; ``door`` says by which way it was asked."""

    product: str
    version: str
    reason: str
    door: str


@event("rollout.started", "version/{product}/{version}")
class RolloutStarted(Event):
    """A version began to take over from ``before``."""

    product: str
    version: str
    rollout: str
    before: str
    way: str


@event("rollout.advanced", "version/{product}/{version}")
class RolloutAdvanced(Event):
    """A version takes ``share`` of the traffic now."""

    product: str
    version: str
    rollout: str
    share: float


@event("rollout.ended", "version/{product}/{version}")
class RolloutEnded(Event):
    """A rollout is over: done, rolled back or stopped; ``reason`` holds what was measured."""

    product: str
    version: str
    rollout: str
    outcome: str
    reason: str


@event("deployment.changed", "product/{product}")
class DeploymentChanged(Event):
    """Who answers has changed: ``parts`` as version, role and share; empty for nobody."""

    product: str
    parts: tuple[tuple[str, str, float], ...]
    before: str
    reason: str


@event("drift.found", "version/{product}/{version}")
class DriftFound(Event):
    """What a version is asked, or answers, has moved away from what it learnt on."""

    product: str
    version: str
    columns: tuple[str, ...]
    text: str


@event("health.changed", "version/{product}/{version}")
class HealthChanged(Event):
    """A version fares otherwise than ``before``: good, drifted, failing or unknown."""

    product: str
    version: str
    before: str
    after: str
    text: str


@event("retrain.triggered", "product/{product}")
class RetrainTriggered(Event):
    """A retraining was called for; ``started`` false: it was not begun, for ``text``."""

    product: str
    trigger: str
    text: str
    started: bool


@event("evidence.exported", "version/{product}/{version}")
class EvidenceExported(Event):
    """An evidence pack was made for ``catalogue``; ``digest`` is the SHA-256 of its JSON file."""

    product: str
    version: str
    catalogue: str
    digest: str
