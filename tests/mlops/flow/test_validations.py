import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from mlops.validate.scorers import Model, people, spec
from peers.memory_records import MemoryRecords
from peers.memory_workflows import MemoryWorkflows
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import Denied, NotFound, Unavailable
from twinhelm.events.journal import Journal
from twinhelm.events.workflows import WorkflowState
from twinhelm.mlops.flow.validations import Validations
from twinhelm.mlops.records import put
from twinhelm.mlops.types import Deployment, Part, ProductVersion, Verdict

GATES = ({"metric": "roc_auc", "at_least": 0.85}, {"metric": "f1", "than": "champion", "by": 0.05})


class House:
    """A register of two versions, of which one may be live; models are made by ``model``."""

    def __init__(self, file, *, model=Model, live="", models=None):
        self.clock, self.records = FakeClock(), MemoryRecords()
        self.journal = Journal(self.records, self.clock)
        self.workflows = MemoryWorkflows(self.clock)
        self.file, self.models = file, models or {}
        self.make, self.broken, self.opened = model, {}, []
        with self.journal.writing("ada") as write:
            for version in "12":
                one = ProductVersion("p", version, "registered", 1, "m", metrics={"cv_f1": 0.75},
                                     size_bytes=1_000_000)  # fmt: skip
                put(write, one)
            if live:
                put(write, Deployment("p", (Part(live, "champion", 1.0),), 1))
        self.validations = Validations(
            self.records,
            self.journal,
            self.clock,
            self.workflows,
            lambda _: self.file,
            self.data_of,
            self.open,
        )
        self.validations.register()

    def data_of(self, _product, role):
        if role in self.broken:
            raise self.broken[role]
        return people(seed=1 if role == "holdout" else 2), f"digest of {role}"

    @contextmanager
    def open(self, _product, version):
        made = self.models.get(version, self.make)
        if isinstance(made, Exception):
            raise made
        self.opened.append(version)
        yield made()
        self.opened.append(f"closed {version}")

    def validate(self, version="2"):
        run = self.validations.start("p", version, by="ada")
        for thread in threading.enumerate():
            if thread.name == f"workflow {run}":
                thread.join(60)
        return self.workflows.status(run)

    def checks(self, version="2"):
        return {each.name: each for each in self.validations.latest("p", version).checks}


def test_a_validation_is_kept_and_told_of():
    house = House(spec(*GATES), live="1")
    assert house.validations.latest("p", "2") is None
    assert house.validate().result == {"verdict": "pass"}
    kept = house.validations.latest("p", "2")
    assert (kept.against, kept.time_ms) == ("1", house.clock.now_ms())
    assert kept.data == {"holdout": "digest of holdout", "train": "digest of train"}
    assert kept.passed
    checks = house.checks()
    assert checks["size_mb"].value == 1.0
    assert "cv_f1 0.75" in checks["cross-validation"].says
    assert sorted(house.opened) == ["1", "2", "closed 1", "closed 2"]
    (told,) = house.journal.read(kind="version.validated")
    assert (told.actor, told.subject) == ("ada", "version/p/2")
    assert told.body["verdict"] == "pass"


def test_what_fails_is_named_in_the_event():
    house = House(spec({"metric": "roc_auc", "at_least": 0.999}))
    assert house.validate().result == {"verdict": "fail"}
    (told,) = house.journal.read(kind="version.validated")
    assert told.body["failed"] == ["roc_auc"]


def test_the_champion_is_not_held_against_itself():
    house = House(spec(*GATES), live="1")
    house.validate("1")
    assert house.validations.latest("p", "1").against == ""


def test_the_same_step_twice_tells_once():
    """A crash between the commit and the end of the step does it again."""
    house = House(spec(*GATES))
    run = SimpleNamespace(progress=lambda *_: None)
    found = house.validations._examine(run, "p", "2")
    for _ in range(2):
        assert house.validations._keep(found, "ada") == {"verdict": "pass"}
    assert len(house.journal.read(kind="version.validated")) == 1
    again = house.validations._examine(run, "p", "2")
    assert again == found


@pytest.mark.parametrize(("file", "name", "said"), [
    (None, "product file", "frame it"),
    (spec(*GATES, holdout=""), "hold-out data", "data.holdout"),
])  # fmt: skip
def test_without_file_or_data_it_says_what_to_add(file, name, said):
    house = House(file)
    assert house.validate().result == {"verdict": "unknown"}
    assert said in house.checks()[name].says
    assert {each.verdict for each in house.checks().values()} == {Verdict.UNKNOWN}


def test_data_that_cannot_be_read_is_unknown():
    house = House(spec(*GATES))
    house.broken["holdout"] = NotFound("there is no file h.csv")
    assert house.validate().result == {"verdict": "unknown"}
    assert "no file h.csv" in house.checks()["hold-out data"].says
    house.broken = {"train": NotFound("there is no file t.csv")}
    house.validate()
    assert house.checks()["duplicates"].verdict is Verdict.UNKNOWN


def test_a_model_that_may_not_be_opened_fails():
    house = House(spec(*GATES), models={"2": Denied("its files were altered")})
    assert house.validate().result == {"verdict": "fail"}
    assert "its files were altered" in house.checks()["answers"].says


def test_a_champion_that_cannot_be_opened_leaves_its_gates_unknown():
    house = House(spec(*GATES), live="1", models={"1": Unavailable("it did not start")})
    assert house.validate().result == {"verdict": "unknown"}
    assert house.checks()["f1 against champion"].verdict is Verdict.UNKNOWN


def test_a_database_that_is_away_fails_the_run_and_keeps_nothing():
    house = House(spec(*GATES))
    house.broken["holdout"] = Unavailable("the store is away")
    assert house.validate().state is WorkflowState.FAILED
    assert house.validations.latest("p", "2") is None


def test_a_version_that_does_not_exist_is_refused():
    with pytest.raises(NotFound, match="p/9"):
        House(spec()).validations.start("p", "9", by="ada")


def test_a_validation_under_way_is_not_begun_twice():
    go, house = threading.Event(), House(spec())

    def wait(_product, _role):
        go.wait(30)
        raise NotFound("nothing there")

    house.validations.data_of = wait
    first = house.validations.start("p", "2", by="ada")
    assert house.validations.start("p", "2", by="bob") == first
    assert house.validations.start("p", "1", by="bob") != first
    go.set()
    house.validate()
    assert house.validate().id != first


def test_versions_are_compared_by_what_was_kept():
    house = House(spec(*GATES), live="1", models={"2": lambda: Model((1.0, 0.2))})
    with pytest.raises(NotFound, match="never validated"):
        house.validations.compare("p", "1", "2")
    house.validate("1")
    house.validate("2")
    rows = {row["metric"]: row for row in house.validations.compare("p", "1", "2")}
    assert rows["roc_auc"]["verdict"] == "worse"
    assert "paired" in rows["roc_auc"]["says"]
    assert rows["roc_auc"]["b"] < rows["roc_auc"]["a"]
