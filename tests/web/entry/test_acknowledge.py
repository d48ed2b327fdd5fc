"""The link of a message: opening it changes nothing, its button acknowledges, once."""

from __future__ import annotations

import pytest

from peers.deeds import named
from peers.plans import everything, hook
from peers.receivers import Endpoint
from twinhelm.aiops.records import load_incident, put_incident
from twinhelm.aiops.types import Incident, IncidentState
from twinhelm.events.kinds.machines import IncidentOpened

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def told(new_house, tmp_path):
    """A house that told of an incident, and the path of the link in the message."""
    with Endpoint() as end:
        (tmp_path / "secrets").mkdir()
        named(tmp_path / "secrets", hook="whsec_c2VjcmV0")
        (tmp_path / "notify.toml").write_text(hook(end.url) + everything("channel:hook"))
        house = new_house(data=tmp_path)
        house.notices.desk.walk()
        now = house.clock.now_ms()
        with house.journal.writing("twinhelm") as write:
            made = Incident(1, IncidentState.OPEN, HOSTILE, "critical", ("service:a",), now, now)
            put_incident(write, made)
            write.event(IncidentOpened(1, HOSTILE, "critical", ("service:a",)))
        house.notices.url = "http://127.0.0.1:9700"
        assert house.notices.desk.walk() == 1
        link = end.taken[0].said["data"]["acknowledge"]
        yield house, link.removeprefix("http://127.0.0.1:9700")


def state(house):
    with house.records.reading() as unit:
        return load_incident(unit, 1).state


def test_scanners_that_open_the_link_change_nothing_and_the_button_does(told, client_of):
    house, path = told
    client = client_of(house)
    for method in ("GET", "HEAD", "GET"):
        answer = client.request(method, path, headers={"accept": "text/html"})
        assert answer.status_code == 200
    assert HOSTILE not in answer.text
    assert "alert(1)" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert state(house) is IncidentState.OPEN
    link = path.partition("link=")[2]
    pressed = client.post(path.partition("?")[0], data={"link": link})
    assert "yours" in pressed.text
    assert state(house) is IncidentState.ACKNOWLEDGED
    again = client.post(path.partition("?")[0], data={"link": link})
    assert again.status_code == 409
    assert client.get(path).status_code == 409


def test_what_is_no_link_of_ours_is_refused(told, client_of):
    house, path = told
    client = client_of(house)
    place = path.partition("?")[0]
    for bad in ("", "x", "1.2.3", path.partition("link=")[2] + "0", "x" * 5000):
        assert client.get(place, params={"link": bad}).status_code in {400, 401}
        assert client.post(place, data={"link": bad}).status_code in {400, 401}
    assert (
        client.post(place, content=b"\xff", headers={"content-type": "text/plain"}).status_code
        >= 400
    )
    assert state(house) is IncidentState.OPEN
