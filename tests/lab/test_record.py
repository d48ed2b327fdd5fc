"""What is written is what is read; the public sets' way of leaving things out is understood."""

from __future__ import annotations

import csv

import duckdb
import pytest

from twinhelm.lab.record import KINDS, Case, Recording, add_case, write_case, write_topology
from twinhelm.lab.words import LabError, Truth

TABLES = """
CREATE TABLE metrics (timestamp DOUBLE, service TEXT, instance TEXT, metric TEXT, labels TEXT,
    value DOUBLE);
CREATE TABLE logs (timestamp DOUBLE, service TEXT, instance TEXT, level TEXT, message TEXT,
    trace_id TEXT, span_id TEXT);
CREATE TABLE traces (timestamp DOUBLE, trace_id TEXT, span_id TEXT, parent_id TEXT, service TEXT,
    instance TEXT, operation TEXT, duration_us BIGINT, status TEXT, kind TEXT, attributes TEXT);
CREATE TABLE changes (timestamp DOUBLE, kind TEXT, service TEXT, title TEXT, body TEXT);
INSERT INTO metrics SELECT 1000.0 + i, 'cart', 'cart-1', 'up', '{"job":"cart"}', 1
    FROM range(100) AS t(i);
INSERT INTO logs VALUES (1010.5, 'cart', 'cart-1', 'INFO', 'it''s fine', NULL, NULL);
INSERT INTO traces VALUES
    (1009.0, 'ab', '01', NULL, 'gateway', 'gateway-1', 'GET /', 2000000, NULL, 'server', '{}'),
    (1009.5, 'ab', '02', '01', 'cart', 'cart-1', 'GET /cart', 400000, NULL, 'server', '{}'),
    (1009.6, 'ab', '03', '02', 'cart', 'cart-1', 'SELECT', 1000, NULL, 'client',
        '{"db.namespace": "shopdb"}');
"""


@pytest.fixture
def agent():
    """Tables such as the agent holds."""
    with duckdb.connect() as database:
        database.execute(TABLES)
        yield database


def case(case_id="01-cache-down", fault="cache-down", **truth):
    said = Truth(**({"service": "cache", "indicator": "errors"} | truth))
    return Case(case_id, fault, 1020.0, 1080.5, said, "up", 'The cache is dead, "really"')


def test_a_case_holds_its_stretch_and_a_span_counts_at_its_end(agent, tmp_path):
    folder = tmp_path / "it's here"
    rows = write_case(agent, folder, 1010.0, 1020.0)
    assert rows == {"metrics": 10, "logs": 1, "traces": 1, "changes": 0}
    assert sorted(file.stem for file in folder.iterdir()) == sorted(KINDS)
    read = agent.read_parquet(str(folder / "metrics.parquet")).fetchall()
    assert (read[0][0], read[-1][0]) == (1010.0, 1019.0)


def test_a_folder_that_cannot_be_written_is_told(agent, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="cannot be written"):
        write_case(agent, tmp_path / "file" / "case", 0.0, 1.0)


def test_cases_come_back_as_they_were(tmp_path):
    ours = [case(), case("02-surge", "surge", service="crowd", also=("a", "b"), blame=False)]
    for each in ours:
        add_case(tmp_path, each)
    assert list(Recording.open(tmp_path).cases) == ours
    assert Recording.open(tmp_path).of("02-surge") == ours[1:]


def test_an_unknown_case_is_told_with_those_there_are(tmp_path):
    add_case(tmp_path, case())
    with pytest.raises(LabError, match="no case 'x'") as told:
        Recording.open(tmp_path).of("x")
    assert "01-cache-down" in told.value.hint


@pytest.mark.parametrize("text", [None, "case_id,inject_time\nx,soon\n", "one\n1\n"])
def test_a_folder_that_is_no_recording_is_told(tmp_path, text):
    if text:
        (tmp_path / "cases.csv").write_text(text)
    with pytest.raises(LabError, match=r"no recording|not understood") as told:
        Recording.open(tmp_path)
    assert "lab record" in told.value.hint


def test_the_public_sets_columns_do(tmp_path):
    (tmp_path / "cases.csv").write_text(
        "case_id,inject_time,root_cause_service,fault_type\nrcd-1,1652813277.0,carts,cpu\n"
    )
    (found,) = Recording.open(tmp_path).cases
    assert (found.fault, found.start_s, found.end_s) == ("cpu", 1652813277.0, None)
    assert found.truth == Truth("carts")


def test_files_are_those_of_a_case_or_all(agent, tmp_path):
    add_case(tmp_path, case("a"))
    write_case(agent, tmp_path / "cases" / "a", 1000.0, 1010.0)
    write_case(agent, tmp_path / "cases" / "b", 1000.0, 1010.0)
    write_case(agent, tmp_path / "normal", 1000.0, 1010.0)
    recording = Recording.open(tmp_path)
    assert recording.files("metrics", "a") == [tmp_path / "cases" / "a" / "metrics.parquet"]
    assert [file.parent.name for file in recording.files("logs")] == ["normal", "a", "b"]
    assert recording.files("metrics", "none") == []


def test_topology_is_what_the_spans_tell(agent, tmp_path):
    add_case(tmp_path, case("a"))
    write_topology(Recording.open(tmp_path))
    assert (tmp_path / "topology.csv").read_text().split() == ["source,target"]
    write_case(agent, tmp_path / "cases" / "a", 1000.0, 1100.0)
    write_topology(Recording.open(tmp_path))
    with (tmp_path / "topology.csv").open(newline="") as file:
        assert list(csv.reader(file))[1:] == [["cart", "shopdb"], ["gateway", "cart"]]
