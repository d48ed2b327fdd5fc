"""Facts come from one source each, and are unknown without it."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest

from peers.governed import KINDS, NOW, known
from twinhelm.mlops.govern import Fact, Sources, gather
from twinhelm.mlops.govern.facts import instant, known_names, of, words
from twinhelm.mlops.types import Check, Product, Remark, Verdict

SOURCES = [each.name for each in fields(Sources)]
EMPTY = {each.name: each.default for each in fields(Sources)}


def changed(before: dict[str, Fact], after: dict[str, Fact]) -> set[str]:
    return {name for name in before if after.get(name) != before[name]}


def test_where_all_is_recorded_all_is_known_and_holds() -> None:
    facts = gather(known())
    assert [name for name, fact in facts.items() if not (fact.known and fact.holds)] == []
    assert all(fact.source for fact in facts.values())
    assert known_names() < set(facts)


def test_where_nothing_is_recorded_all_is_unknown_and_says_what_helps() -> None:
    facts = gather(Sources())
    assert {fact.text for fact in facts.values()} == {"unknown"}
    assert all(fact.wants and not fact.source for fact in facts.values())
    assert set(facts) == known_names()


@pytest.mark.parametrize("source", SOURCES)
def test_without_one_source_its_facts_are_unknown_and_no_other_changes(source: str) -> None:
    before = gather(known())
    after = gather(replace(known(), **{source: EMPTY[source]}))
    gone = changed(before, after)
    assert gone
    assert not any(after[name].known for name in gone if name in after)
    mine = {name for name, fact in gather(replace(Sources(), **{source: getattr(known(), source)}))
            .items() if fact.known}  # fmt: skip
    assert gone == mine


@pytest.mark.parametrize("kind", KINDS)
def test_without_one_kind_of_row_one_journal_fact_is_unknown(kind: str) -> None:
    before, sources = gather(known()), known()
    rest = tuple(row for row in sources.journal if row.kind != kind)
    gone = changed(before, gather(replace(sources, journal=rest)))
    assert [before[name].source for name in gone] == [f"journal row {KINDS.index(kind) + 1}"]


def test_a_journal_fact_bears_the_hash_of_its_newest_row() -> None:
    fact = gather(known())["journal.registered"]
    row = next(each for each in known().journal if each.kind == "version.registered")
    assert (fact.source, fact.digest) == (f"journal row {row.seq}", row.hash)
    assert fact.text.startswith("version.registered by ada, 2023-11-14T22:13:20Z")


def test_a_product_without_a_file_keeps_what_its_record_says() -> None:
    facts = gather(Sources(product=Product("own", "what is strange", "ops", "low")))
    assert facts["product.owner"].text == "ops"
    assert not facts["purpose.use_case"].known
    assert "product file" in facts["purpose.use_case"].wants


@pytest.mark.parametrize(
    ("source", "change", "name"),
    [
        ("version", {"stage": "refused", "reason": "a pickle"}, "version.taken"),
        ("run", {"state": "failed", "error": "no data"}, "run.outcome"),
        ("approval", {"state": "refused"}, "approval.state"),
        ("approval", {"answers": ()}, "approval.four_eyes"),
        ("health", {"state": "drifted"}, "health.state"),
        ("chain", {"ok": False, "reason": "row 3 is missing"}, "journal.whole"),
    ],
)
def test_what_speaks_against_it_is_known_and_does_not_hold(
    source: str, change: dict[str, object], name: str
) -> None:
    sources = known()
    worse = replace(getattr(sources, source), **change)
    fact = gather(replace(sources, **{source: worse})).get(name)
    if name == "approval.four_eyes":
        assert fact is not None
        assert fact.text == "0 of 1: nobody"
    assert fact is not None
    assert fact.known
    assert not fact.holds


def test_who_asks_is_not_among_the_others_who_agreed() -> None:
    sources = known()
    assert sources.approval
    own = replace(sources.approval, asked_by="grace")
    assert not gather(replace(sources, approval=own))["approval.four_eyes"].holds


def test_drift_names_the_columns_and_does_not_hold() -> None:
    sources = known()
    assert sources.health
    moved = replace(sources.health.drift[0], drifted=True)
    fact = gather(replace(sources, health=replace(sources.health, drift=(moved,))))["health.drift"]
    assert (fact.value, fact.holds) == (["radius"], False)


def test_a_check_that_came_to_nothing_is_unknown_and_a_failed_one_does_not_hold() -> None:
    sources = known()
    assert sources.validation
    for verdict, knows, holds in ((Verdict.UNKNOWN, False, True), (Verdict.FAIL, True, False)):
        checks = (Check("parity_gap", verdict, "so"),)
        found = gather(replace(sources, validation=replace(sources.validation, checks=checks)))
        fact = found["validation.fairness"]
        assert (fact.known, fact.holds) == (knows, holds)


def test_an_unknown_health_is_unknown() -> None:
    sources = known()
    assert sources.health
    vague = replace(sources.health, state="unknown", drift=(), labelled=0)
    facts = gather(replace(sources, health=vague))
    assert [facts[name].known for name in ("health.state", "health.drift", "health.labels")] == [
        False, False, False]  # fmt: skip


def test_a_person_vouches_with_a_remark_and_is_named() -> None:
    said = Remark("p/1", "p", "", "grace", NOW, "Evidence Risk-File:  shelf 3\nrow 2")
    fact = gather(Sources(remarks=(said,)))["stated.risk-file"]
    assert fact.text == "shelf 3\nrow 2 (said by grace, 2023-11-14T22:13:20Z)"
    assert fact.source == "remark/p/1"


def test_an_ordinary_remark_vouches_for_nothing() -> None:
    for text in ("the evidence is thin: see below", "evidence : x", "evidence risk:   "):
        facts = gather(Sources(remarks=(Remark("p/1", "p", "", "eve", NOW, text),)))
        assert not any(name.startswith("stated.") for name in facts)


def test_the_newest_remark_for_a_name_stands() -> None:
    remarks = tuple(
        Remark(f"p/{i}", "p", "", "ada", NOW + i, f"evidence plan: {i}") for i in (2, 1)
    )
    assert gather(Sources(remarks=remarks))["stated.plan"].source == "remark/p/2"


def test_what_nobody_vouched_for_says_how_to() -> None:
    fact = of({}, "stated.risk-file")
    assert (fact.known, fact.wants) == (False, 'remark on the product: "evidence risk-file: ..."')


def test_values_in_words() -> None:
    assert words(math.nan) == words(None) == "unknown"
    assert words({"a": [1, 0.25, True], "b": math.nan}) == "a: 1; 0.25; yes; b: unknown"
    measured = {"metric": "auc", "value": 0.9, "low": 0.8, "high": 1.0, "rows": 5, "slice": "old"}
    assert words(measured) == "auc on old 0.9 (0.8 to 1, 5 rows)"
    assert instant(NOW) == "2023-11-14T22:13:20Z"
