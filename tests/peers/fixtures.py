"""Fixtures that start real peers: Prometheus and its friends, PostgreSQL, Chromium.

Each factory takes what the program reads and gives a running :class:`peers.processes.Peer`;
whatever was started is ended when the test is over.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from peers.processes import Peer, answers, free_port
from peers.programs import require

__all__ = [
    "alertmanager",
    "chromium",
    "node_exporter",
    "own_postgresql",
    "page",
    "postgresql",
    "postgresql_server",
    "prometheus",
]

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@contextmanager
def _ending(peers: list[Peer]) -> Iterator[None]:
    try:
        yield
    finally:
        for peer in reversed(peers):
            peer.stop()


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[..., Peer]]:
    """``prometheus(config_text, *flags)``: a Prometheus that takes remote write too."""
    program = require("prometheus")
    peers: list[Peer] = []

    def start(config: str = "", *flags: str) -> Peer:
        folder = tmp_path / f"prometheus-{len(peers)}"
        folder.mkdir()
        (folder / "prometheus.yml").write_text(config)
        address = f"127.0.0.1:{free_port()}"
        peer = Peer(
            [
                str(program),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
                "--web.enable-remote-write-receiver",
                "--web.enable-lifecycle",
                *flags,
            ],
            url=f"http://{address}",
            log=folder / "log",
            ready=answers(f"http://{address}/-/ready"),
        )
        peers.append(peer)
        return peer.start()

    with _ending(peers):
        yield start


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Callable[..., Peer]]:
    """``alertmanager(config_text, *flags)``: an Alertmanager without a cluster."""
    program = require("alertmanager")
    peers: list[Peer] = []

    def start(config: str, *flags: str) -> Peer:
        folder = tmp_path / f"alertmanager-{len(peers)}"
        folder.mkdir()
        (folder / "alertmanager.yml").write_text(config)
        address = f"127.0.0.1:{free_port()}"
        peer = Peer(
            [
                str(program),
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={address}",
                "--cluster.listen-address=",
                *flags,
            ],
            url=f"http://{address}",
            log=folder / "log",
            ready=answers(f"http://{address}/-/ready"),
        )
        peers.append(peer)
        return peer.start()

    with _ending(peers):
        yield start


@pytest.fixture
def node_exporter(tmp_path: Path) -> Iterator[Peer]:
    """A node exporter of this machine; its metrics stand at ``url + '/metrics'``."""
    address = f"127.0.0.1:{free_port()}"
    peer = Peer(
        [str(require("node_exporter")), f"--web.listen-address={address}"],
        url=f"http://{address}",
        log=tmp_path / "node_exporter.log",
        ready=answers(f"http://{address}/metrics"),
    ).start()
    with _ending([peer]):
        yield peer


def _ordinary_user() -> str | None:
    """Name somebody PostgreSQL agrees to run as: it refuses root, anybody else is himself."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


@contextmanager
def _postgresql() -> Iterator[Peer]:
    initdb = require("postgresql")
    user = _ordinary_user()
    # Not tmp_path: pytest's folders let nobody but their owner pass through.
    folder = Path(tempfile.mkdtemp(prefix="twinhelm-pg-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        port = free_port()
        data = folder / "data"
        made = subprocess.run(
            [
                *(str(initdb), "-D", str(data), "-A", "trust", "-U", "twinhelm"),
                *("-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            user=user,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        url = f"postgresql+psycopg://twinhelm@127.0.0.1:{port}/postgres"
        peer = Peer(
            [
                *(str(initdb.with_name("postgres")), "-D", str(data)),
                *("-h", "127.0.0.1", "-p", str(port), "-k", str(folder)),
                # Nothing here outlives the test, so the disk need not be waited for.
                *("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=16MB"),
            ],
            url=url,
            log=folder / "log",
            ready=lambda: _takes_connections(url),
            user=user,
            cwd=folder,
            stop_signal=signal.SIGINT,  # "fast": cut the connections, then end in order
        ).start()
        with _ending([peer]):
            yield peer
    finally:
        shutil.rmtree(folder)


def _takes_connections(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url.replace("+psycopg", ""), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Peer]:
    """One PostgreSQL for all tests; leave it running, use ``own_postgresql`` to stop one."""
    with _postgresql() as peer:
        yield peer


@pytest.fixture
def own_postgresql() -> Iterator[Peer]:
    """A PostgreSQL of the test's own, to stop, kill and restart."""
    with _postgresql() as peer:
        yield peer


@pytest.fixture
def postgresql(postgresql_server: Peer) -> Iterator[str]:
    """The SQLAlchemy URL of a new, empty database, dropped when the test is over."""
    import psycopg

    name = f"test_{os.urandom(6).hex()}"
    admin = postgresql_server.url.replace("+psycopg", "")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield postgresql_server.url.removesuffix("postgres") + name
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium (``playwright.sync_api.Browser``).

    One per module and no longer: while it lives, its event loop runs in this thread, and tests
    that start loops of their own cannot.
    """
    program = require("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(program), args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page of a fresh browser profile (``playwright.sync_api.Page``), 1440 by 900."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()
