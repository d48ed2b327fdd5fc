"""Run real faults on this machine: each noticed, as one incident, with the right first suspect.

Starts a real server that watches this host, lets it learn, then starts one bounded fault after
another as a real process and asks the server what it made of it:

* a CPU burner: one process that spins on one core for 90 s;
* a memory hog: one process that takes 15 % of memory (at most 4 GB) within 30 s and holds it;
* a disk filler: one process that writes 2 % of the volume (at most 4 GB) within 60 s.

    python benchmarks/faults.py [--learn 300] [--quiet 0] [--json FILE]

``--quiet`` seconds of idle watching go before the faults; no incident may be raised in them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BURN = "import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
HOG = (
    "import time\nheld = []\n"
    "for step in range(30):\n"
    "    held.append(bytearray(b'x' * ({size} // 30)))\n    time.sleep(1)\n"
    "time.sleep({seconds} - 30)"
)
FILL = (
    "import os, time\n"
    "with open({file!r}, 'wb') as out:\n"
    "    for step in range(60):\n"
    "        out.write(os.urandom(1 << 20) * ({size} // 60 >> 20)); out.flush()\n"
    "        os.fsync(out.fileno()); time.sleep(max(0, ({seconds} - 30) / 60))\n"
    "time.sleep(30)"
)
SECONDS = 90
SETTLE_S = 150


@dataclass
class Outcome:
    """What became of one fault."""

    fault: str
    incidents: int
    noticed_s: float | None
    title: str
    first_suspect: str
    resource_right: bool
    process_named: bool
    resolved: bool


def main() -> int:
    """Run the scenario and print a table; 0 where every line is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learn", type=float, default=300)
    parser.add_argument("--quiet", type=float, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="*", default=["cpu", "memory", "disk"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        server = Server(Path(folder) / "data")
        try:
            return run(server, Path(folder), options)
        finally:
            server.stop()


def run(server: Server, folder: Path, options: argparse.Namespace) -> int:
    """Learn, stay quiet, break things."""
    print(f"learning for {options.learn:.0f} s", flush=True)
    time.sleep(options.learn)
    before = len(server.incidents())
    if options.quiet:
        print(f"idle for {options.quiet:.0f} s", flush=True)
        time.sleep(options.quiet)
    idle = len(server.incidents()) - before
    print(f"incidents while learning: {before}, while idle: {idle}", flush=True)
    memory = min(int(_memory() * 0.15), 4 << 30)
    disk = min(int(shutil.disk_usage(folder).total * 0.02), 4 << 30)
    filled = folder / "filling"
    faults = {
        "cpu": BURN.format(seconds=SECONDS),
        "memory": HOG.format(size=memory, seconds=SECONDS),
        "disk": FILL.format(file=str(filled), size=disk, seconds=SECONDS),
    }
    outcomes = []
    for name in options.only:
        outcomes.append(broken(server, name, faults[name]))
        filled.unlink(missing_ok=True)
        print(json.dumps(asdict(outcomes[-1])), flush=True)
    if options.json:
        options.json.write_text(
            json.dumps({"idle": idle, "faults": [asdict(each) for each in outcomes]}, indent=2)
        )
    good = all(
        each.incidents == 1
        and each.noticed_s is not None
        and each.noticed_s <= 60
        and each.resource_right
        and each.process_named
        for each in outcomes
    )
    return 0 if good and not before and not idle else 1


def broken(server: Server, name: str, code: str) -> Outcome:
    """Run one fault and say what the server made of it."""
    known = {each["id"] for each in server.incidents()}
    script = Path(tempfile.gettempdir()) / f"{name}_fault.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, str(script)])
    began = time.monotonic()
    noticed: float | None = None
    suspect: dict[str, Any] = {}
    try:
        while process.poll() is None and time.monotonic() - began < SECONDS + 60:
            time.sleep(1)
            new = [each for each in server.incidents() if each["id"] not in known]
            if new and noticed is None:
                noticed = time.monotonic() - began
            if new:
                suspects = server.incident(new[0]["id"])["claims"]
                suspect = suspects[0] if suspects else suspect
    finally:
        process.kill()
        process.wait()
        script.unlink()
    time.sleep(SETTLE_S)
    new = [each for each in server.incidents() if each["id"] not in known]
    text = str(suspect.get("text", ""))
    return Outcome(
        fault=name,
        incidents=len(new),
        noticed_s=noticed,
        title=new[0]["title"] if new else "",
        first_suspect=text,
        resource_right=name in text.lower(),
        process_named=f"{name}_fault" in text or str(process.pid) in text,
        resolved=bool(new) and all(each["state"] == "resolved" for each in new),
    )


class Server:
    """A real server on a free port, ended by its process id."""

    def __init__(self, data: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        program = Path(sys.executable).parent / "twinhelm"
        self._process = subprocess.Popen(
            [str(program), "up", "--data", str(data), "--listen", f"127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if not os.environ.get("VERBOSE") else None,
        )
        for _ in range(200):
            try:
                self._get("/-/ready")
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the server did not become ready")

    def incidents(self) -> list[dict[str, Any]]:
        """List all incidents."""
        found = self._get("/api/twinhelm/v1/incidents?limit=100")
        return found if isinstance(found, list) else found["incidents"]

    def incident(self, key: int) -> dict[str, Any]:
        """Everything about one."""
        return self._get(f"/api/twinhelm/v1/incidents/{key}")

    def stop(self) -> None:
        """End it and wait."""
        self._process.terminate()
        self._process.wait(timeout=60)

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if body[:1] in b"[{" else body


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


if __name__ == "__main__":
    raise SystemExit(main())
