"""The program in this process, and one real server for all questions."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from peers.server import Twinhelm
from twinhelm.cli.main import main
from twinhelm.core import json


@dataclass
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out, max_bytes=1 << 28)


@pytest.fixture
def twinhelm(capsys, monkeypatch, tmp_path):
    """``twinhelm("status", "--json")``: run a command here, in a directory of its own."""
    for name in [name for name in os.environ if name.startswith("TWINHELM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*args):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        said = capsys.readouterr()
        return Ran(ended.value.code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def live(tmp_path_factory):
    """A server that watches no host, on a port that the system chose before."""
    server = Twinhelm(tmp_path_factory.mktemp("live") / "data", "--no-host")
    server.start()
    yield server
    assert server.stop() == 0, server.log


@pytest.fixture
def other():
    """A server that answers what ``other.answers`` says, in order.

    It remembers what it was asked (method, path without the API's prefix, body) and the tokens.
    """

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.removeprefix("/api/twinhelm/v1/")
            server.asked.append((self.command, path, asked))
            server.tokens.append(self.headers.get("Authorization"))
            status, body = server.answers.pop(0)
            body = body if isinstance(body, bytes) else json.dumps(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 - the names that the library asks for

        def log_message(self, *args):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.tokens, server.answers = [], [], []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
