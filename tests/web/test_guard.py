import asyncio

import pytest
from starlette.routing import Route, WebSocketRoute

from peers.memory_workflows import MemoryWorkflows
from twinhelm.core.roles import GRANTS, Right, Role
from twinhelm.web.routes import ROUTES, SOCKET, RouteTable

READ = "/api/v1/labels"
CHANGE = "/api/twinhelm/v1/incidents/1/acknowledge"


def sign_in(client, house, role=Role.OPERATOR):
    """Sign in as ann; returns the form token of the session."""
    house.identities.add_person("ann", [role], "correct horse battery", "test")
    session = house.identities.sign_in("ann", "correct horse battery")
    client.cookies.set("twinhelm_session", session)
    return house.identities.csrf_token(session)


def test_health_is_open_and_says_so(client):
    answer = client.get("/-/healthy")
    assert (answer.status_code, answer.text) == (200, "twinhelm is healthy\n")


def test_ready_waits_for_the_house(client, house):
    assert client.get("/-/ready").status_code == 200
    house.ready = False
    answer = client.get("/-/ready")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


def test_our_own_measurements_are_served_and_count_this(client):
    client.get("/-/healthy")
    text = client.get("/metrics").text
    assert 'twinhelm_http_requests_total{route="/-/healthy",status="200"} 1.0' in text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:9700", ""])
def test_a_rebound_name_reaches_nothing(client, host):
    answer = client.get("/-/healthy", headers={"host": host})
    assert answer.status_code == 421
    assert "server.allowed_hosts" in answer.json()["hint"]


def test_an_allowed_host_is_answered(client_of, new_house):
    client = client_of(new_house(server={"allowed_hosts": ["Helm.Example"]}))
    assert client.get("/-/healthy", headers={"host": "helm.example"}).status_code == 200


def test_a_path_without_a_row_is_not_there(client):
    assert client.get("/nothing").status_code == 404
    assert client.get("/docs").status_code == 404
    assert client.get("/api/twinhelm/v1/nothing").status_code == 404


def test_a_wrong_method_is_told_the_right_one(client):
    answer = client.get("/v1/logs")
    assert answer.status_code == 405
    assert "POST" in answer.json()["hint"]
    assert client.request("BREW", "/-/healthy").status_code == 405


def test_a_path_too_long_is_refused(client):
    assert client.get("/" + "a" * 5000).status_code == 400


def test_on_this_machine_nobody_may_read_and_send_but_not_change(client):
    assert client.get(READ).status_code == 200
    assert client.post("/loki/api/v1/push", json={"streams": []}).status_code == 204
    answer = client.post(CHANGE)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "/sign-in" in answer.json()["hint"]


@pytest.mark.parametrize(
    "auth", [{"required": True}, {"trust_loopback_reads": False}], ids=lambda auth: next(iter(auth))
)
def test_where_settings_ask_for_somebody_nobody_may_do_nothing(client_of, new_house, auth):
    client = client_of(new_house(auth=auth))
    assert client.get(READ).status_code == 401
    assert client.post("/loki/api/v1/push", json={"streams": []}).status_code == 401
    assert client.get("/-/healthy").status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_what_comes_through_a_proxy_is_not_this_machine(client, header):
    assert client.get(READ, headers={header: "for=10.0.0.9"}).status_code == 401


@pytest.mark.parametrize("role", Role)
def test_a_token_may_do_what_its_role_grants_and_no_more(client_of, new_house, token_of, role):
    house = new_house(auth={"required": True})
    client, headers = client_of(house), token_of(house, role)
    asked = {
        Right.READ: ("GET", READ),
        Right.INGEST: ("POST", "/loki/api/v1/push"),
        Right.OPERATE: ("POST", CHANGE),
        Right.ADMIN: ("GET", "/api/twinhelm/v1/people"),
    }
    for right, (method, path) in asked.items():
        answer = client.request(method, path, headers=headers, json={"streams": []})
        assert (answer.status_code == 403) is (right not in GRANTS[role]), (right, answer.text)
        if answer.status_code == 403:
            assert right.value in answer.json()["error"]


def test_a_token_serves_as_the_password_of_basic_authentication(client_of, new_house, token_of):
    house = new_house(auth={"required": True})
    secret = token_of(house)["Authorization"].split()[1]
    assert client_of(house).get(READ, auth=("anybody", secret)).status_code == 200


@pytest.mark.parametrize("said", ["Bearer th_wrong", "Bearer", "Basic !!!", "Digest x", "th_x", ""])
def test_a_wrong_token_is_refused_even_where_nobody_is_let_in(client, said):
    assert client.get(READ, headers={"Authorization": said}).status_code == 401


def test_a_revoked_token_opens_nothing_at_once(client, house, token_of):
    headers = token_of(house)
    assert client.get(READ, headers=headers).status_code == 200
    house.identities.revoke_token("t-admin", "test")
    assert client.get(READ, headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"), [("POST", CHANGE), ("DELETE", "/api/twinhelm/v1/jobs/none")]
)
def test_a_session_changes_things_only_with_its_form_token(client, house, method, path):
    house.workflows = MemoryWorkflows(house.clock)
    token = sign_in(client, house)
    assert client.request(method, path).status_code == 403
    assert client.request(method, path, headers={"X-CSRF-Token": "0" * 64}).status_code == 403
    # Let through by the guard, and answered by the route: there is no such thing.
    assert client.request(method, path, headers={"X-CSRF-Token": token}).status_code == 404


def test_a_session_without_the_right_is_told_which_role_has_it(client, house):
    token = sign_in(client, house, Role.VIEWER)
    answer = client.post(CHANGE, headers={"X-CSRF-Token": token})
    assert answer.status_code == 403
    assert "operator" in answer.json()["hint"]


def test_an_unknown_session_is_nobody(client):
    client.cookies.set("twinhelm_session", "made-up")
    assert client.get(READ).status_code == 200
    assert client.post(CHANGE).status_code == 401


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:9700", 204),
        ("http://127.0.0.1:3000", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_a_page_elsewhere_may_send_nothing(client, origin, status):
    answer = client.post("/loki/api/v1/push", json={"streams": []}, headers={"Origin": origin})
    assert answer.status_code == status


def test_a_browser_is_led_to_the_sign_in_page_and_back(client_of, new_house):
    client = client_of(new_house(auth={"required": True}))
    answer = client.get("/api/v1/query?query=up", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/api/v1/query%3Fquery%3Dup"


def test_a_browser_is_told_no_on_a_page(client):
    answer = client.get("/<script>", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script>" not in answer.text


def test_every_answer_keeps_browsers_strict(client):
    for path in ("/-/healthy", "/nothing", "/sign-in"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "http" not in headers["content-security-policy"]


def listed(site):
    """Name (method, path) of everything that any part of the site would answer."""
    found = {(row.method, row.path) for row in ROUTES if row.path in site._doors}
    # Routers that were included show their routes in the document only.
    paths = site._api.app.openapi()["paths"]
    found |= {(method.upper(), path) for path in paths for method in paths[path]}
    for part in (site._plain, site._api.app, site._pages.app):
        for route in part.routes:
            if isinstance(route, WebSocketRoute):
                found.add((SOCKET, route.path))
            elif isinstance(route, Route):
                found |= {(method, route.path) for method in route.methods - {"HEAD"}}
    return found


def test_every_route_stands_in_the_table_and_every_row_is_served(client, house):
    site = client.app
    client.wait(asyncio.wait_for(site.furnished(), 30))
    served = listed(site)
    table = RouteTable(ROUTES)
    for method, path in served:
        filled = path.replace("{path:path}", "x")
        assert table.find(method, filled) is not None, (method, path)
    pages = {row.path for row in ROUTES if not row.path.startswith("/api/") and row.right}
    for row in ROUTES:
        if row.method != SOCKET and row.path not in pages:
            assert (row.method, row.path) in served, row


def test_every_page_stands_in_the_table():
    from twinhelm.web.pages.app import PAGES

    table = RouteTable(ROUTES)
    for path in PAGES:
        assert table.find("GET", path.replace("{incident_id}", "1")) is not None, path


def test_no_two_rows_are_the_same():
    pairs = [(row.method, row.path) for row in ROUTES]
    assert len(pairs) == len(set(pairs))


def test_a_pattern_matches_one_segment_or_the_rest():
    table = RouteTable(ROUTES)
    assert table.find("GET", "/api/v1/label/job/values").path == "/api/v1/label/{name}/values"
    assert table.find("GET", "/api/v1/label/a/b/values") is None
    assert table.find("HEAD", "/-/healthy").path == "/-/healthy"
    assert table.find("PUT", "/-/healthy") is None
