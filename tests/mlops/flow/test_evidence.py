"""The desk reads what was recorded, makes the documents, and journals what left the house."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from peers.governed import NOW, known
from peers.memory_blobs import MemoryBlobs
from peers.memory_records import MemoryRecords
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import NotFound
from twinhelm.core.json import dumps, loads
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.products import DriftFound, ProductFramed, VersionRegistered
from twinhelm.mlops.flow.evidence import EvidenceDesk, Kept
from twinhelm.mlops.records import put
from twinhelm.mlops.types import ApprovalState, Deployment, Part, Product


def files(product: str, version: str) -> Mapping[str, str]:
    return {"MLmodel": "1" * 64}


def house(*, filled: bool = True) -> EvidenceDesk:
    """A desk over records that hold everything of one product, and one bare product."""
    records, clock, sources = MemoryRecords(), FakeClock(NOW), known()
    journal = Journal(records, clock)
    with journal.writing("ada") as write:
        put(write, Product("bare", "nothing yet", "eve", "low"))
        write.event(ProductFramed("bare", "low", "eve", ""))
        if filled:
            one = (sources.product, sources.version, sources.run, sources.validation,
                   sources.approval, sources.deployment, sources.health)  # fmt: skip
            for value in (*one, *sources.repeats, *sources.rollouts, *sources.remarks):
                assert value is not None
                put(write, value)
            write.event(VersionRegistered("cancer", "3", "c" * 64))
            write.event(DriftFound("cancer", "2", ("radius",), "another version's"))
    return EvidenceDesk(
        records, journal, clock, MemoryBlobs(), files, lambda *_: "scikit-learn==1.7.2\n"
    )


def test_facts_are_read_from_every_record() -> None:
    facts = house().facts("cancer", "3")
    unknown = {name for name, fact in facts.items() if not fact.known}
    assert {name.split(".")[0] for name in unknown} == {"journal"}
    assert facts["journal.registered"].source == "journal row 2"
    assert not facts["journal.drift"].known


def test_the_run_again_is_no_maker() -> None:
    facts = house().facts("cancer", "3")
    assert facts["run.outcome"].text.startswith("run 4 ")
    assert facts["run.repeated"].text == "run 5 made run 4 again: done"


def test_a_product_without_versions_has_documents_full_of_unknown() -> None:
    desk = house(filled=False)
    assert desk.readiness("bare").score == 0
    assert desk.lineage("bare").edges == ()
    with pytest.raises(NotFound):
        desk.card("bare", "1")


def test_card_and_bill_are_of_the_version() -> None:
    desk = house()
    assert "# cancer, version 3" in desk.card("cancer", "3")
    assert desk.bom("cancer", "3")["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert "## Model details" in desk.card("cancer", "3")


def told(desk: EvidenceDesk, made: Kept) -> Any:
    return loads(desk.file("cancer", "3", made.digest, "json")[1])


def test_a_pack_is_journaled_once_and_tells_the_head_before() -> None:
    desk = house()
    head = desk.journal.head()
    made = desk.pack("cancer", "3", "eu-ai-act", by="eve")
    row = desk.journal.read(newest_first=True, limit=1)[0]
    assert (row.kind, row.actor, row.subject) == (
        "evidence.exported", "eve", "version/cancer/3")  # fmt: skip
    assert (row.seq, row.body["digest"]) == (head.seq + 1, made.digest)
    assert told(desk, made)["journal"]["head"] == head.hash
    assert told(desk, made)["journal"]["whole"] is True
    again = desk.pack("cancer", "3", "eu-ai-act", by="eve")
    assert told(desk, again)["facts"]["journal.exported"]["source"] == f"journal row {row.seq}"
    assert desk.packs("cancer", "3") == [again, made]


def test_the_three_forms_of_a_pack_are_one_and_reading_them_changes_nothing() -> None:
    desk = house()
    made = desk.pack("cancer", "3", "eu-ai-act", by="eve")
    head = desk.journal.head()
    files = {form: desk.file("cancer", "3", made.digest, form) for form in ("json", "html", "pdf")}
    assert desk.journal.head() == head
    assert {catalogue for catalogue, _ in files.values()} == {"eu-ai-act"}
    assert sha256(files["json"][1]).hexdigest() == made.digest
    assert made.digest.encode() in files["html"][1]
    assert files["pdf"][1].startswith(b"%PDF-")
    assert desk.file("cancer", "3", made.digest, "html") == files["html"]


@pytest.mark.parametrize(("version", "form"), [("3", "exe"), ("2", "json"), ("9", "json")], ids=str)
def test_what_was_not_made_is_not_there_and_says_how_to_make_it(version: str, form: str) -> None:
    desk = house()
    made = desk.pack("cancer", "3", "eu-ai-act", by="eve")
    with pytest.raises(NotFound, match=f"twinhelm evidence cancer {version}"):
        desk.file("cancer", version, made.digest, form)


def test_an_unknown_catalogue_is_refused_and_nothing_is_journaled() -> None:
    desk = house()
    before = desk.journal.head()
    with pytest.raises(NotFound, match="eu-ai-act"):
        desk.pack("cancer", "3", "nope", by="eve")
    with pytest.raises(NotFound):
        desk.pack("cancer", "9", "eu-ai-act", by="eve")
    assert desk.journal.head() == before


def test_the_inventory_has_a_line_per_product_and_is_json() -> None:
    bare, cancer = house().inventory()
    assert (cancer["product"], cancer["tier"], cancer["stage"]) == ("cancer", "high", "live")
    assert cancer["live"] == "version 3 as champion, 100%"
    assert cancer["approved_by"] == "1 of 1: grace"
    assert (bare["product"], bare["live"], bare["drift"]) == ("bare", "unknown", "unknown")
    assert loads(dumps([bare, cancer]))[1] == cancer


def test_the_inventory_of_an_empty_house_is_empty() -> None:
    records, clock = MemoryRecords(), FakeClock(NOW)
    journal = Journal(records, clock)
    desk = EvidenceDesk(records, journal, clock, MemoryBlobs(), files, lambda *_: "")
    assert desk.inventory() == []


def test_readiness_is_of_the_champion() -> None:
    desk = house()
    assert desk.readiness("cancer").score > 0
    with desk.journal.writing("ada") as write:
        version = known().version
        assert version
        put(write, replace(version, version="4", stage="registered", build=""))
        put(write, Deployment("cancer", (Part("4", "champion", 1.0),), NOW, "3"))
    assert desk.inventory()[1]["version"] == "4"


def test_the_request_that_let_it_live_is_told_and_not_a_later_one() -> None:
    desk, approval = house(), known().approval
    assert approval
    later = replace(
        approval, id="cancer/3/2", asked_ms=NOW + 99, state=ApprovalState.OPEN, answers=()
    )
    with desk.journal.writing("ada") as write:
        put(write, later)
    assert desk.facts("cancer", "3")["approval.state"].source == "approval/cancer/3/1"


def test_lineage_of_a_product_and_of_a_version() -> None:
    desk = house()
    assert desk.lineage("cancer") == desk.lineage("cancer", "3")
    assert "run cancer/4" in desk.lineage("cancer").mermaid
    for name, version in (("nope", ""), ("cancer", "9")):
        with pytest.raises(NotFound):
            desk.lineage(name, version)


def test_the_catalogues_are_listed() -> None:
    names = [each["name"] for each in house().catalogues()]
    assert "eu-ai-act" in names
    assert len(names) == 6
