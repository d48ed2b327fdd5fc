"""Measure drift: how quick beside scipy and Evidently, how often wrongly alarmed, how powerful.

* speed: 20 columns of a million numbers each against as many, all statistics, beside scipy's
  Kolmogorov-Smirnov, Wasserstein and a PSI with numpy on the same data, in the same run;
  Evidently's preset on the same columns where it is installed (it takes minutes);
* equality: the largest difference of any statistic from scipy's;
* false alarms: reports on rows that did not drift, with the correction that monitoring uses;
* power: the share of reports that tell of a known shift;
* estimates: how far performance estimated without labels was from the true one on shifted rows.

Times are wall time and CPU time of the process, the best of the rounds. Evidently lives in an
environment of its own, which it shares with nobody:

    python -m venv .cache/drift-venv && .cache/drift-venv/bin/pip install evidently 'pandas<3'
    python benchmarks/drift.py [--rows 1000000] [--reports 1000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import ks_2samp, wasserstein_distance

from twinhelm.mlops.monitor.moved import CAUTION
from twinhelm.stats.answers import Answers, answers
from twinhelm.stats.drift import Profile, Shift, compare, prepare_all, psi
from twinhelm.stats.estimate import expect, learn
from twinhelm.stats.metrics import point
from twinhelm.stats.tails import holm

COLUMNS, ROUNDS, LEVEL = 20, 3, 0.05
PEER = Path(__file__).parent.parent / ".cache" / "drift-venv" / "bin" / "python"
METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc")

Table = dict[str, np.ndarray]


def timed(deed: Callable[[], object], rounds: int) -> dict[str, float]:
    """Return the least wall and CPU seconds of the rounds."""
    walls, cpus = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        deed()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {"wall_s": min(walls), "cpu_s": min(cpus)}


def numbers(rows: int, seed: int, shift: float = 0.0) -> Table:
    """Draw columns of several shapes; later ones are shifted more."""
    rng = np.random.default_rng(seed)
    draws = (rng.normal, rng.standard_exponential, lambda size: rng.normal(size=size).round(1))
    return {f"c{k}": draws[k % 3](size=rows) + shift * k for k in range(COLUMNS)}


def compare_all(reference: dict[str, Profile], after: Table, threads: int = 2) -> dict[str, Shift]:
    """Prepare and compare the columns that both have."""
    newer = prepare_all(after, threads=threads)
    return {name: compare(known, newer[name]) for name, known in reference.items()}


def scipys(before: Table, after: Table) -> dict[str, tuple[float, float]]:
    """Return scipy's two statistics by column, and compute the index that it lacks."""
    found = {}
    for name, column in before.items():
        edges = np.quantile(column, np.linspace(0, 1, 11)[1:-1])
        psi(
            np.bincount(np.searchsorted(edges, column), minlength=10),
            np.bincount(np.searchsorted(edges, after[name]), minlength=10),
        )
        ks = ks_2samp(column, after[name], method="asymp").statistic
        found[name] = (float(ks), float(wasserstein_distance(column, after[name])))
    return found


def measure_speed(rows: int) -> dict[str, object]:
    """Time ours and theirs on the same columns, and compare what they say."""
    before, after = numbers(rows, 1), numbers(rows, 2, 0.001)
    small = {name: column[:30_000] for name, column in before.items()}
    compare_all(prepare_all(small), small)  # compiled and loaded
    figures: dict[str, object] = {
        "prepare the reference": timed(lambda: prepare_all(before), ROUNDS)
    }
    reference = prepare_all(before)
    figures["compare a window"] = timed(lambda: compare_all(reference, after), ROUNDS)
    figures["scipy and numpy"] = timed(lambda: scipys(before, after), 1)
    mine, theirs = compare_all(reference, after), scipys(before, after)
    apart = [
        (abs(mine[n].statistic - ks), abs(mine[n].wasserstein / area - 1.0))
        for n, (ks, area) in theirs.items()
    ]
    figures["largest difference of KS"] = max(each[0] for each in apart)
    figures["largest relative difference of Wasserstein"] = max(each[1] for each in apart)
    figures["evidently"] = evidently(before, after)
    return figures


def evidently(before: Table, after: Table) -> object:
    """Run Evidently's preset in its own environment; a text says why it is left out."""
    if not PEER.is_file():
        return f"left out: there is no {PEER.name} in .cache/drift-venv"
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "before.npz", **before)
        np.savez(Path(folder) / "after.npz", **after)
        done = subprocess.run(
            [str(PEER), str(Path(__file__).with_name("drift_peers.py")), folder],
            capture_output=True,
            text=True,
        )
    if done.returncode:
        return f"left out: {done.stderr.strip().splitlines()[-1] if done.stderr else 'it died'}"
    return json.loads(done.stdout.strip().splitlines()[-1])


def mixed(rng: np.random.Generator, rows: int) -> Table:
    """Draw what tables hold: related numbers, tails, counts, holes, categories."""
    base = rng.normal(size=(rows, 6))
    table = {f"n{k}": base[:, k] + base[:, 0] for k in range(6)}
    table |= {f"tail{k}": rng.pareto(1.5 + k, rows) for k in range(3)}
    table |= {f"count{k}": rng.poisson(0.5 + k, rows).astype(float) for k in range(3)}
    for k, share in enumerate((0.002, 0.02, 0.2)):
        table[f"holes{k}"] = np.where(rng.random(rows) < share, np.nan, rng.normal(size=rows))
    names = np.array([f"v{k}" for k in range(200)], object)
    table["even"] = names[rng.integers(0, 5, rows)]
    table["uneven"] = rng.choice(names[:4], rows, p=[0.6, 0.3, 0.09, 0.01])
    table["many"] = names[rng.zipf(1.4, rows) % 200]
    table["flag"] = rng.random(rows) < 0.3
    table["rare"] = rng.random(rows) < 0.005
    return table


SHIFTS: dict[str, Callable[[Table, np.random.Generator], Table]] = {
    "mean by 0.1 sd": lambda t, _: {**t, "n0": t["n0"] + 0.1 * 2.0},
    "mean by 0.25 sd": lambda t, _: {**t, "n0": t["n0"] + 0.25 * 2.0},
    "mean by 0.5 sd": lambda t, _: {**t, "n0": t["n0"] + 0.5 * 2.0},
    "spread by a quarter": lambda t, _: {**t, "n0": t["n0"] * 1.25},
    "spread by a half": lambda t, _: {**t, "n0": t["n0"] * 1.5},
    "5 % of a category gone over": lambda t, rng: {
        **t, "uneven": np.where(rng.random(len(t["n0"])) < 0.05, "v2", t["uneven"])},
    "10 % of a category gone over": lambda t, rng: {
        **t, "uneven": np.where(rng.random(len(t["n0"])) < 0.1, "v2", t["uneven"])},
    "2 % missing": lambda t, rng: {
        **t, "n1": np.where(rng.random(len(t["n0"])) < 0.02, np.nan, t["n1"])},
    "5 % missing": lambda t, rng: {
        **t, "n1": np.where(rng.random(len(t["n0"])) < 0.05, np.nan, t["n1"])},
}  # fmt: skip
"""n0 has a standard deviation of 2: what goes into every column goes into it twice."""


def alarms(reference: dict[str, Profile], table: Table) -> bool:
    """Tell whether a report on ``table`` tells of any drift."""
    shifts = compare_all(reference, table, threads=1).values()
    return min(holm([each.p for each in shifts])) < CAUTION * LEVEL


def measure_alarms(reports: int) -> dict[str, object]:
    """Count false alarms and power; every report has a reference of its own draw."""
    rng = np.random.default_rng(7)
    figures: dict[str, object] = {}
    for rows in (500, 2_000, 10_000):
        tried = max(reports * 500 // rows, 50) if rows > 2_000 else reports
        false, found = 0, dict.fromkeys(SHIFTS, 0)
        for at in range(tried):
            reference = prepare_all(mixed(rng, 10_000), threads=1)
            table = mixed(rng, rows)
            false += alarms(reference, table)
            if at % 10 == 0:
                for name, shift in SHIFTS.items():
                    found[name] += alarms(reference, shift(table, rng))
        asked = -(-tried // 10)
        figures[f"false alarms at {rows} rows"] = f"{false} of {tried} reports"
        for name, count in found.items():
            figures[f"power at {rows} rows, {name}"] = round(count / asked, 3)
    return figures


def clinic(rng: np.random.Generator, rows: int, mean: float, spread: float) -> tuple:
    """Draw patients, truths of a logistic law, and probabilities that are too sure."""
    x = rng.normal(mean, spread, (rows, 2))
    odds = x @ [1.5, -1.0] - 0.3
    truth = (rng.random(rows) < 1 / (1 + np.exp(-odds))).astype(float)
    said = 1 / (1 + np.exp(-2.0 * odds))
    both = np.column_stack([1 - said, said])
    given = (said > 0.5).astype(float)
    told: Answers = answers(
        truth, given, task="classification", probability=both, classes=("0", "1")
    )
    return {"a": x[:, 0], "b": x[:, 1]}, given, both, told


def measure_estimates(tries: int) -> dict[str, object]:
    """Hold estimated against true metrics on populations that shifted."""
    rng = np.random.default_rng(8)
    figures: dict[str, object] = {}
    for mean, spread in ((0.0, 1.0), (0.5, 1.0), (-0.7, 1.0), (0.0, 0.5), (0.0, 1.2)):
        errors = []
        for _ in range(tries):
            table, _, _, held = clinic(rng, 4_000, 0.0, 1.0)
            support = prepare_all(clinic(rng, 20_000, 0.0, 1.0)[0])
            ground = learn(held, table, support)
            table, given, both, true = clinic(rng, 10_000, mean, spread)
            said = expect(ground, given, table, probability=both, classes=("0", "1"), rng=rng)
            errors.append([abs(said.values[m][0] - point(m, true)) for m in METRICS])
        worst = np.array(errors).max(axis=0).round(4).tolist()
        name = f"largest error, mean {mean:+}, spread {spread}"
        figures[name] = dict(zip(METRICS, worst, strict=True))
    return figures


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure drift beside others.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reports", type=int, default=1_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    figures = {
        "speed": {"rows": asked.rows, "columns": COLUMNS, **measure_speed(asked.rows)},
        "alarms": measure_alarms(asked.reports),
        "estimates": measure_estimates(3),
    }
    for part, found in figures.items():
        print(part)
        for name, value in found.items():
            print(f"  {name:44s} {value}")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
