"""What anybody may send in tries to be more than text: through the whole server, it stays text.

One alert carries every trick as labels and annotations, a log line carries them too. A runbook
whose author let any character in puts them into arguments of a program, into addresses and bodies,
and into the values of a query. Each must arrive as it was, or be refused; nothing else may happen.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import httpx
import pytest

from peers.deeds import HOSTILE
from twinhelm.core.clock import SystemClock
from twinhelm.core.json import dumps, loads

pytestmark = pytest.mark.timeout(300)

API = "/api/twinhelm/v1"
PATIENCE_S = 120.0
TRICKS = {name.replace(" ", "_"): value for name, value in HOSTILE.items()}
PLAIN = [name for name in TRICKS if "path" not in name]
"""Those that may stand in an address at all."""
TOOL = f"""#!{sys.executable}
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
(here / "argv").write_text(json.dumps([sys.argv[1:], sorted(os.environ)]))
"""
POLICY = "[autonomy]\nearn = 0\n"
HEAD = """
[runbook]
name = "{name}"
says = "Pass on whatever came in."
level = "act"
[when]
verdict = ["conclusive", "inconclusive"]
confidence = 0
metric = ["Hostile"]
[limits]
reach = 1000
cooldown_s = 0
[verify]
within_s = 1
"""
NONE = 'undo = "none"\nbecause = "it harms nobody"\n'


class Door(BaseHTTPRequestHandler):
    """Remembers what it was asked."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.path, dict(self.headers), body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def door():
    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        server.daemon_threads, server.asked = True, []
        server.url = f"http://127.0.0.1:{server.server_port}/admin/"
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def runbook(name, tricks, steps):
    """A runbook that takes every trick, whatever characters it has."""
    given = "".join(
        f'[parameters.{trick}]\nfrom = "label.{trick}"\npattern = "[ -~À-ÿ]+"\n' for trick in tricks
    )
    told = "".join(f'[[steps]]\nname = "s{at}"\n{step}\n' for at, step in enumerate(steps))
    return HEAD.format(name=name) + given + told


def step(do, arguments):
    """Write a step's deed."""
    return f'do = "{do}"\narguments = {toml(arguments)}'


def toml(value):
    """Write arguments as TOML: JSON is, but for the colons of its tables."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{dumps(k).decode()} = {toml(v)}' for k, v in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return dumps(value).decode()


def test_every_trick_stays_text_through_the_whole_server(start_twinhelm, door, tmp_path):
    books = tmp_path / "books"
    books.mkdir()
    tool = tmp_path / "tool"
    tool.write_text(TOOL)
    tool.chmod(0o755)
    shop = tmp_path / "shop.sqlite"
    with sqlite3.connect(shop) as made:
        made.execute("CREATE TABLE orders (name TEXT)")
        made.execute("INSERT INTO orders VALUES ('a')")
    made.close()
    listed = " || ".join(f":{name}" for name in TRICKS)
    query = {
        "database": "shop",
        "query": f"SELECT {listed} || count(*) FROM orders",  # noqa: S608 - of names alone
        "values": {name: f"{{{name}}}" for name in TRICKS},
    }  # fmt: skip
    words = [*(f"{{{name}}}" for name in TRICKS), "--x={shell}{html}"]
    call = {
        "method": "POST",
        "url": f"{door.url}{'/'.join(f'{{{name}}}' for name in PLAIN)}",
        "body": {name: f"{{{name}}}" for name in TRICKS},
    }
    steps = [
        f"{step('command', {'command': [str(tool), *words]})}\n{NONE}",
        f"{step('http', call)}\n{NONE}",
        step("sql", query),
    ]
    (books / "pass-on.toml").write_text(runbook("pass-on", TRICKS, steps))
    climbs = step("http", {"method": "POST", "url": f"{door.url}{{path}}"})
    (books / "climb.toml").write_text(runbook("climb", ["path"], [f"{climbs}\n{NONE}"]))
    (books / "policy.toml").write_text(POLICY)
    server = start_twinhelm(
        "--no-host",
        env={
            "TWINHELM_AUTOMATE__RUNBOOKS": str(books),
            "TWINHELM_AUTOMATE__COMMANDS": dumps([str(tool)]).decode(),
            "TWINHELM_AUTOMATE__URLS": dumps([door.url]).decode(),
            "TWINHELM_AUTOMATE__DATABASES": '["shop"]',
            "TWINHELM_SECRET_SHOP": f"sqlite:///{shop}",
        },
    )
    with httpx.Client(
        base_url=server.url, headers=server.headers(), trust_env=False, timeout=60
    ) as web:
        known = until(lambda: [one for one in web.get(f"{API}/runbooks").json()
                               if one["name"] in ("pass-on", "climb")])  # fmt: skip
        assert not any(one["fault"] for one in known), known
        now = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC).isoformat()
        alert = {
            "labels": {"alertname": "Hostile", "severity": "critical", "service": "x", **TRICKS},
            "annotations": {"summary": " ".join(TRICKS.values()), **TRICKS},
            "startsAt": now,
        }
        web.post("/api/v2/alerts", json=[alert]).raise_for_status()
        summary = alert["annotations"]["summary"]
        line = {"stream": {"app": "x"}, "values": [[str(SystemClock().now_ns()), summary]]}
        web.post("/loki/api/v1/push", json={"streams": [line]}).raise_for_status()
        done = until(lambda: [one for one in web.get(f"{API}/repairs").json()
                              if one["runbook"] == "pass-on" and one["ended_ms"]])[0]  # fmt: skip
        texts = [(step["state"], step["text"]) for step in done["steps"]]
        argv, variables = loads((tmp_path / "argv").read_text())
        assert argv == [*TRICKS.values(), f"--x={TRICKS['shell']}{TRICKS['html']}"], texts
        assert set(variables) <= {"PATH", "LANG", "LC_CTYPE"}
        ((path, headers, body),) = door.asked
        parts = path.removeprefix("/admin/").split("/")
        assert [unquote(part) for part in parts] == [TRICKS[name] for name in PLAIN]
        assert not set(path) & set(" <>\"'{}?&#;|\r\n")
        assert loads(body) == TRICKS
        assert not [name for name in headers if "evil" in name.lower()]
        assert done["steps"][2]["facts"]["answer"].endswith("1")
        barred = [one for one in web.get(f"{API}/incidents/{done['incident']}/runbooks").json()
                  if "climb" in str(one)]  # fmt: skip
        assert "climbs out of its path" in str(barred)
        page = web.get(f"/incidents/{done['incident']}")
        assert page.status_code == 200
        assert TRICKS["html"] not in page.text
        rows = web.get(f"{API}/repairs/{done['id']}").json()["journal"]
        assert "$(touch pwned)" in str(rows)
    assert not list(tmp_path.rglob("pwned"))
    with sqlite3.connect(shop) as left:
        assert left.execute("SELECT count(*) FROM orders").fetchone() == (1,)
    left.close()


def until(found):
    """Wait until something is found, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (what := found()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return what
