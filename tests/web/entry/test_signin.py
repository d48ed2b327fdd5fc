import re

import pytest

from twinhelm.core.roles import Role

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PASSWORD = "correct horse battery"


@pytest.fixture
def ann(house):
    house.identities.add_person("ann", [Role.OPERATOR], PASSWORD, "test")


def token_in(answer, name="form"):
    return re.search(f'name="{name}" value="([^"]*)"', answer.text)[1]


def sign_in(client, **fields):
    form = token_in(client.get("/sign-in"))
    return client.post(
        "/sign-in", data={"name": "ann", "password": PASSWORD, "form": form} | fields
    )


@pytest.mark.usefixtures("ann")
def test_a_name_and_password_open_a_session(client):
    answer = sign_in(client, next="/incidents/3?tab=why")
    assert (answer.status_code, answer.headers["location"]) == (303, "/incidents/3?tab=why")
    cookie = next(
        text for text in answer.headers.get_list("set-cookie") if "twinhelm_session" in text
    )
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert client.get("/api/twinhelm/v1/status").json()["asker"] == "ann"


@pytest.mark.usefixtures("ann")
def test_behind_tls_the_cookie_stays_there(client):
    form = token_in(client.get("/sign-in"))
    fields = {"name": "ann", "password": PASSWORD, "form": form}
    answer = client.post("/sign-in", data=fields, headers={"X-Forwarded-Proto": "https"})
    assert all("Secure" in text for text in answer.headers.get_list("set-cookie") if "th_" in text)
    session = next(text for text in answer.headers.get_list("set-cookie") if "_session=" in text)
    assert "Secure" in session


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("fields", [{"password": "wrong"}, {"name": "bob"}, {"name": "<b>"}])
def test_a_wrong_name_or_password_gets_the_same_page(client, fields):
    answer = sign_in(client, **fields)
    assert answer.status_code == 401
    assert "the name or the password is wrong" in answer.text
    assert "<b>" not in answer.text
    assert "twinhelm_session" not in client.cookies


@pytest.mark.usefixtures("ann")
def test_guessing_is_slowed(client):
    statuses = [sign_in(client, password="wrong").status_code for _ in range(8)]
    assert statuses[0] == 401
    assert statuses[-1] == 429


@pytest.mark.usefixtures("ann")
def test_a_form_from_elsewhere_is_refused(client):
    fields = {"name": "ann", "password": PASSWORD}
    assert client.post("/sign-in", data=fields).status_code == 403
    assert sign_in(client, form="0" * 43).status_code == 403


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    "goes_to", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/a\nb", ""]
)
def test_signing_in_leads_to_no_other_site(client, goes_to):
    assert sign_in(client, next=goes_to).headers["location"] == "/"


@pytest.mark.usefixtures("ann")
def test_signing_out_needs_the_sessions_token_and_ends_it(client):
    sign_in(client)
    assert client.post("/sign-out", data={"csrf": "0"}).status_code == 403
    token = token_in(client.get("/sign-in"), "csrf")
    answer = client.post("/sign-out", data={"csrf": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert client.get("/api/twinhelm/v1/status").json()["asker"] == "anonymous@loopback"


def test_the_first_run_link_signs_in_once(client, house):
    secret = house.identities.first_run_link_secret()
    page = client.get(f"/sign-in/first?secret={secret}")
    assert page.status_code == 200
    assert client.get(f"/sign-in/first?secret={secret}").status_code == 200
    fields = {"secret": token_in(page, "secret"), "form": token_in(page)}
    assert client.post("/sign-in/first", data=fields).status_code == 303
    assert client.get("/api/twinhelm/v1/status").json()["roles"] == ["admin"]
    fields["form"] = token_in(client.get(f"/sign-in/first?secret={secret}"))
    assert client.post("/sign-in/first", data=fields).status_code == 401


def test_a_link_without_a_secret_says_so(client):
    assert client.get("/sign-in/first").status_code == 400


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"\xff\xfe", FORM, 400),
        (b"&".join(b"a=%d" % i for i in range(50)), FORM, 400),
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"x" * (1 << 21), FORM, 413),
        (b"", {}, 403),
    ],
)
def test_rubbish_in_a_form_is_refused(client, content, headers, status):
    assert client.post("/sign-in", content=content, headers=headers).status_code == status
