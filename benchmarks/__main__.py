"""Run the benchmarks, each in a process of its own: ``make bench``.

    python -m benchmarks [NAME ...] [--quick] [--json FILE]

Without names all run. ``--quick`` takes minutes, the whole takes most of an hour. Peers that are
not installed are left out with the reason; the streaming detectors to compare with are installed
into an environment of their own, ``.cache/bench-venv``, where pip can.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PEERS = HERE.parent / ".cache" / "bench-venv"

BENCHMARKS: dict[str, tuple[str, list[str], list[str]]] = {
    "ingest": ("Remote write, end to end", [], ["--quick"]),
    "decode": ("Decoders alone", [], []),
    "detect": ("Detection", [], []),
    "store": ("The telemetry store", [], ["--rows", "4000000", "--seconds", "20"]),
    "start": ("Start and memory", [], ["--quick"]),
    "serving": ("Answers of models, beside MLServer and mlflow", [], ["--quick"]),
    "drift": ("Drift, beside scipy and Evidently", [], ["--rows", "200000", "--reports", "100"]),
}
"""Title, arguments of the whole run, and of the quick one."""

WRITES_JSON = frozenset({"ingest", "store", "start"})


def make_peers() -> None:
    """Install river and pysad beside us, where they are not and can be."""
    if (PEERS / "bin" / "python").is_file():
        return
    print(f"installing the detectors to compare with into {PEERS.relative_to(HERE.parent)}")
    try:
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        subprocess.run(
            [
                *(str(PEERS / "bin" / "python"), "-m", "pip", "install", "--quiet"),
                *("-r", str(HERE / "requirements.txt")),
            ],
            check=True,
        )
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"they are left out: {error}")


def machine() -> dict[str, object]:
    """Describe where this is measured."""
    model = "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(": ")[2] if lines else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def main() -> int:
    """Run what was asked for; return 1 where one failed."""
    parser = argparse.ArgumentParser(description="Measure twinhelm, real peers beside it.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, help="write all figures here")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    figures: dict[str, object] = {"machine": machine()}
    print(", ".join(f"{key} {value}" for key, value in machine().items()), flush=True)
    failed = []
    for name in asked.names or BENCHMARKS:
        title, whole, quick = BENCHMARKS[name]
        print(f"\n{title} ({name})", flush=True)
        if name == "detect":
            make_peers()
        command = [sys.executable, str(HERE / f"{name}.py"), *(quick if asked.quick else whole)]
        with tempfile.TemporaryDirectory() as made:
            out = Path(made) / "figures.json"
            if name in WRITES_JSON:
                command += ["--json", str(out)]
            if subprocess.run(command).returncode:
                failed.append(name)
            elif out.is_file():
                figures[name] = json.loads(out.read_text())
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
