"""One real house with things to show, served to a real browser."""

from __future__ import annotations

import socket
import threading

import httpx
import numpy as np
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from nicegui import core

from twinhelm.aiops.records import incident_ref, put_anomaly, put_claims, put_incident
from twinhelm.aiops.types import Anomaly, Direction, Incident, IncidentState, Rejected, Resource
from twinhelm.app import open_house
from twinhelm.core.claims import Claim, Evidence
from twinhelm.core.labels import labels_of
from twinhelm.core.roles import Role
from twinhelm.core.settings import load_settings
from twinhelm.core.telemetry import Change, LogBlock, SampleBlock
from twinhelm.web.site import Site

HOSTILE = '</script><img src=x onerror="window.harmed=1"><b>${window.harmed=1}</b>`\'"{{harmed}}'
PASSWORD = "correct horse battery"
MINUTES = 30
INCIDENTS = 4


def fill(house):
    """Give the house series, logs, changes, rejections and incidents, all of them hostile."""
    now = house.clock.now_ms()
    labels = [
        labels_of({"__name__": "host_cpu_busy_ratio", "job": "host", "host": "a"}),
        labels_of({"__name__": "shop_latency_seconds", "route": HOSTILE}),
        labels_of({"__name__": "shop_latency_seconds", "route": "/cart"}),
    ]
    ids = house.telemetry.intern(labels, tenant="default")
    times = np.arange(now - MINUTES * 60_000, now, 5000, dtype=np.int64)
    for one in ids:
        values = 0.3 + 0.05 * np.sin(np.arange(len(times)) / 9 + one)
        house.telemetry.append_samples(
            SampleBlock(np.full(len(times), one, np.uint32), times, values)
        )
    house.telemetry.append_changes(
        [Change("c1", now - 600_000, "deploy", "service:shop", f"shop 2 {HOSTILE}", "ci")]
    )
    house.telemetry.append_logs(
        LogBlock(
            np.array([(now - 60_000) * 1_000_000], np.int64),
            np.zeros(1, np.int32),
            (labels_of({"service_name": HOSTILE}),),
            np.array([17], np.uint8),
            [f"it broke {HOSTILE}"],
            [""],
            [""],
            [""],
        ),
        tenant="default",
    )
    house.intake.rejections.add("remote_write", "default", (Rejected("late", 3, HOSTILE),))
    for number in range(1, INCIDENTS + 1):
        _incident(house, number, int(ids[1]), labels[1], now)
    house.watch.last_tick_ms = now
    house.watch.resumed = True


def _incident(house, number, series, labels, now):
    start = now - 420_000
    anomaly = Anomaly(
        *(series, labels, "service:shop", Resource.LATENCY, Direction.UP, start, now - 60_000),
        *(None, 0.97, 1.9, 0.4, 0.3, 0.5, 7.0, 70),
    )
    why = Evidence("latency is 1.9 s", 0.8, 'shop_latency_seconds{route="/cart"}')
    claim = Claim(
        *(f"incident/{number}/cause/001", "cause", "service:shop", f"Shop {HOSTILE}", 0.78),
        *("suspects/1", now, (why,), (Evidence("its CPU is calm", 0.1),)),
        {"kind": "service", "indicator": "shop_latency_seconds"},
    )
    made = Incident(
        *(number, IncidentState.OPEN, f"shop is slow {HOSTILE}", "critical", ("service:shop",)),
        *(start, now, None, "", (anomaly.key,), (f"one place {HOSTILE}",), "conclusive"),
    )
    with house.journal.writing("twinhelm") as write:
        put_incident(write, made)
        put_anomaly(write, anomaly, number)
        put_claims(write, incident_ref(number), "cause", (claim,))


@pytest.fixture(scope="module")
def lit_house(tmp_path_factory):
    """A house on disk, filled, that watches nothing by itself."""
    settings = load_settings(
        {"data": tmp_path_factory.mktemp("house") / "data", "host": {"enabled": False}}
    )
    house = open_house(settings)
    fill(house)
    house.identities.add_person("ada", [Role.ADMIN], PASSWORD, "test")
    house.identities.add_person("vic", [Role.VIEWER], PASSWORD, "test")
    yield house
    house.stop()


@pytest.fixture(scope="module")
def address(lit_house):
    """The address at which the house's whole site is served."""
    # The page framework keeps one application per process, which takes no more once it has
    # served: for the next module's house it begins anew.
    core.app.middleware_stack = None
    core.app.user_middleware.clear()
    config = uvicorn.Config(
        Site(lit_house),
        ws="websockets-sansio",
        log_config=None,
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    # It listens from here on: who comes before it serves is kept waiting, not turned away.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


class Watched:
    """A browser page whose console, errors and requests are written down."""

    def __init__(self, page, base):
        self.page = page
        self.base = base
        self.wrong = []
        page.on("console", lambda said: said.type == "error" and self.wrong.append(said.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url):
        if not url.startswith((self.base + "/", "data:", "blob:")):
            self.wrong.append(f"asked {url}")

    def open(self, path):
        """Open a page and wait until its content, brought by the live connection, stands."""
        answer = self.page.goto(self.base + path)
        self.page.wait_for_function("window.did_handshake === true && window.socket.connected")
        self.page.wait_for_function(
            "document.querySelector('#palette') && !document.querySelector('main .skeleton')"
        )
        return answer

    def grave(self):
        """List what is serious or critical for people with disabilities, and where it stands."""
        found = Axe().run(self.page).response["violations"]
        return [
            (each["id"], [node["html"][:200] for node in each["nodes"]])
            for each in found
            if each["impact"] in {"serious", "critical"}
        ]

    def sign_in(self, name):
        """Sign somebody in by the form."""
        self.page.goto(self.base + "/sign-in")
        self.page.fill("#name", name)
        self.page.fill("#password", PASSWORD)
        self.page.click("main button")
        self.page.wait_for_url(self.base + "/")


@pytest.fixture
def browser_page(page, address):
    """A :class:`Watched` page of a fresh profile."""
    page.set_default_timeout(60_000)
    return Watched(page, address)


@pytest.fixture
def read(address, monkeypatch):
    """``read(path)``: the page as it is sent once all of it is known, without a browser."""
    monkeypatch.setattr("twinhelm.web.pages.kit.sheet.PATIENCE_S", 60.0)
    with httpx.Client(timeout=60.0, trust_env=False) as client:

        def get(path):
            answer = client.get(address + path, headers={"accept": "text/html"})
            return answer.status_code, answer.text

        yield get
