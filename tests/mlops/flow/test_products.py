"""The desk: products are framed, talked about, held and retired, each with its event."""

from __future__ import annotations

import pytest

from peers.memory_records import MemoryRecords
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import BadInput, Conflict, Denied, NotFound
from twinhelm.events.journal import Journal
from twinhelm.mlops import records as rows
from twinhelm.mlops.flow.products import ProductDesk
from twinhelm.mlops.frame.guide import draft
from twinhelm.mlops.register.builtin import register_builtin
from twinhelm.mlops.types import Product, ProductVersion

TEXT = """\
[product]
name = "digits"
use_case = "Reads digits."
decides = "Which digit is entered."
owner = "ada"
reviewers = ["grace"]
tier = "limited"
"""


@pytest.fixture
def desk():
    records, clock = MemoryRecords(), FakeClock()
    return ProductDesk(records, Journal(records, clock), clock)


def events(desk):
    return [(row.kind, row.actor, dict(row.body)) for row in desk.journal.read()]


def test_a_framed_product_is_there_with_its_spec(desk, tmp_path):
    product = desk.frame(TEXT, folder=str(tmp_path), by="ada")
    assert desk.all() == [product] == [desk.product("digits")]
    assert (product.tier, product.folder, product.watchers) == (
        "limited", str(tmp_path), ("ada", "grace"),
    )  # fmt: skip
    assert desk.spec("digits").product.decides == "Which digit is entered."
    assert desk.spec("digits") is desk.spec("digits")
    ((kind, by, body),) = events(desk)
    assert (kind, by, body["changed"]) == ("product.framed", "ada", [])


def test_the_same_again_is_no_event_and_a_change_names_its_keys(desk):
    desk.frame(TEXT, folder="", by="ada")
    desk.clock.advance(1)
    desk.frame(TEXT, folder="", by="ada")
    assert len(events(desk)) == 1
    changed = TEXT.replace("Reads", "Sees") + '[[gates]]\nmetric = "size_mb"\nat_most = 5\n'
    desk.frame(changed, folder="", by="ada")
    assert events(desk)[-1][2]["changed"] == ["gates", "product.use_case"]
    assert desk.spec("digits").gates[0].metric == "size_mb"


def test_errors_in_the_file_change_nothing(desk):
    with pytest.raises(BadInput, match=r"product\.toml:7:1"):
        desk.frame(TEXT.replace("limited", "tiny"), folder="", by="ada")
    with pytest.raises(BadInput, match="no folder"):
        desk.frame(TEXT, folder="relative", by="ada")
    assert desk.all() == []
    assert events(desk) == []


def test_the_tier_is_not_lowered_by_one_person_alone(desk):
    desk.frame(TEXT, folder="", by="ada")
    low = TEXT.replace('"limited"', '"low"')
    with pytest.raises(Denied, match="ada may not lower"):
        desk.frame(low, folder="", by="ada")
    assert desk.frame(low, folder="", by="grace").tier == "low"
    assert desk.frame(TEXT, folder="", by="ada").tier == "limited"


def test_without_reviewers_it_is_the_owner_who_may_not(desk):
    text = TEXT.replace('reviewers = ["grace"]\n', "")
    desk.frame(text, folder="", by="ada")
    low = text.replace('"limited"', '"low"')
    with pytest.raises(Denied, match="somebody but the owner"):
        desk.frame(low, folder="", by="ada")
    assert desk.frame(low, folder="", by="joan").tier == "low"


def test_what_was_registered_without_a_file_can_be_framed(desk):
    with desk.journal.writing("mlflow") as write:
        rows.put(write, Product("digits", "", "", "limited", live="3"))
    assert desk.spec("digits") is None
    assert desk.frame(TEXT, folder="", by="ada").live == "3"


def test_the_houses_own_products_stay_as_they_are(desk):
    own = Product("baseline", "What is strange.", "twinhelm", "limited")
    register_builtin(desk.journal, desk.clock, own, version="1", method="m", facts={})
    with pytest.raises(Conflict):
        desk.frame(TEXT.replace("digits", "baseline"), folder="", by="ada")
    for change in (desk.hold, desk.retire):
        with pytest.raises(Conflict):
            change("baseline", "why", by="ada")
    desk.watch("baseline", by="ada")
    assert desk.product("baseline").watchers == ("ada",)


def test_holds_begin_and_end(desk):
    desk.frame(TEXT, folder="", by="ada")
    for reason in ("a court asked", "a court asked", ""):
        desk.hold("digits", reason, by="judge")
        assert desk.product("digits").hold == reason
    assert [body["reason"] for _, _, body in events(desk)[1:]] == ["a court asked", ""]


def test_what_answers_cannot_be_retired(desk):
    desk.frame(TEXT, folder="", by="ada")
    with desk.journal.writing("x") as write:
        rows.put(write, Product(**{**_fields(desk.product("digits")), "live": "2"}))
    with pytest.raises(Conflict, match="version 2"):
        desk.retire("digits", "replaced", by="ada")
    with desk.journal.writing("x") as write:
        rows.put(write, Product(**{**_fields(desk.product("digits")), "live": ""}))
    desk.retire("digits", "replaced", by="ada")
    assert desk.product("digits").retired == "replaced"
    desk.retire("digits", "", by="ada")
    assert desk.product("digits").retired == ""


def _fields(value):
    return {name: getattr(value, name) for name in value.__slots__}


def test_remarks_are_numbered_and_find_who_is_meant(desk):
    desk.frame(TEXT, folder="", by="ada")
    text = "@grace, see 3.2 (with @j.doe @grace); mail ada@example.org or @"
    said = [desk.remark("digits", text, about="3", by="ada") for _ in range(12)]
    assert [one.id for one in said] == [f"digits/{n}" for n in range(1, 13)]
    assert said[0].mentions == ("grace", "j.doe")
    assert desk.remarks("digits") == said
    assert events(desk)[-1][2]["mentions"] == ["grace", "j.doe"]


@pytest.mark.parametrize("text", ["", "  ", "x" * 10_001])
def test_a_remark_says_something_and_not_a_book(desk, text):
    desk.frame(TEXT, folder="", by="ada")
    with pytest.raises(BadInput):
        desk.remark("digits", text, by="ada")


def test_watching_begins_and_ends_once(desk):
    desk.frame(TEXT, folder="", by="ada")
    for on in (True, True, False, False):
        desk.watch("digits", by="joan", on=on)
    told = [body["watchers"] for _, _, body in events(desk)[1:]]
    assert told == [["ada", "grace", "joan"], ["ada", "grace"]]


def test_versions_are_listed_and_unknown_names_told(desk):
    desk.frame(TEXT, folder="", by="ada")
    with desk.journal.writing("x") as write:
        for number in (1, 2):
            rows.put(write, ProductVersion("digits", str(number), "registered", number, ""))
    assert [each.version for each in desk.versions("digits")] == ["2", "1"]
    assert desk.version("digits", "1").registered_ms == 1
    for ask in (
        lambda: desk.version("digits", "3"),
        lambda: desk.product("no"),
        lambda: desk.spec("no"),
        lambda: desk.remark("no", "x", by="a"),
        lambda: desk.hold("no", "x", by="a"),
        lambda: desk.watch("no", by="a"),
    ):
        with pytest.raises(NotFound):
            ask()


def test_a_draft_can_be_framed(desk):
    answers = {"name": "digits", "use_case": "Reads.", "decides": "What.", "owner": "ada",
               "harm": "nothing", "rule": "yes"}  # fmt: skip
    text = draft(answers)
    assert "wrong answer" in text
    assert desk.frame(text, folder="", by="ada").tier == "low"
