"""Measure the detector beside the streaming detectors of river and pysad, in one run.

* base update: a robust level and size of every series moved by one sample each, as one aligned
  column, with the functions that the detector itself uses;
* observe: the whole judgement of one sample per series, ids in order and shuffled;
* the others: score and learn, one sample of one series at a time, as their interface has it.

Times are CPU time of this thread, the best and the median of the rounds. The AUC-PR beside it is
on one series with 40 planted anomalies (spikes and short shifts), the first 500 samples left
out. The others live in an environment of their own (``benchmarks/requirements.txt``); where it is
missing they are left out with a message.

    python benchmarks/detect.py [--series 100000]
"""

from __future__ import annotations

import argparse
import subprocess
import time
from pathlib import Path

import numpy as np
from numba import njit

from twinhelm.aiops.detect import DETECTOR, Detector, detect_array
from twinhelm.aiops.detect.kernel import settle, toward
from twinhelm.core import json
from twinhelm.core.memory import keep_memory
from twinhelm.core.telemetry import SampleBlock
from twinhelm.stats import auc_pr

ROUNDS, WARM = 120, 40
PEERS = Path(__file__).parent.parent / ".cache" / "bench-venv" / "bin" / "python"


@njit
def base_update(level, size, value):
    """Move level and size of every series towards its value, clipped at four sizes."""
    for i in range(len(value)):
        away = value[i] - level[i]
        bound = np.float32(4.0) * size[i]
        level[i] = toward(level[i], away, bound, np.float32(0.05))
        size[i] = settle(size[i], abs(away), bound, np.float32(0.01))


def measure_base(series: int) -> np.ndarray:
    """Return updates per second of each round."""
    rng = np.random.default_rng(1)
    level, size = np.zeros(series, np.float32), np.ones(series, np.float32)
    columns = [rng.normal(size=series).astype(np.float32) for _ in range(8)]
    rates = []
    for k in range(ROUNDS):
        start = time.thread_time_ns()
        for column in columns:
            base_update(level, size, column)
        if k >= WARM:
            rates.append(8e9 * series / (time.thread_time_ns() - start))
    return np.array(rates)


def measure_observe(series: int, *, shuffled: bool) -> tuple[np.ndarray, float]:
    """Return samples per second of each round, and the bytes of state per series."""
    rng = np.random.default_rng(2)
    ids = np.arange(series, dtype=np.uint32)
    if shuffled:
        ids = rng.permutation(ids)
    columns = [100.0 + rng.normal(size=series) for _ in range(8)]
    detector, rates = Detector(), []
    for k in range(ROUNDS):
        block = SampleBlock(ids, np.full(series, k * 5000), columns[k % 8])
        start = time.thread_time_ns()
        detector.observe(block)
        if k >= WARM:
            rates.append(1e9 * series / (time.thread_time_ns() - start))
    return np.array(rates), detector.nbytes / series


def planted(n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Return a noisy series with a slow swing and 40 planted anomalies, and their labels."""
    rng = np.random.default_rng(3)
    value = 100 + 10 * np.sin(np.arange(n) * 2 * np.pi / 1440) + rng.normal(size=n)
    label = np.zeros(n, np.int8)
    for start in np.sort(rng.choice(np.arange(600, n - 50, 60), 40, replace=False)):
        length = int(rng.choice([1, 10]))
        value[start : start + length] += rng.choice([-1, 1]) * rng.uniform(5, 10)
        label[start : start + length] = 1
    return value, label


def show(name: str, rates: np.ndarray, note: str = "") -> None:
    """Print one line."""
    print(f"{name:34s} {rates.max() / 1e6:10.3f} {np.median(rates) / 1e6:10.3f}  {note}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the detector beside others.")
    parser.add_argument("--series", type=int, default=100_000)
    series = parser.parse_args().series
    keep_memory()  # as the server does
    value, label = planted()
    print(f"{series} series, million samples per CPU-second   best     median")
    show("base update, aligned column", measure_base(series), "floor 100")
    for shuffled in (False, True):
        rates, held = measure_observe(series, shuffled=shuffled)
        order = "shuffled" if shuffled else "in order"
        show(f"observe, ids {order}", rates, f"floor 15, {held:.0f} B per young series")
    detect_array(value)
    start = time.thread_time_ns()
    score = detect_array(value).score
    rate = np.array([1e9 * len(value) / (time.thread_time_ns() - start)])
    show(f"{DETECTOR}, one series", rate, f"AUC-PR {auc_pr(label[500:], score[500:]):.3f}")
    if not PEERS.is_file():
        print("river and pysad are left out: see benchmarks/requirements.txt")
        return
    done = subprocess.run(
        [str(PEERS), str(Path(__file__).with_name("detect_peers.py"))],
        input=json.dumps({"values": value.tolist(), "seconds": 5}),
        capture_output=True,
        check=True,
        timeout=120,
    )
    for name, result in json.loads(done.stdout, what="answer of the peers").items():
        if "error" in result:
            print(f"{name} left out: {result['error']}")
            continue
        theirs = np.array(result["scores"])
        part = slice(500, len(theirs))
        note = f"AUC-PR {auc_pr(label[part], theirs[part]):.3f}"
        note += "" if len(theirs) == len(value) else f" on the first {len(theirs)} samples"
        show(name, np.array([result["per_second"]]), note)


if __name__ == "__main__":
    main()
