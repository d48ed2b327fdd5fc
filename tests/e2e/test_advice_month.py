"""A month of an operations team, lived through by a driven server: what it advises then."""

from __future__ import annotations

import httpx
import pytest
import yaml

from peers.month import PLANTED, SECRET, TICK, live, month

pytestmark = pytest.mark.timeout(1200)

API = "/api/twinhelm/v1"
PEOPLE = ("ann", "bob", "cee", "dan")


@pytest.fixture
def lived(start_twinhelm):
    """``lived(toil=...)``: a client of a server that lived a month, and what it advises."""
    clients = []

    def live_through(*, toil):
        env = {"TWINHELM_DEVELOPMENT__GITHUB_SECRET": SECRET}
        env["TWINHELM_DETECT__TICK_S"] = str(TICK // 1000)
        server = start_twinhelm("--driven", env=env)
        about = {"base_url": server.url, "headers": server.headers(), "trust_env": False}
        http = httpx.Client(**about, timeout=120)
        clients.append(http)
        people = {}
        for name in PEOPLE:
            made = http.post(f"{API}/tokens", json={"name": name, "roles": ["operator"]})
            people[name] = {"Authorization": f"Bearer {made.json()['secret']}"}
        live(http, month(7, toil=toil), people)
        assert http.get(f"{API}/incidents").json()["counts"]["resolved"] >= 13
        return http, http.post(f"{API}/advice", params={"days": 31}).json()

    yield live_through
    for http in clients:
        http.close()


def test_the_planted_opportunities_come_first_each_with_a_draft_that_runs(lived):
    http, advice = lived(toil=True)
    assert {one["key"] for one in advice[:5]} == set(PLANTED)
    for one in advice[:5]:
        facts = one["claim"]["facts"]
        assert one["claim"]["confidence"] >= 0.65, one["key"]
        assert facts["covered"], one["key"]
        draft = facts["draft"]
        if draft["kind"] != "runbook":
            assert isinstance(yaml.safe_load(draft["text"]), dict)
            continue
        taken = http.post(f"{API}/runbooks", json={"text": draft["text"]})
        assert taken.status_code < 300, taken.text
        # Tried dry on the newest incident that it would have run on; on any, where there is none.
        covered = [each for each in facts["covered"] if each.startswith("incident/")]
        number = int(covered[-1].partition("/")[2]) if covered else 1
        wish = {"incident": number, "values": {}}
        told = http.post(f"{API}/runbooks/{draft['file'].removesuffix('.toml')}/dry-run", json=wish)
        assert told.status_code == 200, told.text
        if covered:
            assert told.json()["plan"]["steps"][0]["says"], told.text


def test_a_month_without_toil_gives_no_confident_advice(lived):
    _, advice = lived(toil=False)
    assert [one["key"] for one in advice if one["claim"]["confidence"] >= 0.65] == []
