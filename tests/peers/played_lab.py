"""Fixtures: a lab that is played by a small server, and a catalogue of three faults."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from twinhelm.lab.words import Fault, Symptom, Truth

__all__ = ["played_lab", "three_faults"]


async def nothing(_stage):
    """Break nothing."""


def fault(name, **truth):
    said = Truth(**({"service": "cart", "indicator": "latency"} | truth))
    symptom = Symptom("up", {"job": "cart"}, "value", above=0.5)
    return Fault(name, f"Title of {name}", f"Repair of {name}", said, symptom, nothing, nothing)


@pytest.fixture
def three_faults():
    """Three faults, the last of them none."""
    each = (
        fault("cache-down", service="cache", indicator="errors"),
        fault("slow-cart"),
        fault("surge", service="crowd", blame=False),
    )
    return {one.name: one for one in each}


class PlayedLab(ThreadingHTTPServer):
    """Remembers what it was asked; ``active`` are its faults, ``known`` the names there are."""

    def __init__(self, known):
        self.known, self.active, self.asked, self.value = known, [], [], 1.0
        self.troubles = {}
        super().__init__(("127.0.0.1", 0), PlayedHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class PlayedHandler(BaseHTTPRequestHandler):
    """Answers as the control address and the agent do."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, orjson.loads(body) if body else None))
        status, said = self.made()
        raw = orjson.dumps(said)
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names that the library asks for

    def made(self):
        server, name = self.server, self.path.rpartition("/")[2]
        if self.headers["X-Lab-Secret"] != "secret":
            return 403, {"error": "the secret is missing or wrong", "hint": ""}
        if self.path == "/status":
            active = [{"fault": each, "since_s": 1.0} for each in server.active]
            rows = [
                {"name": "cart", "pid": 7, "alive": True, "paused": False, "version": "1.0.0",
                 "port": 1},
                {"name": "cache", "pid": 8, "alive": False, "paused": False, "version": "1.0.0",
                 "port": 2},
            ]  # fmt: skip
            return 200, {
                "ready": True, "since_s": 5.0, "processes": rows, "active": active,
                "sent": {"metrics": 1000}, "troubles": server.troubles,
                "database": "sqlite", "gateway": "http://127.0.0.1:1",
            }  # fmt: skip
        if self.path == "/faults":
            return 200, [{"name": each} for each in server.known]
        if self.path == "/_lab/ask":
            return 200, {"value": server.value}
        if not self.path.startswith("/faults/"):
            return 200, {}
        if name not in server.known:
            return 404, {"error": f"no fault is called {name!r}", "hint": ""}
        begin = self.command == "POST"
        if begin == (name in server.active):
            return 409, {"error": f"{name} is {'' if begin else 'not '}active", "hint": "see"}
        (server.active.append if begin else server.active.remove)(name)
        return 200, {"fault": name}

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def played_lab(three_faults, tmp_path):
    """A lab in ``played_lab.folder`` that only says what a real one would."""
    with PlayedLab(three_faults) as server:
        server.folder = tmp_path / "lab"
        server.folder.mkdir()
        said = {"url": server.url, "secret": "secret", "pid": 1}
        (server.folder / "control.json").write_bytes(orjson.dumps(said))
        plan = {
            "folder": str(server.folder),
            "ports": {"agent": server.server_port},
            "database_url": "sqlite://",
            "backend": {},
            "secret": "secret",
            "host": "box",
        }
        (server.folder / "plan.json").write_bytes(orjson.dumps(plan))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
