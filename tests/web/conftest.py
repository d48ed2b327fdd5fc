"""A small house on stores in memory, and clients that speak to its site."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import httpx
import pytest

from peers.memory_records import MemoryRecords
from peers.memory_telemetry import MemoryTelemetry
from peers.memory_workflows import MemoryWorkflows
from twinhelm.aiops.flow.casework import Casework
from twinhelm.aiops.flow.feedback import Learning
from twinhelm.aiops.flow.incidents import IncidentDesk
from twinhelm.aiops.flow.intake import Intake
from twinhelm.app.advice import open_advice
from twinhelm.app.notices import open_notices
from twinhelm.app.repairs import open_repairs
from twinhelm.core.clock import SystemClock
from twinhelm.core.meters import Meters
from twinhelm.core.roles import Role
from twinhelm.core.settings import Settings
from twinhelm.events.identities import Identities
from twinhelm.events.journal import Journal
from twinhelm.web import server, site
from web.wing import idle

BASE = "http://127.0.0.1:9700"


def memory_house(*, telemetry=None, **sections):
    """Build what the web needs of a house; ``sections`` are settings, by section."""
    clock = SystemClock()
    settings = Settings(**sections)
    telemetry = telemetry or MemoryTelemetry(clock)
    records = MemoryRecords()
    journal = Journal(records, clock)
    meters = Meters()
    offered = []
    learning = Learning(records, journal, clock, settings.learn, settings.detect)
    repairs = open_repairs(
        settings, clock, records, journal, MemoryWorkflows(clock), telemetry, None
    )
    return SimpleNamespace(
        settings=settings,
        clock=clock,
        telemetry=telemetry,
        records=records,
        journal=journal,
        meters=meters,
        offered=offered,
        identities=Identities(journal, records, clock, settings.auth),
        intake=Intake(
            telemetry,
            journal,
            clock,
            settings.limits,
            meters,
            lambda _ids, _labels: None,
            offered.append,
        ),
        desk=IncidentDesk(
            records,
            journal,
            telemetry,
            Casework(records, journal, telemetry, settings.detect, meters, learning),
            clock,
        ),
        learning=learning,
        watch=SimpleNamespace(last_tick_ms=0),
        models=idle(),
        repairs=repairs,
        notices=open_notices(settings, clock, records, journal, telemetry),
        advice=open_advice(records, journal, clock, telemetry.read_changes, repairs.books.check),
        drive=None,
        tour=None,
        ready=True,
        start=lambda: None,
        stop=lambda: None,
    )


@pytest.fixture
def new_house():
    """``new_house(limits={...}, auth={...})``: a house in memory."""
    return memory_house


@pytest.fixture
def house():
    """A house with the settings that nobody changed."""
    return memory_house()


class Client:
    """Speaks to a site without a socket: one event loop in a thread, calls that wait."""

    def __init__(self, loop, app):
        self.app = app
        self._loop = loop
        self._inbox = asyncio.Queue()
        self._began = threading.Event()
        self._life = asyncio.run_coroutine_threadsafe(self._live(), loop)
        assert self._began.wait(10)
        # The address of the client counts for nothing; what it asks for does.
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 5))
        self._http = httpx.AsyncClient(transport=transport, base_url=BASE, trust_env=False)
        self.cookies = self._http.cookies

    async def _live(self):
        await self._inbox.put({"type": "lifespan.startup"})

        async def send(message):
            if message["type"] == "lifespan.startup.complete":
                self._began.set()

        await self.app({"type": "lifespan", "state": {}}, self._inbox.get, send)

    def wait(self, awaitable):
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result(60)

    def request(self, method, path, **more):
        return self.wait(self._http.request(method, path, **more))

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, **more):
        return self.request("POST", path, **more)

    def close(self):
        self.wait(self._http.aclose())
        self.wait(self._inbox.put({"type": "lifespan.shutdown"}))
        self._life.result(30)


@pytest.fixture(scope="session")
def loop():
    """An event loop that runs in a thread of its own."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.run_until_complete(made.shutdown_default_executor())
    made.close()


@pytest.fixture
def client_of(loop):
    """``client_of(house)``: a client that keeps cookies and follows nowhere."""
    opened = []

    def open_client(house, *, pages=False):
        opened.append(Client(loop, site.Site(house, pages=pages)))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close()


@pytest.fixture
def client(client_of, house):
    """A client of ``house``, on this machine, signed in as nobody."""
    return client_of(house)


@pytest.fixture
def token_of():
    """``token_of(house, role)``: headers of a token with that role."""

    def make(house, role=Role.ADMIN):
        secret = house.identities.create_token(f"t-{role.value.replace(' ', '-')}", [role], "test")
        return {"Authorization": f"Bearer {secret}"}

    return make


class Served:
    """``serve`` in a thread, on a port that the system chose."""

    def __init__(self, house, monkeypatch):
        self.house = house
        self.stopped = threading.Event()
        house.stop = self.stopped.set
        stood = threading.Event()

        def on_ready(url):
            self.url, self.announced = url, house.announced
            stood.set()

        servers = []
        started = server._Server.startup

        async def startup(made, sockets=None):
            servers.append(made)
            await started(made, sockets)

        monkeypatch.setattr(server._Server, "startup", startup)
        monkeypatch.setattr(site, "_make_pages", site._no_pages)
        self._thread = threading.Thread(
            target=site.serve, args=(house,), kwargs={"on_ready": on_ready}
        )
        self._thread.start()
        assert stood.wait(20)
        self._server = servers[0]
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=60)
        self.address = ("127.0.0.1", httpx.URL(self.url).port)

    def ask_to_end(self):
        self._server.should_exit = True

    def close(self):
        self.ask_to_end()
        self.http.close()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def serve_house(new_house, monkeypatch):
    running = []

    def start(house=None, **sections):
        if house is not None:
            running.append(Served(house, monkeypatch))
            return running[-1]
        sections["server"] = {"listen": "127.0.0.1:0"} | sections.get("server", {})
        running.append(Served(new_house(**sections), monkeypatch))
        return running[-1]

    yield start
    for served in running:
        served.close()
