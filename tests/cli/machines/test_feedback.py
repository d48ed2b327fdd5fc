"""The commands of answers: what they ask of the server, and the data set they write."""

from __future__ import annotations

import duckdb
import pytest

from twinhelm.core import json

ANSWER = {"id": 1, "of": "anomaly", "about": "anomaly/7:1000", "right": False, "reason": "a, \"b\"",
          "by": "ann", "time_ms": 1_700_000_000_000, "applied": False,
          "facts": {"kin": "host_cpu_busy_ratio", "size": 2.5}}  # fmt: skip
TAUGHT = {"answer": ANSWER, "state": "standing", "changes": ["this series up: it counts no more"]}
SECOND = {**TAUGHT, "answer": ANSWER | {"id": 2, "right": True}, "state": "undone"}


def test_an_answer_is_given_and_what_it_changes_told(twinhelm, other):
    other.answers = [(200, TAUGHT)]
    ran = twinhelm("feedback", "give", "anomaly/7:1000", "wrong", "--reason", "usual",
                   "--server", other.url)  # fmt: skip
    ((method, path, body),) = other.asked
    assert (method, path) == ("POST", "feedback")
    assert json.loads(body) == {"about": "anomaly/7:1000", "right": False, "reason": "usual"}
    assert "it counts no more" in ran.out
    assert "in shadow" in ran.out
    assert "twinhelm feedback undo 1" in ran.out


@pytest.mark.parametrize(
    ("args", "path", "body"),
    [(["undo", "3"], "feedback/3/undo", b""), (["apply", "anomaly"], "feedback/lessons",
     b'{"of":"anomaly"}')],
)  # fmt: skip
def test_undoing_and_applying_ask_for_just_that(twinhelm, other, args, path, body):
    other.answers = [(200, {"of": "anomaly", "version": "ab12cd34"})]
    assert twinhelm("feedback", *args, "--server", other.url).status == 0
    assert other.asked == [("POST", path, body)]


def test_answers_are_exported_as_a_labelled_data_set(twinhelm, other, tmp_path):
    other.answers = [(200, [SECOND, TAUGHT]), (200, [])]
    ran = twinhelm("feedback", "export", tmp_path / "set", "--server", other.url, "--json")
    assert ran.json["answers"] == 2
    for file in ("answers.parquet", "answers.csv"):
        found = duckdb.sql("from query_table([?])", params=[str(tmp_path / "set" / file)])
        rows = found.fetchall()
        assert [row[0] for row in rows] == [1, 2]
        first = dict(zip(found.columns, rows[0], strict=True))
        assert (first["right"], first["reason"], first["state"]) == (False, 'a, "b"', "standing")
        assert json.loads(first["facts"])["size"] == 2.5
        assert first["time"].year == 2023
    readme = (tmp_path / "set" / "README.md").read_text()
    assert all(f"| {name} |" in readme for name in found.columns)


def test_nothing_is_written_over(twinhelm, other, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    ran = twinhelm("feedback", "export", tmp_path / "full", "--server", other.url)
    assert ran.status == 1
    assert "not empty" in ran.err
