"""The models' wing on stores in memory: real flows, and workers that only count."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

from peers.governed import known
from peers.memory_blobs import MemoryBlobs
from peers.memory_predictions import MemoryPredictions
from peers.memory_workflows import MemoryWorkflows
from twinhelm.core.errors import Denied, Unavailable
from twinhelm.mlops.deploy import Tally
from twinhelm.mlops.deploy.batch import BatchScoring
from twinhelm.mlops.flow.builds import Builds
from twinhelm.mlops.flow.evidence import EvidenceDesk
from twinhelm.mlops.flow.health import HealthDesk
from twinhelm.mlops.flow.products import ProductDesk
from twinhelm.mlops.flow.promotions import Promotions
from twinhelm.mlops.flow.rollouts import Rollouts
from twinhelm.mlops.flow.validations import Validations
from twinhelm.mlops.records import put
from twinhelm.mlops.types import Stage

DIGEST = "d" * 64


class Workers:
    """Stands for Serving: holds and turns without a process."""

    def measures(self, product, version):
        return self.tally(product, version).words()

    def tally(self, product, version):
        tally = Tally()
        tally.add(200, 0.01)
        return tally

    def limits(self, *_):
        return None

    def hold(self, *_, **__):
        """Hold."""

    def holds(self, *_):
        return True

    def release(self, *_):
        """Release."""

    def turn(self, *_):
        """Turn."""


class Register:
    """Stands for the registrar: every version opens, and what was let in is exported nowhere."""

    seal = SimpleNamespace(public=b"a public key")

    def __init__(self, desk, folder):
        self.desk, self.folder = desk, folder

    def opened(self, _product, _version):
        return self.folder

    def export(self, product, version, _target, *, by):
        found = self.desk.version(product, version)
        if found.stage != Stage.LIVE:
            raise Denied(f"{found.ref} was not let in")
        return SimpleNamespace(version=found)


class Unreachable:
    """Stands for a client of MLflow that does not answer."""

    def post(self, *_, **__):
        raise Unavailable("no MLflow here")

    pages = post


@contextmanager
def no_scorer(product, version):
    raise Unavailable("no worker here")
    yield


def idle():
    """What the site itself asks of the wing; nothing of it is ever used."""
    return SimpleNamespace(
        tracking=SimpleNamespace(socket="absent", ready=False),
        gate=None,
        arrivals=SimpleNamespace(hear=lambda *_: None),
        serving=Workers(),
    )


def wing(house, folder):
    """Build the flows that pages and API ask, on a house's records and journal."""
    first = (house.records, house.journal, house.clock)
    workflows = MemoryWorkflows(house.clock)
    desk, workers = ProductDesk(*first), Workers()
    opened = lambda product, version: folder  # noqa: E731 - a stand-in
    rollouts = Rollouts(*first, workflows, workers, desk.spec, opened, lambda *_: None)
    flows = SimpleNamespace(
        **vars(idle()) | {"serving": workers},
        desk=desk,
        builds=Builds(
            *(*first, workflows, desk, folder, lambda: "http://127.0.0.1:1", lambda *_: ""),
            Unreachable(),
        ),
        registrar=Register(desk, folder),
        rollouts=rollouts,
        promotions=Promotions(*first, lambda p, v, by: rollouts.start(p, v, by=by), opened),
        validations=Validations(*(*first, workflows, desk.spec, lambda *_: ({}, ""), no_scorer)),
        health=HealthDesk(
            *(*first, MemoryPredictions(), desk.spec, lambda *_: None, lambda _rows: None)
        ),
        evidence=EvidenceDesk(
            *(*first, MemoryBlobs(), lambda *_: {"MLmodel": "1" * 64}, lambda *_: "numpy\n")
        ),
        workflows=workflows,
        batch=BatchScoring(workflows, no_scorer),
    )
    for flow in (flows.builds, flows.validations, rollouts, flows.batch):
        flow.register()
    return flows


def furnish(house, *, hostile=""):
    """Put ``cancer`` into the records: version 3 live, version 4 validated by ada, tier high."""
    now, full = house.clock.now_ms(), known()
    product = replace(full.product, decides=f"Which biopsy is read first {hostile}")
    four = replace(
        full.version, version="4", stage=Stage.REGISTERED, registered_ms=now, author="ada",
        method=f"forest {hostile}", digest=DIGEST,
    )  # fmt: skip
    two = replace(full.version, version="2", stage=Stage.RETIRED, registered_ms=1)
    found = replace(full.validation, version="4", time_ms=now, against="3")
    remark = replace(full.remarks[0], text=f"@grace please read {hostile}")
    with house.journal.writing("ada") as write:
        for value in (
            *(product, two, full.version, four, full.validation, found, full.run, full.approval),
            *(full.deployment, full.health, *full.rollouts, remark),
        ):
            put(write, value)
