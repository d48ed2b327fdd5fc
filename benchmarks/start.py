"""How long until twinhelm stands, and how much memory does it hold? The real server, this host.

    python benchmarks/start.py [--quick] [--json FILE]

A data directory is made and left by one server; then three more start on it: seconds until
health is answered, until it is ready (the checkpoint is back and samples are judged), and
resident memory while it watches this host: after 60 s, and the most it ever was. The targets are
3 s to healthy and 400 MB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from servers import running

STARTS = 3
WATCHED_S = 60.0


def measure(directory: Path, watched_s: float) -> dict[str, float]:
    """Start, watch for a while, and end."""
    with running("twinhelm", directory) as server:
        healthy = server.wait_for("/-/healthy")
        ready = server.wait_for("/-/ready")
        began, cpu = time.perf_counter(), server.cpu_s()
        time.sleep(watched_s)
        used = (server.cpu_s() - cpu) / (time.perf_counter() - began)
        return {
            "healthy_s": healthy,
            "ready_s": ready,
            "resident_mb": server.memory_mib() * 1.048576,
            "peak_mb": server.memory_mib("VmHWM") * 1.048576,
            "cores_meanwhile": used,
        }


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one start, watched for 15 s")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="twinhelm-bench-") as made:
        directory = Path(made) / "data"
        directory.mkdir()
        measure(directory, 10.0)
        starts, watched_s = (1, 15.0) if asked.quick else (STARTS, WATCHED_S)
        rounds = [measure(directory, watched_s) for _ in range(starts)]
    result = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
    for key, figure in result.items():
        print(f"  {key:20s}{figure:10.2f}   of {[round(one[key], 2) for one in rounds]}")
    if asked.json:
        asked.json.write_text(json.dumps({"median": result, "rounds": rounds}, indent=1))


if __name__ == "__main__":
    main()
