"""The parts of the stage that can be looked at one by one."""

import asyncio
import os
import random
import signal
import ssl
import subprocess
import sys

import pytest

from peers.processes import free_port
from twinhelm.lab.plan import Backend, Plan
from twinhelm.lab.stage import database as database_module
from twinhelm.lab.stage.certificates import Authority
from twinhelm.lab.stage.children import Children
from twinhelm.lab.stage.database import Database
from twinhelm.lab.stage.edge import Edge
from twinhelm.lab.stage.place import PORTS, claim, free_ports
from twinhelm.lab.words import LabError


def test_certificates_are_good_for_loopback_until_one_is_expired(tmp_path):
    authority = Authority(tmp_path)

    async def meet():
        served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        served.load_cert_chain(tmp_path / "payments.pem", tmp_path / "payments.key")
        server = await asyncio.start_server(
            lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=served
        )
        port = server.sockets[0].getsockname()[1]
        try:
            trusting = ssl.create_default_context(cafile=tmp_path / "ca.pem")
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
            writer.close()
        finally:
            server.close()

    authority.issue("payments")
    asyncio.run(meet())
    assert (tmp_path / "payments.key").stat().st_mode & 0o777 == 0o600
    authority.issue("payments", expired=True)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        asyncio.run(meet())


def test_a_folder_holds_one_lab_and_is_clean_at_the_start(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "cart.json").write_text("{}")
    (tmp_path / "mine.txt").write_text("stays")
    lock = claim(tmp_path)
    assert not (tmp_path / "config").exists()
    assert (tmp_path / "mine.txt").exists()
    with pytest.raises(LabError, match="a lab is already up in"):
        claim(tmp_path)
    lock.close()
    claim(tmp_path).close()


def test_ports_are_free_and_different_and_a_taken_one_is_named():
    ports = free_ports(["gateway", "cart", "queue"])
    assert len(set(ports.values())) == 3
    assert all(port in PORTS for port in ports.values())
    wanted = free_port()
    assert free_ports(["gateway", "cart"], {"gateway": wanted})["gateway"] == wanted

    async def taken():
        async with await asyncio.start_server(lambda *_: None, "127.0.0.1", wanted):
            with pytest.raises(LabError, match=f"port {wanted} is taken"):
                free_ports(["gateway"], {"gateway": wanted})

    asyncio.run(taken())


def test_who_awaits_the_end_of_the_nursery_awaits_that_of_its_children(tmp_path):
    plan = Plan(tmp_path, {"cache": free_port()}, "", Backend(), "secret", "host")
    plan.save(tmp_path / "plan.json")

    async def run():
        children = Children(lambda: None)
        await children.open(tmp_path / "nursery.log")
        asked = ["cache", "--plan", str(tmp_path / "plan.json")]
        pid = await children.spawn("cache", asked, tmp_path / "cache.log", lambda _status: None)
        os.kill(pid, signal.SIGSTOP)  # so that it hears of nothing
        await children.close()
        return pid

    pid = asyncio.run(run())
    assert (tmp_path / "nursery.log").read_text() == ""
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_without_postgresql_the_database_is_a_file_unless_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(database_module, "find_postgresql", lambda: None)
    assert Database("auto", tmp_path, 1, "secret").kind == "SQLite"
    with pytest.raises(LabError, match="no PostgreSQL is installed here"):
        Database("postgresql", tmp_path, 1, "secret")


def test_what_a_killed_stage_left_is_removed_and_nobody_elses(tmp_path, monkeypatch):
    monkeypatch.setattr(database_module.tempfile, "gettempdir", lambda: str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for name in (f"{gone.pid}-a", f"{os.getpid()}-b", "what"):
        (tmp_path / f"lab-database-{name}").mkdir()
    asyncio.run(Database("sqlite", tmp_path / "shop", 1, "secret").stop())
    assert {each.name for each in tmp_path.iterdir()} == {
        f"lab-database-{os.getpid()}-b", "lab-database-what"
    }  # fmt: skip


def test_postgresql_that_cannot_start_says_why_and_leaves_nothing(tmp_path, monkeypatch):
    if database_module.find_postgresql() is None:
        pytest.skip("no PostgreSQL is installed here")
    monkeypatch.setitem(database_module.SETTINGS, "no_such_setting", "1")
    (tmp_path / "out").mkdir()
    database = Database("postgresql", tmp_path, free_port(), "secret")

    async def start():
        try:
            with pytest.raises(LabError, match="no_such_setting"):
                await database.start()
        finally:
            await database.stop()

    asyncio.run(start())
    assert database.pid is None
    assert not (tmp_path / "database").exists()


def through(edge, port, calls=1):
    """Send a line through the edge so many times; return seconds taken by each."""

    async def run():
        async def echo(reader, writer):
            while line := await reader.readline():
                writer.write(line)
            writer.close()

        loop, took = asyncio.get_running_loop(), []
        async with await asyncio.start_server(echo, "127.0.0.1", edge._target):
            await edge.start()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(calls):
                began = loop.time()
                writer.write(b"hello\n")
                if not await reader.readline():
                    break
                took.append(loop.time() - began)
            await edge.stop()
            writer.close()
        if len(took) < calls:
            raise ConnectionResetError
        return took

    return asyncio.run(run())


def test_the_edge_passes_delays_and_breaks():
    port, target = free_port(), free_port()
    assert through(Edge(port, target), port, 3)
    slow = Edge(port, target)
    slow.delay_ms = 150
    assert min(through(slow, port, 2)) >= 0.15
    lossy = Edge(port, target, random.Random(2))  # noqa: S311 - luck
    lossy.loss = 0.5
    assert max(through(lossy, port, 2)) >= 0.2
    lossy.loss = 1.0
    with pytest.raises(ConnectionResetError):
        through(lossy, port)


def test_an_edge_to_nowhere_closes_what_connects():
    async def run():
        port = free_port()
        edge = Edge(port, free_port())
        await edge.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        await edge.stop()

    asyncio.run(run())
