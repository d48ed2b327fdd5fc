"""From MLflow into the register: whose it is, what it was made with, and only once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from peers.memory_records import MemoryRecords
from twinhelm.core.clock import FakeClock
from twinhelm.core.roles import ANONYMOUS
from twinhelm.events.journal import Journal
from twinhelm.mlops.build.tracked import recipe_name
from twinhelm.mlops.flow.arrivals import Arrivals
from twinhelm.mlops.records import put
from twinhelm.mlops.types import ProductVersion, Run


class Mlflow:
    """Stands for the client of our MLflow: one run, one version of it."""

    def __init__(self, tags=(), versions=("1",)):
        self.tags, self.versions = dict(tags), versions

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def version(self, name, number):
        return {"run_id": "r1", "source": f"models:/{name}/{number}"}

    def run(self, run_id):
        return {"tags": self.tags, "metrics": {"accuracy": "0.9"}}

    def download(self, source, target, *, max_bytes):
        (target / "MLmodel").write_text(source)

    def pages(self, endpoint, what, **asked):
        assert asked == {"filter": "run_id='r1'"}
        return [{"name": "churn", "version": each} for each in self.versions] + [
            {"name": "other", "version": "9"}
        ]


class Room:
    def __init__(self, **mlflow):
        self.records = MemoryRecords()
        self.journal = Journal(self.records, FakeClock())
        self.taken = []
        registrar = SimpleNamespace(take=self.take)
        self.arrivals = Arrivals(self.records, registrar, lambda: Mlflow(**mlflow), 1 << 20)

    def take(self, product, version, folder, **facts):
        assert (folder / "MLmodel").is_file()
        self.taken.append(facts)
        made = ProductVersion(product, version, "registered", 0, "m", author=facts["author"])
        with self.journal.writing("test") as write:
            put(write, made)
        return made


def test_a_version_is_taken_once():
    room = Room()
    room.arrivals.hear("churn", "1", "ada")
    room.arrivals.hear("churn", "1", "ada")
    (facts,) = room.taken
    assert (facts["author"], facts["run_id"], facts["metrics"]) == ("ada", "r1", {"accuracy": 0.9})
    assert facts["build"] == ""


@pytest.mark.parametrize(
    ("by", "tags", "author", "claimed"),
    [
        ("ada", {"mlflow.user": "root"}, "ada", False),
        (ANONYMOUS.name, {"mlflow.user": "root"}, "root", True),
        (ANONYMOUS.name, {}, ANONYMOUS.name, True),
    ],
    ids=["by name", "as its client says", "nobody says"],
)
def test_the_author_is_who_came_and_a_name_without_proof_is_a_claim(by, tags, author, claimed):
    room = Room(tags=tags)
    assert room.arrivals.hear("churn", "1", by).author == author
    assert room.taken[0]["claimed"] is claimed


def run_of_grace(room):
    with room.journal.writing("test") as write:
        put(write, Run("churn", 4, "running", "grace", 0, data={"train": "d1"}))


def test_what_our_own_run_made_is_its_asker_s():
    room = Room()
    run_of_grace(room)
    room.arrivals.hear("churn", "1", recipe_name("churn", 4))
    (facts,) = room.taken
    assert (facts["author"], facts["build"], facts["data"]) == ("grace", "4", {"train": "d1"})
    assert not facts["claimed"]


@pytest.mark.parametrize("by", ["ada", ANONYMOUS.name, recipe_name("churn", 9)])
def test_a_tag_makes_nothing_a_run_s(by):
    room = Room(tags={"twinhelm.build": "churn/4/1"})
    run_of_grace(room)
    room.arrivals.hear("churn", "1", by)
    assert (room.taken[0]["build"], room.taken[0]["author"]) == ("", by)


@pytest.mark.parametrize(
    ("versions", "found"), [((), ""), (("2", "10"), "10")], ids=["none", "the newest"]
)
def test_a_run_s_version_is_found(versions, found):
    room, run = Room(versions=versions), Run("churn", 1, "running", "ada", 0)
    with room.journal.writing("test") as write:
        put(write, run)
    assert room.arrivals.collect(run, "r1") == found
    assert [facts["author"] for facts in room.taken] == ["ada"] * bool(found)
