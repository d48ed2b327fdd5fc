"""Versions are taken once, opened only whole, and let go as the product's retention says."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace

import pytest

from peers.memory_records import MemoryRecords
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import Denied, NotFound, StoreFull
from twinhelm.events.journal import Journal
from twinhelm.mlops.flow.registering import DAY_MS, Registrar
from twinhelm.mlops.records import load, put
from twinhelm.mlops.register.exported import read
from twinhelm.mlops.register.seal import Seal
from twinhelm.mlops.register.shelf import MODEL, SIGNATURE, Shelf
from twinhelm.mlops.types import (
    Approval,
    ApprovalState,
    Deployment,
    Part,
    Product,
    ProductVersion,
    Stage,
)

SPEC = {
    "product": {"name": "fraud", "use_case": "u", "decides": "d", "owner": "o", "tier": "low"},
    "retention": {"versions": 2},
}


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


class Desk:
    """A registrar on memory, and models to take."""

    def __init__(self, folder):
        self.folder = folder
        self.records = MemoryRecords()
        self.clock = FakeClock()
        self.journal = Journal(self.records, self.clock)
        self.shelf = Shelf(folder / "models")
        self.seal = Seal(folder / "signing.pem")
        self.registrar = Registrar(self.records, self.journal, self.clock, self.shelf, self.seal)

    def model(self, content=1):
        folder = self.folder / f"logged-{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        (folder / "MLmodel").write_text(
            "flavors: {sklearn: {pickled_model: model.pkl, sklearn_version: 1.9.1}}"
        )
        (folder / "model.pkl").write_bytes(pickle.dumps(content))
        return folder

    def take(self, version="1", content=1, **options):
        self.clock.advance(1)
        return self.registrar.take(
            "fraud", version, self.model(content), author="ada", by="bo", **options
        )

    def kinds(self):
        return [row.kind for row in self.journal.read()]

    def change(self, *values):
        with self.journal.writing("test") as write:
            for value in values:
                put(write, value)

    def content(self):
        return (self.registrar.opened("fraud", "1") / "model.pkl").read_bytes()

    def files(self, version="1"):
        return self.shelf.path("fraud", version)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_a_version_is_copied_sealed_and_recorded(desk):
    made = desk.take(run_id="r1", build="4", data={"train": "t"}, metrics={"auc": 0.9})
    assert (made.stage, made.author, made.run_id, made.build) == ("registered", "ada", "r1", "4")
    assert (made.flavor, made.facts["sklearn sklearn_version"]) == ("sklearn", "1.9.1")
    assert (len(made.digest), made.signer, made.metrics) == (64, desk.seal.signer, {"auc": 0.9})
    assert made.size_bytes > 0
    assert load(desk.records, ProductVersion, "fraud/1") == made
    (row,) = desk.journal.read()
    assert (row.kind, row.actor, row.body["digest"]) == ("version.registered", "bo", made.digest)
    assert desk.content() == pickle.dumps(1)


def test_an_unknown_product_is_made_with_the_highest_tier(desk):
    desk.take()
    product = load(desk.records, Product, "fraud")
    assert (product.tier, product.spec, product.owner) == ("high", {}, "ada")


def test_a_known_product_is_left_as_it_is(desk):
    known = Product("fraud", "d", "olga", "low")
    desk.change(known)
    desk.take()
    assert load(desk.records, Product, "fraud") == known


def test_taken_again_it_is_the_same(desk):
    first = desk.take()
    assert desk.take(content=2) == first
    assert desk.kinds() == ["version.registered"]


def test_metrics_that_are_no_numbers_are_left_out(desk):
    assert desk.take(metrics={"a": float("nan"), "b": float("inf"), "c": 1.0}).metrics == {"c": 1}


def test_what_must_not_be_opened_is_recorded_as_refused(desk):
    made = desk.take(content=Evil())
    assert made.stage == Stage.REFUSED
    assert "system" in made.reason
    assert desk.kinds() == ["version.refused"]
    assert not desk.shelf.holds("fraud", "1")
    with pytest.raises(Denied, match="system"):
        desk.registrar.opened("fraud", "1")
    assert desk.take(content=1) == made


def test_what_is_too_large_is_refused(desk, tmp_path):
    desk.registrar.shelf = Shelf(tmp_path / "small", max_bytes=10)
    assert "bytes" in desk.take().reason


def test_files_that_are_not_there_yet_leave_no_trace(desk, tmp_path):
    with pytest.raises(NotFound, match="log the model"):
        desk.registrar.take("fraud", "1", tmp_path / "none", author="ada", by="bo")
    assert desk.kinds() == []


def test_a_full_disk_leaves_no_trace_and_may_be_tried_again(desk, monkeypatch):
    def full(*_):
        raise StoreFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(desk.shelf, "add", full)
        with pytest.raises(StoreFull):
            desk.take()
    assert desk.kinds() == []
    assert desk.take().stage == Stage.REGISTERED


def test_killed_before_the_record_it_is_taken_anew(desk, monkeypatch):
    def killed(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(desk.journal, "writing", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.take()
    assert desk.shelf.holds("fraud", "1")
    desk.take(content=7)
    assert desk.content() == pickle.dumps(7)


def tampered(path, content):
    path.chmod(0o600)
    path.write_bytes(content)


def test_a_tampered_file_is_not_opened(desk):
    desk.take()
    tampered(desk.files() / MODEL / "model.pkl", pickle.dumps(Evil()))
    with pytest.raises(Denied, match="as it was signed"):
        desk.registrar.opened("fraud", "1")


def test_another_signed_version_in_its_place_is_not_opened(desk):
    desk.take("1", content=1)
    desk.take("2", content=2)
    for part in (f"{MODEL}/model.pkl", SIGNATURE):
        tampered(desk.files("1") / part, (desk.files("2") / part).read_bytes())
    with pytest.raises(Denied, match="not those that were registered"):
        desk.registrar.opened("fraud", "1")


def test_without_its_signature_or_files_it_is_not_opened(desk):
    desk.take()
    (desk.files() / SIGNATURE).unlink()
    with pytest.raises(Denied, match="signature"):
        desk.registrar.opened("fraud", "1")
    desk.shelf.delete("fraud", "1")
    with pytest.raises(NotFound, match="not here"):
        desk.registrar.opened("fraud", "1")
    with pytest.raises(NotFound):
        desk.registrar.opened("fraud", "9")


def test_what_has_no_files_is_not_opened(desk):
    desk.change(ProductVersion("baseline", "1", "live", 1, "ours"))
    with pytest.raises(Denied, match="no files"):
        desk.registrar.opened("baseline", "1")


def retired(desk, count, **product):
    desk.change(Product("fraud", "d", "o", "low", spec=SPEC, **product))
    for number in range(1, count + 1):
        desk.change(replace(desk.take(str(number)), stage=Stage.RETIRED))
    return desk.clock.now_ms() + 2 * DAY_MS


def kept(desk, count):
    return [n for n in range(1, count + 1) if desk.shelf.holds("fraud", str(n))]


def test_old_retired_versions_lose_their_files_not_their_records(desk):
    now = retired(desk, 5)
    assert desk.registrar.prune(now) == 3
    assert kept(desk, 5) == [4, 5]
    assert load(desk.records, ProductVersion, "fraud/1").stage == Stage.RETIRED
    assert desk.kinds().count("version.pruned") == 3
    assert desk.registrar.prune(now) == 0
    assert desk.kinds().count("version.pruned") == 3


def test_a_legal_hold_keeps_everything(desk):
    assert desk.registrar.prune(retired(desk, 4, hold="a court asks")) == 0
    assert kept(desk, 4) == [1, 2, 3, 4]


def test_what_answers_or_answered_last_is_kept(desk):
    now = retired(desk, 5)
    desk.change(Deployment("fraud", (Part("1", "champion", 1.0),), 1, before="2"))
    assert desk.registrar.prune(now) == 1
    assert kept(desk, 5) == [1, 2, 4, 5]


def test_what_came_within_a_day_is_kept(desk):
    retired(desk, 4)
    assert desk.registrar.prune(desk.clock.now_ms()) == 0


def test_only_what_was_approved_leaves_the_house(desk, tmp_path):
    made = desk.take()
    for stage in (Stage.REGISTERED, Stage.RETIRED):
        desk.change(replace(made, stage=stage))
        with pytest.raises(Denied, match="only what is approved or live") as caught:
            desk.registrar.export("fraud", "1", tmp_path / "out", by="cy")
        assert "twinhelm promote fraud 1" in caught.value.hint
    assert not (tmp_path / "out").exists()
    assert "version.exported" not in desk.kinds()


@pytest.mark.parametrize("stage", [Stage.APPROVED, Stage.LIVE])
def test_an_export_says_who_let_it_in_and_stands_in_the_journal(desk, tmp_path, stage):
    made = replace(desk.take(), stage=stage)
    framed = Product("fraud", "d", "o", "low", spec=SPEC, folder="/srv/own", watchers=("ada",))
    asked = Approval("fraud/1/1", "fraud", "1", "ada", 5, 1, ApprovalState.REFUSED)
    agreed = replace(asked, id="fraud/1/2", asked_ms=6, state=ApprovalState.APPROVED)
    other = replace(agreed, id="fraud/2/1", version="2", asked_ms=7)
    desk.change(made, framed, asked, agreed, other)
    desk.registrar.export("fraud", "1", tmp_path / "out", by="cy")
    found = read(tmp_path / "out", desk.seal)
    assert (found.version, found.approval, found.made_by) == (made, agreed, "cy")
    assert (found.product.folder, found.product.watchers) == ("", ())
    assert (tmp_path / "out" / MODEL / "model.pkl").read_bytes() == pickle.dumps(1)
    row = desk.journal.read()[-1]
    assert (row.kind, row.actor, row.body["digest"]) == ("version.exported", "cy", made.digest)


def test_files_that_were_changed_do_not_leave_the_house(desk, tmp_path):
    desk.change(replace(desk.take(), stage=Stage.LIVE))
    changed = desk.files() / MODEL / "model.pkl"
    changed.chmod(0o600)
    changed.write_bytes(b"other")
    with pytest.raises(Denied, match="not as it was signed"):
        desk.registrar.export("fraud", "1", tmp_path / "out", by="cy")
    assert not (tmp_path / "out").exists()
