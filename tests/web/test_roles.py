"""Every route against everybody, made from the table of routes: who may pass, and who may not.

Real requests to a real server that asks for somebody: nobody, a session of each role, and a
program with a token. A route that somebody adds is tried by standing in the table; one that
stands in no row is closed (test_guard.py).
"""

from __future__ import annotations

import re
from contextlib import ExitStack

import httpx
import pytest

from peers.roles import MAY
from peers.server import Twinhelm
from twinhelm.core.roles import GRANTS, Role
from twinhelm.web.routes import ROUTES, SOCKET

PASSWORD = "correct horse battery"
ASKERS = ["nobody", "token", *Role]
UPGRADE = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
           "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
ROWS = sorted(ROUTES, key=lambda row: row.path == "/sign-out")  # which ends a session: last


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that lets nobody do anything, and serves no MLflow, which would take its time."""
    env = {"TWINHELM_AUTH__REQUIRED": "true", "TWINHELM_MODELS__MLFLOW": "false"}
    made = Twinhelm(tmp_path_factory.mktemp("roles") / "data", "--no-host", env=env)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def clients(server):
    """A client for each asker, who has shown who they are."""
    from twinhelm.app import open_ledger
    from twinhelm.core.clock import SystemClock
    from twinhelm.core.settings import load_settings
    from twinhelm.events.identities import Identities

    settings = load_settings({"data": server.data})
    with ExitStack() as held:
        records, journal = open_ledger(settings)
        held.callback(records.close)
        people = Identities(journal, records, SystemClock(), settings.auth)
        headers = {"nobody": {}, "token": server.headers(Role.OPERATOR)}
        for role in Role:
            name = role.value.replace(" ", "-")
            people.add_person(name, [role], PASSWORD, "test")
            session = people.sign_in(name, PASSWORD)
            cookie = f"twinhelm_session={session}"
            headers[role] = {"Cookie": cookie, "X-CSRF-Token": people.csrf_token(session)}
        yield {
            who: held.enter_context(
                httpx.Client(base_url=server.url, headers=each, trust_env=False, timeout=60)
            )
            for who, each in headers.items()
        }


def test_the_roles_grant_what_is_written_down():
    assert {role: {right.value for right in rights} for role, rights in GRANTS.items()} == MAY


def asked(client, row):
    """Ask a route with names of things that do not exist; return the status."""
    path = re.sub(r"\{[a-z_]+(:path)?\}", "1", row.path)
    if row.method == SOCKET:
        with client.stream("GET", f"{path}?EIO=4&transport=websocket", headers=UPGRADE) as answer:
            return answer.status_code
    body = {} if row.method == "GET" else {"json": {}}
    return client.request(row.method, path, **body).status_code


@pytest.mark.parametrize("who", ASKERS, ids=str)
def test_every_route_lets_in_whom_it_should_and_nobody_else(clients, who):
    role = Role.OPERATOR if who == "token" else who
    wrong = []
    for row in ROWS:
        status = asked(clients[who], row)
        may = who != "nobody" and row.right is not None and row.right.value in MAY[role]
        refusals = {401, 403} if row.method == SOCKET else {401 if who == "nobody" else 403}
        if row.right is None:
            # Open to all: who asks makes no difference, though a form or a link may be wrong.
            refused, may = status in {401, 403}, asked(clients["nobody"], row) not in {401, 403}
        elif row.method == "GET" and who == "nobody" and status == 303:
            refused = True  # to the page to sign in on
        else:
            refused = status in ({401, 403} if may else refusals)
        if refused is may:
            wrong.append((row.method, row.path, row.right, status))
    assert wrong == []


def test_there_is_a_route_for_every_right_and_one_for_none():
    rights = {row.right.value if row.right else None for row in ROUTES}
    assert rights == {None, *MAY[Role.ADMIN]}
