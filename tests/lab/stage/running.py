"""A backend that is a real HTTP server, and a whole lab in a child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from twinhelm.lab.plan import SECRET_HEADER
from twinhelm.lab.words import read_json

__all__ = ["ENV", "LabRun", "Sink", "alive", "descendants", "until"]

PATIENCE_S = 60.0
ENV = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def until(holds: Callable[[], Any], what: str, *, patience_s: float = PATIENCE_S) -> Any:
    """Ask again and again until it holds; fails the test when it does not in time."""
    deadline = time.monotonic() + patience_s
    while True:
        if found := holds():
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not within {patience_s:g} s: {what}")
        time.sleep(0.05)


class Sink:
    """A backend that keeps what it is sent; ``status`` is what it answers."""

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[tuple[str, dict[str, str], bytes]] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if sink.status < 300:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    sink.bodies.append((self.path, headers, body))
                self.send_response(sink.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def at(self, path: str) -> list[bytes]:
        """The bodies that came to one path."""
        return [body for said, _, body in list(self.bodies) if said == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class LabRun:
    """A whole lab in a child process, as a parent that wants one starts it."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.log = folder.with_name(f"{folder.name}.log")
        with self.log.open("ab") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "twinhelm.lab", "up", "--folder", str(folder), *flags],
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
                env=ENV,
            )

    def wait_ready(self) -> LabRun:
        def ready() -> bool:
            if self.process.poll() is not None:
                pytest.fail(f"the lab ended:\n{self.log.read_text()}")
            control = self.folder / "control.json"  # which a killed lab may have left
            mine = control.exists() and read_json(control)["pid"] == self.process.pid
            return mine and self.status()["ready"]

        try:
            until(ready, "the lab is up")
        except BaseException:
            self.process.kill()
            raise
        return self

    def ask(self, method: str, path: str, body: Any = None, *, secret: str = "") -> httpx.Response:
        said = read_json(self.folder / "control.json")
        headers = {SECRET_HEADER: secret or said["secret"]}
        url = path if path.startswith("http") else said["url"] + path
        return httpx.request(method, url, headers=headers, json=body, timeout=20, trust_env=False)

    def status(self) -> dict[str, Any]:
        return dict(self.ask("GET", "/status").json())

    def pid(self, name: str) -> int:
        return next(each["pid"] for each in self.status()["processes"] if each["name"] == name)

    def close_stdin(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(20)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()


def descendants(root: int) -> list[int]:
    """Processes below one, at any depth, from ``/proc``."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rpartition(")")[2].split()[1]
                )
            except (OSError, IndexError):
                continue
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def alive(pids: list[int]) -> list[int]:
    """Those that run: not gone, and not dead and waiting for their parent to notice."""
    found = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.append(pid)
    return found
