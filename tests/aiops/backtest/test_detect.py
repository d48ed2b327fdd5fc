import duckdb
import numpy as np
import pytest

from twinhelm.aiops.backtest import run_detect
from twinhelm.aiops.backtest.load import find_data_sets, read_series
from twinhelm.aiops.backtest.walk import judge
from twinhelm.core import json
from twinhelm.core.errors import BadInput, NotFound

ROWS = 900


def write(file, columns):
    file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as db:
        db.register("given", columns)
        text = ", ".join(
            f"make_timestamp_ns({n}) as {n}" if n == "timestamp" else n for n in columns
        )
        db.execute(f"copy (select {text} from given) to '{file}' (format parquet)")  # noqa: S608 - test data


def series(seed, *, event=True):
    rng = np.random.default_rng(seed)
    value, label = rng.normal(10, 1, ROWS), np.zeros(ROWS, np.int8)
    if event:
        value[700:720] += 25.0
        label[700:720] = 1
    return value, label


@pytest.fixture
def data(tmp_path):
    """Three sets, as the layouts say: one file of two series, one machine, one without labels."""
    times = np.arange(ROWS) * 60_000_000_000
    (a, label), (b, none) = series(1), series(2, event=False)
    root = tmp_path / "data" / "metrics"
    write(
        root / "one" / "series.parquet",
        {
            "series_id": np.repeat(["a", "b"], ROWS),
            "timestamp": np.tile(times, 2),
            "value": np.r_[a, b],
            "label": np.r_[label, none],
            "split": np.tile(np.where(np.arange(ROWS) < 300, "train", "test"), 2),
        },
    )
    metrics = {f"m{i}": series(i + 3)[0].astype(np.float32) for i in range(4)}
    write(root / "machines" / "host-1.parquet", {"timestamp": times, "label": label, **metrics})
    write(root / "machines" / "segments.parquet", {"test_start": times})
    write(root / "plain" / "x.parquet", {"timestamp": times, "m0": b})
    (root / "papers").mkdir()
    return tmp_path / "data"


def rows(out):
    with duckdb.connect() as db:
        return db.execute(
            'select dataset, series_id, epoch_ns("timestamp"), score, alarm from read_parquet(?)',
            [str(out / "scores.parquet")],
        ).fetchall()


def test_both_layouts_and_both_roots_are_found(data):
    found = {d.name: [name for name, _ in d.series] for d in find_data_sets(data)}
    assert found == {"machines": ["host-1"], "one": ["a", "b"], "plain": ["x"]}
    assert [d.name for d in find_data_sets(data / "metrics")] == list(found)


def test_every_input_row_comes_back_once_in_order(data, tmp_path):
    run_detect(data, tmp_path / "out")
    got = rows(tmp_path / "out")
    assert len(got) == 4 * ROWS
    for name in [("one", "a"), ("one", "b"), ("machines", "host-1"), ("plain", "x")]:
        times = [r[2] for r in got if r[:2] == name]
        assert times == [i * 60_000_000_000 for i in range(ROWS)]
    assert all(0.0 <= r[3] <= 1.0 for r in got)
    with duckdb.connect() as db:
        kinds = db.execute(
            "describe select * from read_parquet(?)", [str(tmp_path / "out" / "scores.parquet")]
        ).fetchall()
    assert {k[0]: k[1] for k in kinds} == {
        "dataset": "VARCHAR",
        "series_id": "VARCHAR",
        "timestamp": "TIMESTAMP_NS",
        "score": "DOUBLE",
        "alarm": "BOOLEAN",
    }


def test_the_plain_event_is_found_and_beats_the_trivial(data, tmp_path):
    summary = run_detect(data, tmp_path / "out", datasets=["one"])
    best = {r.detector: r for r in summary.results if r.dataset == "one"}
    ours = best["twinhelm"]
    assert (ours.series, ours.series_scored, ours.events, ours.rows) == (2, 1, 1, 1200)
    assert ours.event_recall == 1.0
    assert ours.vus_pr > 0.8
    assert all(ours.vus_pr > r.vus_pr for name, r in best.items() if name != "twinhelm")


def test_a_set_without_labels_is_scored_for_false_alarms_only(data, tmp_path):
    summary = run_detect(data, tmp_path / "out", datasets=["plain"])
    ours = summary.results[0]
    assert np.isnan(ours.vus_pr)
    assert np.isnan(ours.event_f1)
    assert ours.false_alarms_per_series_day >= 0.0


@pytest.mark.parametrize("name", ["one", "machines"])
def test_detection_is_causal(data, name):
    (found,) = find_data_sets(data, [name])
    whole = read_series(name, *found.series[0])
    cut = type(whole)(
        *(getattr(whole, f) for f in ("dataset", "series_id")),
        *(getattr(whole, f)[:500] for f in ("time_ns", "values", "label", "scored")),
    )
    score, alarm = judge(whole)
    early, early_alarm = judge(cut)
    np.testing.assert_array_equal(score[:500], early)
    np.testing.assert_array_equal(alarm[:500], early_alarm)


def test_progress_counts_every_series(data, tmp_path):
    told = []
    run_detect(data, tmp_path / "out", datasets=["one"], progress=lambda *a: told.append(a))
    assert told == [("one", 0, 2), ("one", 1, 2), ("one", 2, 2)]


def test_the_report_stands_alone_and_the_summary_reads_back(data, tmp_path):
    summary = run_detect(data, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "http" not in page
    assert "<script" not in page
    assert page.count("<svg") == 3  # the mean and two labelled sets
    read = json.loads((tmp_path / "out" / "summary.json").read_bytes())
    assert len(read["results"]) == len(summary.results) == 4 * 4
    assert {r.dataset for r in summary.results} == {"one", "machines", "plain", "mean"}


def test_the_mean_averages_scores_and_sums_counts(data, tmp_path):
    results = run_detect(data, tmp_path / "out").results
    mean = next(r for r in results if r.dataset == "mean")
    labelled = [r for r in results if r.detector == mean.detector and r.series_scored]
    parts = [r for r in labelled if r.dataset != "mean"]
    assert mean.series_scored == sum(r.series_scored for r in parts)
    assert mean.vus_pr == pytest.approx(sum(r.vus_pr for r in parts) / len(parts))


def test_runs_repeat_exactly(data, tmp_path):
    one, two = run_detect(data, tmp_path / "a"), run_detect(data, tmp_path / "b")
    assert str(one) == str(two)


def test_names_in_the_report_are_escaped(data, tmp_path):
    (data / "metrics" / "one").rename(data / "metrics" / "<b>one")
    run_detect(data, tmp_path / "out")
    assert "<b>one" not in (tmp_path / "out" / "report.html").read_text()


def test_times_that_step_back_score_zero_and_break_nothing(data, tmp_path):
    times = np.arange(ROWS) * 60_000_000_000
    times[500] = times[100]
    write(data / "metrics" / "back" / "x.parquet", {"timestamp": times, "m0": series(9)[0]})
    run_detect(data, tmp_path / "out", datasets=["back"])
    assert rows(tmp_path / "out")[500][3] == 0.0


@pytest.mark.parametrize("datasets", [["nowhere"], ["one", "nowhere"]])
def test_an_unknown_data_set_is_refused_by_name(data, tmp_path, datasets):
    with pytest.raises(NotFound, match="nowhere"):
        run_detect(data, tmp_path / "out", datasets=datasets)


def test_no_data_is_refused(tmp_path):
    with pytest.raises(NotFound, match="no data set at all"):
        run_detect(tmp_path, tmp_path / "out")
    with pytest.raises(NotFound, match="there is no folder"):
        run_detect(tmp_path / "absent", tmp_path / "out")


def test_a_file_that_is_not_parquet_is_refused_by_name(data, tmp_path):
    (data / "metrics" / "plain" / "bad.parquet").write_bytes(b"not parquet")
    with pytest.raises(BadInput, match=r"bad\.parquet"):
        run_detect(data, tmp_path / "out")


def test_a_file_without_numbers_is_refused(data, tmp_path):
    write(data / "metrics" / "plain" / "t.parquet", {"timestamp": np.arange(3)})
    with pytest.raises(BadInput, match="one numeric column"):
        run_detect(data, tmp_path / "out", datasets=["plain"])
