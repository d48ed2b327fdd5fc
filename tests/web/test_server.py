import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from twinhelm.core.errors import BadInput, Conflict, Refused
from twinhelm.core.roles import Role
from twinhelm.core.settings import LimitSettings
from twinhelm.web.body import Intray
from twinhelm.web.server import Protocol, bind
from twinhelm.web.site import serve
from web.bodies import V1, write_v1


def raw(served, *parts, pause=0.0, timeout=10):
    """Send bytes over a socket and return what comes until the server hangs up."""
    with socket.create_connection(served.address, timeout=timeout) as connection:
        for part in parts:
            connection.sendall(part)
            threading.Event().wait(pause)
        said = b""
        while chunk := connection.recv(65536):
            said += chunk
        return said


def test_a_real_server_takes_telemetry_and_ends_in_order(serve_house):
    served = serve_house()
    assert served.http.get("/-/healthy").status_code == 200
    now = served.house.clock.now_ms()
    body = write_v1([({"__name__": "up"}, [(1.0, now)])])
    assert served.http.post("/api/v1/write", content=body, headers=V1).status_code == 204
    found = served.http.get("/api/v1/query", params={"query": "up"}).json()["data"]["result"]
    assert found[0]["value"][1] == "1"
    assert served.http.get("/api/twinhelm/v1/status").json()["ready"] is True
    served.close()
    assert served.stopped.is_set()


def test_it_is_not_ready_before_its_address_is_written_down(serve_house):
    served = serve_house()
    assert served.announced is False
    wait_until(lambda: served.house.announced)


def test_a_request_in_flight_is_finished_before_the_end(serve_house, monkeypatch):
    served = serve_house()
    began, may_end = threading.Event(), threading.Event()

    def slow(*_args):
        began.set()
        may_end.wait(10)
        return []

    monkeypatch.setattr(served.house.telemetry, "label_names", lambda *_a, **_k: slow())
    answers = []
    asking = threading.Thread(target=lambda: answers.append(served.http.get("/api/v1/labels")))
    asking.start()
    assert began.wait(10)
    served.ask_to_end()
    may_end.set()
    asking.join(10)
    assert answers[0].status_code == 200


def test_a_slow_client_is_told_and_hung_up_on(serve_house):
    served = serve_house(limits={"body_timeout_s": 0.2})
    head = (
        b"POST /v1/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\n"
        b"Content-Length: 100\r\n\r\n"
    )
    said = raw(served, head, b"abc")
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"body_timeout_s" in said
    assert served.http.get("/-/healthy").status_code == 200


def test_a_client_that_goes_away_leaves_its_place(serve_house):
    served = serve_house(limits={"max_requests_in_flight": 1, "body_timeout_s": 5})
    head = b"POST /v1/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nabc"
    with socket.create_connection(served.address) as connection:
        connection.sendall(head)
        # The place is taken once the server answers others 429.
        wait_until(lambda: post_nothing(served) == 429)
    wait_until(lambda: post_nothing(served) == 200)


def post_nothing(served):
    headers = {"Content-Type": "application/x-protobuf"}
    return served.http.post("/v1/logs", content=b"", headers=headers).status_code


def wait_until(true, patience_s=10.0):
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_a_declared_size_past_the_limit_is_refused_before_it_is_sent(serve_house):
    served = serve_house(limits={"max_body_bytes": 1000})
    head = b"POST /v1/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\n"
    said = raw(served, head)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"max_body_bytes" in said


def test_what_is_not_http_is_refused(serve_house):
    served = serve_house()
    assert raw(served, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert served.http.get("/-/healthy").status_code == 200


class Pieces(asyncio.Transport):
    """A transport that keeps what it is given, piece by piece."""

    def __init__(self):
        super().__init__()
        self.sent = []

    def write(self, data):
        self.sent.append(bytes(data))

    def writelines(self, parts):
        self.sent.append(b"".join(parts))

    def is_closing(self):
        return False

    def close(self):
        self.sent.append("closed")


def pieces(method, *messages):
    """Answer a request with these messages; return what left after each, and at the end."""
    told, seen = Pieces(), []

    async def app(_scope, _receive, send):
        for message in messages:
            await send({"type": "http.response.body", **message})
            seen.append(len(told.sent))

    async def answer():
        state = ServerState()
        protocol = Protocol(uvicorn.Config(app, http=Protocol), state, {})
        protocol.connection_made(told)
        protocol.data_received(b"%s / HTTP/1.1\r\nHost: x\r\n\r\n" % method)
        await asyncio.gather(*state.tasks)
        protocol.timeout_keep_alive_task.cancel()

    asyncio.run(answer())
    return seen, told.sent


LONG = [(b"content-length", b"4")]
START = {"type": "http.response.start", "status": 200}


def test_a_head_leaves_with_its_body_in_one_piece():
    seen, sent = pieces(b"GET", {**START, "headers": LONG}, {"body": b"four"})
    assert (seen, len(sent)) == ([0, 1], 1)
    assert sent[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert sent[0].endswith(b"\r\n\r\nfour")


def test_a_head_of_a_stream_does_not_wait_for_it():
    seen, sent = pieces(b"GET", START, {"body": b"a", "more_body": True}, {"body": b"b"})
    assert seen == [1, 2, 3]
    assert sent[1:] == [b"1\r\na\r\n", b"1\r\nb\r\n0\r\n\r\n"]


@pytest.mark.parametrize(("method", "body"), [(b"HEAD", b"four"), (b"GET", b"")])
def test_a_head_without_a_body_leaves_alone(method, body):
    length = [(b"content-length", b"%d" % len(body))]
    seen, sent = pieces(method, {**START, "headers": length}, {"body": body})
    assert (seen, len(sent)) == ([0, 1], 1)
    assert sent[0].endswith(b"\r\n\r\n")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [11, 1000, 1 << 20])
def test_a_body_comes_whole_however_it_is_cut(chunked, size):
    parts, found = [b"a" * 3, b"b" * 700, b"c", b"d" * 2000], []
    how = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 2704"
    coded = [b"%x\r\n%s\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]
    sent = b"POST / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % how + b"".join(coded if chunked else parts)

    async def app(_scope, receive, send):
        async with Intray(LimitSettings()).taken({}, receive) as body:
            found.append(body)
        await send({**START, "headers": LONG})
        await send({"type": "http.response.body", "body": b"four"})

    async def answer():
        state = ServerState()
        protocol = Protocol(uvicorn.Config(app, http=Protocol), state, {})
        protocol.connection_made(Pieces())
        for at in range(0, len(sent), size):
            protocol.data_received(sent[at : at + size])
            await asyncio.sleep(0)
        await asyncio.gather(*state.tasks)
        protocol.timeout_keep_alive_task.cancel()

    asyncio.run(answer())
    assert found == [b"".join(parts)]


def test_a_socket_is_guarded_as_a_request_is(serve_house):
    served = serve_house()
    upgrade = (
        b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert raw(served, upgrade).startswith(b"HTTP/1.1 403 ")
    elsewhere = upgrade.replace(b"\r\n\r\n", b"\r\nOrigin: https://evil.example\r\n\r\n")
    assert raw(served, elsewhere.replace(b"/nothing", b"/_nicegui_ws/socket.io/")).startswith(
        b"HTTP/1.1 403 "
    )


def test_a_port_in_use_is_said_plainly():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Conflict, match="in use by another program") as caught:
            bind(f"127.0.0.1:{port}")
    assert "--listen" in caught.value.hint


@pytest.mark.parametrize(
    ("listen", "says"),
    [
        ("127.0.0.1", "not HOST:PORT"),
        ("no-such-host.invalid:9700", "not known here"),
        ("192.0.2.1:9700", "no address of this machine"),
    ],
)
def test_an_address_that_cannot_be_bound_is_said_plainly(listen, says):
    with pytest.raises(Refused, match=says):
        bind(listen)


def test_an_ipv6_address_is_bound():
    try:
        listener = bind("[::1]:0")
    except Refused:
        assert not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6")  # noqa: PTH110
        return
    with listener:
        assert listener.family == socket.AF_INET6


def test_a_wide_address_needs_authentication_and_somebody(new_house):
    wide = {"listen": "0.0.0.0:0"}
    with pytest.raises(Refused, match=r"auth\.required is not set"):
        serve(new_house(server=wide))
    house = new_house(server=wide, auth={"required": True})
    with pytest.raises(Refused, match="nobody can sign in yet") as caught:
        serve(house)
    assert "twinhelm user" in caught.value.hint
    house.identities.create_token("ingest", [Role.OPERATOR], "test")
    nowhere = house.settings.server.model_copy(update={"listen": "192.0.2.1:9700"})
    house.settings = house.settings.model_copy(update={"server": nowhere})
    with pytest.raises(Refused, match="no address of this machine"):  # it came as far as that
        serve(house)


def test_a_house_that_cannot_be_served_is_stopped(new_house):
    house = new_house(server={"listen": "nonsense"})
    stopped = threading.Event()
    house.stop = stopped.set
    with pytest.raises(BadInput):
        serve(house)
    assert stopped.is_set()


SCRIPT = """
import sys
from types import SimpleNamespace
sys.path.insert(0, {tests!r})
from web.conftest import memory_house
from twinhelm.web import site
from twinhelm.web.site import serve
site._make_pages = site._no_pages
house = memory_house(server={{"listen": "127.0.0.1:0"}})
house.stop = lambda: print("stopped", flush=True)
serve(house, on_ready=lambda url: print(url, flush=True))
print("returned", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_and_then_the_house(number, request):
    tests = str(request.config.rootpath / "tests")
    command = [sys.executable, "-c", SCRIPT.format(tests=tests)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            assert httpx.get(f"{url}/-/healthy", trust_env=False).status_code == 200
            process.send_signal(number)
            rest, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert rest.split() == ["stopped", "returned"]
    assert process.returncode == 0
