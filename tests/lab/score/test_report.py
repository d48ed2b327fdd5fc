"""The document is JSON, says what was measured, and its files are where they were asked for."""

from __future__ import annotations

import dataclasses

import orjson

from twinhelm.lab.score import Tally, document, write_score


def test_it_sums_over_repeats(tally):
    other = dataclasses.replace(tally, repeat=2, complete=True)
    found = document([tally, other], seed=7, quick=True)
    assert orjson.loads(orjson.dumps(found)).keys() == found.keys()
    assert found["summary"]["faults"] == 10
    assert found["summary"]["false_incidents"] == 2
    assert found["summary"]["quiet_hours"] == 0.5
    assert [part["summary"]["quiet_hours"] for part in found["repeats"]] == [0.25, 0.25]
    assert [part["complete"] for part in found["repeats"]] == [False, True]
    assert not found["complete"]
    assert found["repeats"][0]["failed"] == {"odd": "it <broke>"}


def test_a_score_of_nothing_is_a_document():
    found = document([Tally(1)], seed=1, quick=False)
    assert found["summary"]["detected"] is None
    assert document([], seed=1, quick=False)["complete"] is False


def test_files_go_where_they_were_asked_for(tally, tmp_path):
    found = document([tally], seed=1, quick=False)
    page = tmp_path / "pages" / "lab.html"
    written = write_score(found, [tally], tmp_path / "out", page)
    assert written == [tmp_path / "out" / "score.json", tmp_path / "out" / "score.html", page]
    assert orjson.loads(written[0].read_bytes()) == orjson.loads(orjson.dumps(found))
    kept = sorted(file.name for file in (tmp_path / "out" / "repeat-1").iterdir())
    assert kept == ["first.json", "third.json", "wrong.json"]
    assert write_score(found, [tally], None, None) == []
