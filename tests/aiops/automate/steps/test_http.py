"""An address is called below a listed beginning alone, and a value in it is one part of it."""

from __future__ import annotations

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from peers.deeds import HOSTILE, deed, named
from twinhelm.aiops.automate.steps.http import Flag, Http
from twinhelm.core.errors import BadInput
from twinhelm.core.json import loads
from twinhelm.core.settings import AutomateSettings


class Door(BaseHTTPRequestHandler):
    """Remembers what it was asked, and answers as its server was told to."""

    def do(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        status, headers, answer = self.server.answer(self.command, self.path, body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        with suppress(ConnectionError):  # whoever asked has heard enough
            self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def door():
    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        server.daemon_threads = True
        server.asked, server.answer = [], lambda *_: (200, {}, b"done")
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def http(door, tmp_path, *paths, **held):
    urls = [door.url + path for path in paths or ("/admin/",)]
    return Http(AutomateSettings(urls=urls), named(tmp_path, **held))


@pytest.mark.parametrize("tried", HOSTILE)
def test_a_value_is_one_part_of_the_address_and_one_text_of_the_body(door, tmp_path, tried):
    value = HOSTILE[tried]
    given = {
        "method": "POST",
        "url": f"{door.url}/admin/units/{{unit}}/restart?why={{unit}}",
        "body": {"unit": "{unit}", "{unit}": ["of {unit}"]},
    }
    outcome = deed(http(door, tmp_path), given, unit=value)
    if "path" in tried:
        assert "climbs out of its path" in outcome.text
        assert door.asked == []
        return
    assert outcome.ok, outcome.text
    ((method, path, headers, body),) = door.asked
    assert method == "POST"
    assert path.count("/") == 4
    assert path.count("?") == 1
    assert path.isascii()
    assert not set(path) & set(" <>\"'{}&#;|\r\n")
    assert loads(body) == {"unit": value, "{unit}": [f"of {value}"]}
    assert "X-Evil" not in headers


@pytest.mark.parametrize(
    "url",
    [
        "{url}/other", "{url}/administrator", "{url}/admin/../other", "{url}/admin/%2e%2e/other",
        "{url}/admin/%252e%252e/other", "{url}/admin/a%2f..%2f..%2fother", "{url}/admin/..\\other",
        "http://127.0.0.1:1/admin/x", "https{rest}/admin/x", "http://ann@{host}/admin/x",
    ],
)  # fmt: skip
def test_what_is_not_below_a_listed_beginning_is_barred(door, tmp_path, url):
    host = door.url.removeprefix("http://")
    asked = url.format(url=door.url, host=host, rest=f"://{host}")
    given = {"method": "GET", "url": asked}
    actor = http(door, tmp_path)
    assert actor.faults(given) or actor.barred(given)
    assert door.asked == []


def test_a_beginning_ends_at_a_part_of_the_path(door, tmp_path):
    actor = http(door, tmp_path, "/admin")
    assert deed(actor, {"method": "GET", "url": f"{door.url}/admin"}).ok
    assert deed(actor, {"method": "GET", "url": f"{door.url}/admin/x"}).ok
    assert not deed(actor, {"method": "GET", "url": f"{door.url}/admin2"}).ok


@pytest.mark.parametrize("url", ["ftp://a/b", "http://a b/", "http://{host}/x", "/x", "http://a"])
def test_an_address_names_its_host_itself(door, tmp_path, url):
    assert http(door, tmp_path).faults({"method": "GET", "url": url})


@pytest.mark.parametrize("listed", ["http://a", "a.example/x", "http://u:p@a/", "http://a/?x=1"])
def test_a_beginning_that_is_none_cannot_be_listed(listed):
    with pytest.raises(ValueError, match="pattern"):
        AutomateSettings(urls=[listed])


def test_a_line_end_never_reaches_the_address_or_a_header(door, tmp_path):
    actor = http(door, tmp_path)
    with pytest.raises(BadInput, match="which no step takes"):
        actor.fill({"method": "GET", "url": f"{door.url}/admin/{{a}}"}, {"a": "x\r\nX-Evil: 1"})
    given = {"method": "GET", "url": f"{door.url}/admin/"}
    assert actor.faults({**given, "headers": {"X-A": "a\r\nX-Evil: 1"}})
    assert actor.faults({**given, "headers": {"X-A: 1\r\nX-Evil": "1"}})
    assert actor.faults({**given, "headers": {"X-A": "{a}"}})


def test_a_header_may_be_a_secret_which_is_never_shown(door, tmp_path):
    door.answer = lambda *_: (200, {}, b"you sent tok-12345 and token=other")
    given = {
        "method": "GET",
        "url": f"{door.url}/admin/",
        "headers": {"Authorization": "secret:api", "X-Scope-OrgID": "shop"},
    }
    actor = http(door, tmp_path, api="Bearer tok-12345")
    outcome = deed(actor, given)
    assert door.asked[0][2]["Authorization"] == "Bearer tok-12345"
    assert door.asked[0][2]["X-Scope-OrgID"] == "shop"
    assert "other" not in outcome.text
    assert "tok-12345" not in actor.tell(given)
    assert "no secret 'none'" in deed(actor, {**given, "headers": {"A": "secret:none"}}).text


def test_no_redirect_is_followed(door, tmp_path):
    door.answer = lambda *_: (302, {"Location": "http://127.0.0.1:1/evil"}, b"")
    outcome = deed(http(door, tmp_path), {"method": "POST", "url": f"{door.url}/admin/x"})
    assert not outcome.ok
    assert "it points to http://127.0.0.1:1/evil, which is not followed" in outcome.text
    assert len(door.asked) == 1


def test_a_failure_and_a_server_that_is_not_there_are_outcomes(door, tmp_path):
    door.answer = lambda *_: (500, {}, b"broken")
    given = {"method": "GET", "url": f"{door.url}/admin/"}
    outcome = deed(http(door, tmp_path), given)
    assert (outcome.ok, outcome.text, outcome.facts) == (False, "500: broken", {"status": 500})
    assert deed(http(door, tmp_path), {**given, "ok": [500]}).ok
    closed = Http(AutomateSettings(urls=["http://127.0.0.1:1/"]), named(tmp_path))
    assert "no answer" in deed(closed, {"method": "GET", "url": "http://127.0.0.1:1/"}).text


def test_an_answer_is_read_as_far_as_its_limit(door, tmp_path):
    door.answer = lambda *_: (200, {}, b"\x1b[2J" + b"<script>" * 1_000_000)
    outcome = deed(http(door, tmp_path), {"method": "GET", "url": f"{door.url}/admin/"})
    assert len(outcome.text) < 5000
    assert "\x1b" not in outcome.text


@pytest.mark.parametrize("how", ["limit", "stop"])
def test_a_server_that_never_answers_holds_nobody(door, tmp_path, how):
    hold, asked = threading.Event(), threading.Event()

    def answer(*_):
        asked.set()
        hold.wait(60)
        return 200, {}, b""

    door.answer = answer
    outcome = deed(
        http(door, tmp_path),
        {"method": "GET", "url": f"{door.url}/admin/"},
        limit_s=2 if how == "limit" else 60,
        ended=lambda: "stopped by ann" if how == "stop" and asked.is_set() else "",
    )
    hold.set()
    assert not outcome.ok
    assert ("stopped by ann" if how == "stop" else "") in outcome.text


def test_methods_say_what_they_change(door, tmp_path):
    actor = http(door, tmp_path)
    said = {
        method: (actor.changes(given), actor.repeatable(given))
        for method in ("GET", "POST", "PUT", "DELETE")
        if (given := {"method": method, "url": f"{door.url}/admin/"})
    }
    assert said == {
        "GET": (False, True),
        "POST": (True, False),
        "PUT": (True, True),
        "DELETE": (True, True),
    }


def test_a_flag_remembers_what_stood_there_and_is_put_back(door, tmp_path):
    held = {"/flags/new-checkout": b"true", "/flags/words": b'"on"', "/flags/table": b"{}"}

    def answer(method, path, body):
        if path not in held:
            return 404, {}, b"none such"
        if method == "PUT":
            held[path] = body
        return 200, {}, held[path]

    door.answer = answer
    actor = Flag(AutomateSettings(urls=[f"{door.url}/flags/"]), named(tmp_path))
    url = f"{door.url}/flags/{{flag}}"
    turned = deed(actor, {"url": url, "value": False}, flag="new-checkout")
    assert turned.ok
    assert held["/flags/new-checkout"] == b"false"
    back = {"flag": "new-checkout", "did.before": turned.facts["before"]}
    assert deed(actor, {"url": url, "value": "{did.before}"}, **back).ok
    assert held["/flags/new-checkout"] == b"true"
    assert deed(actor, {"url": url, "value": "{v}"}, flag="words", v="o'ff").ok
    assert held["/flags/words"] == b'"o\'ff"'
    assert "no JSON value stands there" in deed(actor, {"url": url, "value": 1}, flag="table").text
    assert "404" in deed(actor, {"url": url, "value": 1}, flag="none").text
    assert not deed(actor, {"url": url, "value": "{v}"}, flag="new-checkout", v="x y").ok
    assert held["/flags/new-checkout"] == b"true"
