"""Catalogues, packs and readiness: each state for its reason, and nothing from a source away."""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from peers.governed import NOW, known
from twinhelm.core.errors import BadInput
from twinhelm.core.json import loads
from twinhelm.mlops.govern import Fact, Pack, Sources, bundled, gather, pack, parse, score
from twinhelm.mlops.govern.pack import state_of
from twinhelm.mlops.types import Check, Verdict

NAMES = ["eu-ai-act", "house", "iso-42001", "ml-test-score", "nist-ai-rmf", "sr-26-2"]
GOOD, BAD = Fact("a", "a", 1, "s"), Fact("b", "b", 1, "s", holds=False)
GAP = Fact("c", "c", wants="do it")
OWN = """
name = "own"
title = "Ours"
source = "us"
notice = "ours alone"
[[control]]
id = "1"
title = "Who answers for it"
facts = ["product.owner"]
missing = "name somebody"
"""


def packed(sources: Sources, catalogue: str = "eu-ai-act") -> Pack:
    return pack(sources, gather(sources), bundled()[catalogue], made_ms=NOW, made_by="eve")


def told(made: Pack) -> Any:
    return loads(made.files["json"])


def page(made: Pack) -> str:
    return made.files["html"].decode()


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ([GOOD, GOOD], "evidenced"),
        ([GOOD, GAP], "partly"),
        ([GOOD, BAD], "partly"),
        ([BAD, GAP], "missing"),
        ([BAD], "missing"),
        ([GAP, GAP], "unknown"),
        ([], "unknown"),
    ],
)
def test_a_control_comes_to_what_its_facts_say(facts: list[Fact], state: str) -> None:
    assert state_of(facts) == state


def test_the_bundled_catalogues_say_that_they_are_no_legal_advice() -> None:
    assert sorted(bundled()) == NAMES
    assert all("no legal advice" in each.notice for each in bundled().values())


def test_the_ai_act_catalogue_holds_its_articles() -> None:
    numbers = [each.id for each in bundled()["eu-ai-act"].control]
    assert numbers == [f"Art. {n}" for n in (9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 26, 72)]


def test_the_risk_framework_catalogue_holds_its_categories() -> None:
    wanted = {"GOVERN": 6, "MAP": 5, "MEASURE": 4, "MANAGE": 4}
    ids = [f"{name} {n}" for name, count in wanted.items() for n in range(1, count + 1)]
    assert [each.id for each in bundled()["nist-ai-rmf"].control] == ids


def test_the_standard_catalogue_holds_its_objectives() -> None:
    assert [each.id for each in bundled()["iso-42001"].control] == [f"A.{n}" for n in range(2, 11)]


def test_the_rubric_has_four_sections_of_seven() -> None:
    sections = [each.section for each in bundled()["ml-test-score"].control]
    assert {name: sections.count(name) for name in sections} == {
        "data": 7, "model": 7, "infrastructure": 7, "monitoring": 7}  # fmt: skip


def test_everything_known_evidences_the_whole_ai_act() -> None:
    made = told(packed(known()))
    assert made["counts"] == {"evidenced": 12, "partly": 0, "missing": 0, "unknown": 0}


def test_nothing_known_leaves_every_control_unknown_with_what_to_do() -> None:
    for name in NAMES:
        made = told(packed(Sources(), name))
        assert {each["state"] for each in made["controls"]} == {"unknown"}
        assert all(each["missing"] for each in made["controls"])
        gaps = [wants for each in made["controls"] for wants in each["gaps"].values()]
        assert all(gaps)


def test_a_pack_bears_digest_head_maker_and_time() -> None:
    sources = known()
    made = packed(sources)
    assert made.digest == sha256(made.files["json"]).hexdigest()
    assert sources.chain
    assert told(made)["journal"] == {
        "rows": 11, "head": sources.chain.head_hash, "whole": True, "reason": ""}  # fmt: skip
    assert told(made)["made"] == {"at": "2023-11-14T22:13:20Z", "by": "eve"}
    for text in (made.digest, sources.chain.head_hash, "eve", "no legal advice"):
        assert text in page(made)


def test_evidence_names_its_source() -> None:
    facts = told(packed(known()))["facts"]
    row = next(each for each in known().journal if each.kind == "version.registered")
    one = facts["journal.registered"]
    assert (one["source"], one["digest"]) == (f"journal row {row.seq}", row.hash)
    assert facts["validation.gates"]["source"] == "validation/cancer/3"


def test_the_digest_follows_all_that_the_pack_holds() -> None:
    sources = known()
    first = packed(sources)
    assert packed(sources).digest == first.digest
    assert sources.version
    other = replace(sources, version=replace(sources.version, author="mallory"))
    assert sources.journal
    shorter = replace(sources, journal=sources.journal[1:])
    digests = {first.digest, packed(sources, "house").digest, packed(other).digest,
               packed(shorter).digest}  # fmt: skip
    assert len(digests) == 4


def test_a_pack_is_json_and_asks_for_nothing_from_outside() -> None:
    made = packed(known())
    assert told(made)["product"] == "cancer"
    assert not re.search(r"https?://|url\(|<script|<img|<link|javascript:", page(made))
    assert page(made).count("<svg") == 3
    assert made.files["pdf"].startswith(b"%PDF-")


def test_a_broken_journal_is_told_and_does_not_evidence_record_keeping() -> None:
    sources = known()
    assert sources.chain
    broken = replace(sources.chain, ok=False, reason="row 3 is missing: row 4 comes next")
    made = packed(replace(sources, chain=broken))
    states = {each["id"]: each["state"] for each in told(made)["controls"]}
    assert states["Art. 12"] == "partly"
    assert "row 3 is missing" in page(made)


def test_a_catalogue_of_ones_own_is_taken() -> None:
    own = parse(OWN)
    made = pack(known(), gather(known()), own, made_ms=NOW, made_by="eve")
    assert [each["state"] for each in told(made)["controls"]] == ["evidenced"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = x\n", "line 1"),
        ("", "wrong at name"),
        (OWN.replace('"own"', '"Own List"'), "wrong at name"),
        (OWN.replace("missing =", "todo ="), "control.0.missing"),
        (OWN + "wat = 1\n", "control.0.wat"),
        (OWN.replace("product.owner", "product.ownr"), "did you mean product.owner"),
        (OWN + OWN[OWN.index("[[control]]") :], "two controls '1'"),
        (OWN[: OWN.index("[[control]]")], "wrong at control"),
    ],
)
def test_a_wrong_catalogue_is_refused_with_the_place(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=re.escape(says)):
        parse(text)


def test_everything_known_scores_high_and_names_what_is_left() -> None:
    found = score(gather(known()))
    assert found.parts["infrastructure"] == 5.5
    assert found.score == min(found.parts.values())
    assert all(test.score < 1 and test.step for test in found.steps)
    assert all(test.evidence for test in found.tests if test.score)


def test_nothing_known_scores_nothing() -> None:
    found = score(gather(Sources()))
    assert (found.score, len(found.steps)) == (0.0, 28)
    assert found.says == "a research project rather than a product"


def test_the_weakest_section_comes_first() -> None:
    found = score(gather(known()))
    weakest = min(found.parts, key=lambda name: found.parts[name])
    assert found.steps[0].section == weakest


def test_vouching_for_a_test_is_worth_half() -> None:
    sources = known()
    said = replace(sources.remarks[0], text="evidence data-7: tests/test_features.py")
    tests = {each.id: each for each in score(gather(replace(sources, remarks=(said,)))).tests}
    assert tests["data-7"].score == 0.5
    assert "said by grace" in tests["data-7"].evidence[0]


def test_what_does_not_hold_scores_nothing() -> None:
    sources = known()
    assert sources.health
    sick = replace(sources, health=replace(sources.health, drift=(
        replace(sources.health.drift[0], drifted=True),)))  # fmt: skip
    before, after = score(gather(sources)), score(gather(sick))
    assert {t.id for t, u in zip(before.tests, after.tests, strict=True) if t.score > u.score} == {
        "monitor-3"}  # fmt: skip


def test_a_failed_gate_is_told_in_the_picture() -> None:
    sources = known()
    assert sources.validation
    worse = replace(sources.validation, checks=(Check("recall in older", Verdict.FAIL, "low"),))
    assert page(packed(sources)).count(" fails</text>") == 0
    assert page(packed(replace(sources, validation=worse))).count(" fails</text>") == 1
