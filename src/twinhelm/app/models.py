"""The composition of the MLOps wing: every desk of it, made by hand, and the hour hand it needs.

:func:`open_models` builds the desks on stores that are open; :meth:`Models.register` makes their
workflows known, which must happen before workflows resume; :meth:`Models.start` turns serving to
what the records say and begins the rounds: health, scheduled builds, retention, and promotions
that follow by themselves from a retraining. Imports of MLflow happen in its own process only.
"""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from twinhelm.app.rounds import attempt
from twinhelm.core.clock import Clock
from twinhelm.core.errors import NotFound, Refused, TwinhelmError
from twinhelm.core.ports import Blobs, Predictions, Records
from twinhelm.core.roles import Role
from twinhelm.core.settings import Settings
from twinhelm.core.telemetry import Change
from twinhelm.events.identities import Identities
from twinhelm.events.journal import Journal
from twinhelm.events.workflows import WorkflowPort
from twinhelm.mlops.deploy import Serving
from twinhelm.mlops.deploy.batch import BatchScoring
from twinhelm.mlops.flow.arrivals import Arrivals
from twinhelm.mlops.flow.builds import Builds
from twinhelm.mlops.flow.datasets import reference
from twinhelm.mlops.flow.evidence import EvidenceDesk
from twinhelm.mlops.flow.follow import Follow
from twinhelm.mlops.flow.gate import PromotionGate
from twinhelm.mlops.flow.health import HealthDesk, Row
from twinhelm.mlops.flow.products import ProductDesk
from twinhelm.mlops.flow.promotions import Promotions
from twinhelm.mlops.flow.registering import Registrar
from twinhelm.mlops.flow.retrains import Retrains
from twinhelm.mlops.flow.rollouts import Rollouts
from twinhelm.mlops.flow.validations import Validations
from twinhelm.mlops.register.seal import Seal
from twinhelm.mlops.register.shelf import MODEL, SIGNATURE, Shelf
from twinhelm.mlops.tracking import Tracking, import_workflow
from twinhelm.mlops.types import HeldOut, Scorer, Table
from twinhelm.mlops.validate.ask import features_of

__all__ = ["MODELS_IMPORT", "Models", "open_models"]

log = logging.getLogger(__name__)

SHELF, TRACKING, RUNS = "models", "mlflow", "runs"
KEY = "keys/signing.pem"
CHAMPION = "champion"
MODELS_IMPORT = "mlflow-import"
"""The workflow that reads another MLflow server."""
PATIENT_S = 300.0
"""How long a build waits for MLflow's server side, which may just be starting."""
FOLLOW_S = 2.0
"""How often it is looked at what follows by itself."""


@dataclass(slots=True)
class Models:
    """All desks of the wing; ``url`` is where this server answers, known once it listens."""

    settings: Settings
    clock: Clock
    workflows: WorkflowPort
    predictions: Predictions
    tracking: Tracking
    serving: Serving
    desk: ProductDesk
    registrar: Registrar
    validations: Validations
    promotions: Promotions
    rollouts: Rollouts
    builds: Builds
    arrivals: Arrivals
    gate: PromotionGate
    health: HealthDesk
    retrains: Retrains
    evidence: EvidenceDesk
    batch: BatchScoring
    follow: Follow
    url: str = ""
    _threads: list[threading.Thread] = field(default_factory=list)

    def register(self, journal: Journal) -> None:
        """Make every workflow of the wing known."""
        for part in (self.builds, self.validations, self.rollouts, self.batch):
            part.register()
        imported = import_workflow(
            self.tracking.client(),
            journal,
            self.arrivals.hear,
            max_bytes=self.settings.models.max_artifact_bytes,
        )
        self.workflows.register(MODELS_IMPORT, imported)

    def start(self, stopping: threading.Event) -> None:
        """Turn serving to the records, and begin the rounds; returns at once."""
        if self.settings.models.mlflow and self.tracking.exists:
            self.tracking.start()
        self.rollouts.resume()
        thread = threading.Thread(target=self._live, args=(stopping,), name="twinhelm-models")
        thread.daemon = True
        thread.start()
        self._threads.append(thread)

    def close(self) -> None:
        """End the processes of models and of MLflow."""
        for thread in self._threads:
            thread.join(timeout=30)
        self.serving.close()
        self.tracking.close()
        self.predictions.close()

    def backup(self, target: Path) -> None:
        """Write the wing's files below ``target``: versions, the key that signs, runs, MLflow."""
        data = self.settings.data
        self.predictions.backup(target)
        self.tracking.backup(target / TRACKING)
        for name in (SHELF, RUNS):
            if (data / name).is_dir():
                shutil.copytree(data / name, target / name, ignore=shutil.ignore_patterns("*~"))
        if (data / KEY).is_file():
            (target / KEY).parent.mkdir(mode=0o700)
            shutil.copy2(data / KEY, target / KEY)

    def _live(self, stopping: threading.Event) -> None:
        """Walk the rounds until the house stops; what fails is told and tried again."""
        looked_s = self.clock.monotonic_s()
        attempt("builds of models", self.builds.mend)
        attempt("what follows of models", self.follow.look)
        while not stopping.wait(FOLLOW_S):
            attempt("rollouts of models", self.rollouts.settle)
            attempt("what follows of models", self.follow.look)
            if self.clock.monotonic_s() - looked_s < self.settings.models.look_s:
                continue
            looked_s, now = self.clock.monotonic_s(), self.clock.now_ms()
            attempt("health of models", partial(self.health.look, now))
            attempt("serving of models", partial(self._publish, now))
            attempt("builds of models", self.builds.mend)
            attempt("retraining of models", partial(self.retrains.look, now))
            attempt("retention of models", partial(self._prune, now))

    def _publish(self, now_ms: int) -> None:
        self.health.publish(list(self.serving.series(now_ms)))

    def _prune(self, now_ms: int) -> None:
        self.registrar.prune(now_ms)
        self.health.prune(now_ms)


def open_models(
    settings: Settings,
    clock: Clock,
    records: Records,
    journal: Journal,
    workflows: WorkflowPort,
    predictions: Predictions,
    blobs: Blobs,
    identities: Identities,
    publish: Callable[[Sequence[Row]], None],
    changes: Callable[[int, int], Sequence[Change]],
) -> Models:
    """Build every desk; nothing runs and nothing heavy is imported before :meth:`Models.start`.

    ``publish`` keeps series for the machines' wing, ``changes`` reads what was done to systems.
    """
    data = settings.data
    most = settings.models.max_artifact_bytes
    tracking = Tracking(data / TRACKING)
    serving = Serving(predictions, clock, max_rows=settings.models.max_predict_rows)
    serving.waits = True
    desk = ProductDesk(records, journal, clock)
    shelf = Shelf(data / SHELF, max_bytes=4 * most)
    seal = Seal(data / KEY)
    registrar = Registrar(records, journal, clock, shelf, seal)

    @contextmanager
    def open_scorer(product: str, version: str) -> Iterator[Scorer]:
        limits = serving.limits(desk.spec(product), builds.python_of(product, version))
        with serving.scorer(registrar.opened(product, version), limits) as scorer:
            yield scorer

    def on_live(product: str, version: str) -> None:
        promotions.went_live(product, version)

    def tell(product: str, version: str) -> None:
        if tracking.exists:
            with suppress(Refused), tracking.client(patience_s=5.0) as client:
                client.set_alias(product, CHAMPION, version)

    def training(product: str, version: str) -> Table | None:
        made = desk.version(product, version)
        try:
            work = data / RUNS / product / (made.build or "none")
            if (known := reference(work)) is not None:
                return known
            table, digest = builds.table(product, "train")
        except TwinhelmError as error:
            log.warning("drift is not known", extra={"product": product, "reason": str(error)})
            return None
        return table if made.data.get("train", digest) == digest else None

    def held_out(product: str, version: str) -> HeldOut | None:
        spec = desk.spec(product)
        if spec is None or not spec.data.holdout or not spec.data.target:
            return None
        try:
            table, _ = builds.table(product, "holdout")
            with open_scorer(product, version) as scorer:
                asked = {name: table[name] for name in features_of(scorer, spec, table)}
                return HeldOut(table, scorer.score(asked), table[spec.data.target])
        except TwinhelmError as error:
            log.warning("no estimates", extra={"product": product, "reason": str(error)})
            return None

    @contextmanager
    def access(name: str) -> Iterator[Mapping[str, str]]:
        with suppress(NotFound):  # what a crash left
            identities.revoke_token(name, by="twinhelm")
        secret = identities.create_token(name, [Role.DATA_SCIENTIST], by="twinhelm")
        try:
            yield {"MLFLOW_TRACKING_TOKEN": secret}
        finally:
            with suppress(TwinhelmError):  # the records may be on their way down too
                identities.revoke_token(name, by="twinhelm")

    validations = Validations(
        records, journal, clock, workflows,
        spec_of=desk.spec,
        data_of=lambda product, role: builds.table(product, role),
        open_scorer=open_scorer,
    )  # fmt: skip
    patient = partial(tracking.client, patience_s=PATIENT_S)
    arrivals = Arrivals(records, registrar, patient, most)
    rollouts = Rollouts(
        records, journal, clock, workflows,
        serving=serving,
        spec_of=desk.spec,
        opened=registrar.opened,
        on_live=on_live,
        python_of=lambda product, version: builds.python_of(product, version),
    )  # fmt: skip
    desk.withdraw = rollouts.withdraw
    promotions = Promotions(
        records, journal, clock,
        start_rollout=lambda product, version, by: rollouts.start(product, version, by=by),
        opened=registrar.opened,
    )  # fmt: skip
    builds = Builds(
        records, journal, clock, workflows, desk,
        folder=data / RUNS,
        tracking_url=lambda: f"{models.url}/mlflow",
        collect=arrivals.collect,
        api=patient(),
        access=access,
        opened=registrar.opened,
    )  # fmt: skip
    retrains = Retrains(
        records, journal, clock, desk.spec, builds.start, builds.training_data, changes
    )
    models = Models(
        settings, clock, workflows, predictions, tracking, serving, desk, registrar, validations,
        promotions, rollouts, builds, arrivals,
        gate=PromotionGate(records, promotions),
        health=HealthDesk(
            records, journal, clock, predictions,
            spec_of=desk.spec,
            training=training,
            publish=publish,
            held_out=held_out,
            measures=serving.measures,
            consider=retrains.consider,
        ),
        retrains=retrains,
        evidence=EvidenceDesk(
            records, journal, clock, blobs,
            files_of=lambda product, version: _files(shelf, seal, product, version),
            requirements_of=lambda product, version: _requirements(shelf, product, version),
        ),
        batch=BatchScoring(workflows, open_scorer),
        follow=Follow(records, journal, promotions, validations, tell),
    )  # fmt: skip
    return models


def _files(shelf: Shelf, seal: Seal, product: str, version: str) -> Mapping[str, str]:
    """Name a version's sealed files with their SHA-256; nothing where they were let go."""
    place = shelf.path(product, version)
    if not place.is_dir():
        return {}
    return seal.verify(place / MODEL, (place / SIGNATURE).read_bytes()).files


def _requirements(shelf: Shelf, product: str, version: str) -> str:
    try:
        return (shelf.path(product, version) / MODEL / "requirements.txt").read_text()
    except OSError:
        return ""
