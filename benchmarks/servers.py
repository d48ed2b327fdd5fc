"""Start the servers that are measured, each as its own process, and read what they have cost.

A server is a command with a port of its own and an empty directory. CPU time is user plus
system time of the process and its ended children, from ``/proc/PID/stat``; memory is resident
set size. Linux only.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SERVERS", "Server", "free_port", "get", "missing", "running"]

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    url: str
    port: int
    process: subprocess.Popen[bytes]
    started: float
    """time.perf_counter() at its start."""

    def cpu_s(self) -> float:
        """Return the CPU seconds it has used since its start."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return sum(int(stat[place]) for place in (11, 12, 13, 14)) / TICKS

    def memory_mib(self, what: str = "VmRSS") -> float:
        """Return resident memory, or with ``VmHWM`` the most it ever was."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(what + ":"):
                return int(line.split()[1]) / 1024
        return float("nan")

    def wait_until_calm(self, *, busy: float = 0.1, patience_s: float = 120.0) -> None:
        """Return once it uses less than ``busy`` of a core for two seconds."""
        end = time.perf_counter() + patience_s
        while time.perf_counter() < end:
            before = self.cpu_s()
            time.sleep(2)
            if self.cpu_s() - before < 2 * busy:
                return
        raise TimeoutError(f"{self.name} did not become calm in {patience_s} s")

    def wait_for(self, path: str, patience_s: float = 120.0) -> float:
        """Return the seconds from its start until ``path`` answers 200."""
        end = time.perf_counter() + patience_s
        while time.perf_counter() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}")
            try:
                get(self.url + path)
            except (urllib.error.URLError, OSError):
                time.sleep(0.01)
            else:
                return time.perf_counter() - self.started
        raise TimeoutError(f"{self.name} does not answer {path}")


def get(url: str) -> bytes:
    """Return what an address answers; raises for anything but 2xx."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return bytes(answer.read())


def free_port() -> int:
    """Let the system choose a port."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def twinhelm(directory: Path, port: int, *flags: str) -> list[str]:
    """Return the command of our own server."""
    program = str(Path(sys.executable).with_name("twinhelm"))
    address = f"127.0.0.1:{port}"
    return [program, "up", "--data", str(directory), "--listen", address, *flags]


def prometheus(directory: Path, port: int, *_flags: str) -> list[str]:
    """Return the command of a Prometheus that only takes remote write."""
    config = directory / "prometheus.yml"
    config.write_text("global: {}\n")
    return [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
    ]


def victoria_metrics(directory: Path, port: int, *_flags: str) -> list[str]:
    """Return the command of a single-node VictoriaMetrics."""
    return [
        "victoria-metrics",
        f"-storageDataPath={directory}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=10y",
    ]


Command = Callable[..., list[str]]
SERVERS: dict[str, tuple[Command, str]] = {
    "twinhelm": (twinhelm, "/-/ready"),
    "prometheus": (prometheus, "/-/ready"),
    "victoria-metrics": (victoria_metrics, "/health"),
}
"""Command, and the path that answers once it stands."""


def missing(name: str) -> str:
    """Return why a server cannot be measured here, or nothing."""
    if name == "twinhelm" or shutil.which(name):
        return ""
    return f"{name} is not installed: apt-get install {name}"


@contextmanager
def running(name: str, directory: Path, *flags: str) -> Iterator[Server]:
    """Start a server on an existing directory, and end it."""
    command, _ = SERVERS[name]
    port = free_port()
    with (directory.parent / f"{directory.name}.log").open("ab") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            command(directory, port, *flags), stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield Server(name, f"http://127.0.0.1:{port}", port, process, started)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
