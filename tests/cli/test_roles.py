"""Every command against every role: it is refused where a route that it calls asks for more.

Each command that asks a server is run once per role against a real one that asks for somebody;
what it calls is noted on the way. Commands that ask no server work on the data directory itself,
where whoever may write is admin.
"""

from __future__ import annotations

import shutil

import pytest

from cli.test_commands import COMMANDS, GOOD, arguments  # noqa: F401 - a fixture
from peers.roles import MAY
from peers.server import Twinhelm
from twinhelm.cli.server import PREFIX, Server
from twinhelm.core.roles import Role
from twinhelm.web.routes import ROUTES, RouteTable

TABLE = RouteTable(ROUTES)
LOCAL = {"restore", "config", "product new", "product check", "serve", "backtest detect", "up",
         "backtest feedback", "notify check"}  # fmt: skip
"""Those that need no server, besides ``user`` and ``token``, which change the records; those of the
lab send telemetry, as any system does (test_lab.py)."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that lets nobody do anything, and serves no MLflow, which would take its time."""
    env = {"TWINHELM_AUTH__REQUIRED": "true", "TWINHELM_MODELS__MLFLOW": "false"}
    made = Twinhelm(tmp_path_factory.mktemp("roles") / "data", "--no-host", env=env)
    made.start()
    yield made
    made.stop()


def remote(name):
    """Tell whether a command asks a server."""
    return any(each.name == "server" for each in COMMANDS[name].params)


def test_commands_without_a_server_are_those_that_are_known_to_work_on_files_alone():
    alone = {name for name in COMMANDS if not remote(name)}
    local = {name for name in alone if not name.startswith(("user ", "token ", "lab "))}
    assert local == LOCAL


@pytest.mark.parametrize("name", sorted(name for name in GOOD if remote(name)))
def test_a_command_is_refused_just_where_a_route_of_its_asks_for_more(
    name,
    server,
    twinhelm,
    arguments,  # noqa: F811 - the fixture
    monkeypatch,
    tmp_path,
):
    called = []
    ask = Server._ask

    def noting(self, method, path, **how):
        called.append((method, PREFIX + path.partition("?")[0]))
        return ask(self, method, path, **how)

    monkeypatch.setattr(Server, "_ask", noting)
    given = arguments(name)
    (tmp_path / "load.csv").write_text("id,value,time,load\na,1,1700000000,0.5\n")
    for role in Role:
        called.clear()
        shutil.rmtree(tmp_path / "new", ignore_errors=True)
        told = ["--server", server.url, "--token", server.token(role), "--json"]
        ran = twinhelm(*given, *told)
        rights = [TABLE.find(method, path).right.value for method, path in called]
        lacking = [right for right in rights if right not in MAY[role]]
        assert rights, role
        refused = ran.status == 1 and "it needs the right" in ran.json.get("error", "")
        assert refused == bool(lacking), (role, called, ran.out)
