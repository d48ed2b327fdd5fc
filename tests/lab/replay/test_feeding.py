"""The order of what a server is sent, how fast, and the score of what it then shows."""

from __future__ import annotations

from types import SimpleNamespace

import orjson
import pytest

from twinhelm.lab.replay import feed, replay
from twinhelm.lab.replay import feeding as module
from twinhelm.lab.replay.rows import Step
from twinhelm.lab.words import LabError

T = 1_700_000_000
"""Where the recording's times begin."""


class Server:
    """Plays a server: ``done`` is what it was asked; an incident opens at ``opens_s``."""

    url = "http://a"

    def __init__(self, *, driven=True, opens_s=None, status=204):
        self.driven, self.opens_s, self.status = driven, opens_s, status
        self.done, self.at_s, self.clock_s = [], 0.0, None

    def ask(self, method, path, body=b"", headers=None):
        self.done.append(path)
        return self.status, b"no"

    def move_clock(self, now_ms):
        if not self.driven:
            return False
        self.at_s = now_ms / 1000
        self.done.append(now_ms)
        return True

    def now_s(self):
        return self.clock_s

    def incidents(self):
        if self.opens_s is None:
            return None
        return [{"id": 1, "flaps": 0, "state": "open", "title": "x"}] * (self.at_s >= self.opens_s)

    def file(self, number):
        claims = [{"subject": "service:shop/cart", "facts": {"kind": "service"}}]
        return orjson.dumps({"incident": {"id": number, "verdict": "conclusive"}, "claims": claims})


def test_a_step_is_sent_before_the_clock_moves_to_its_end(recording):
    server = Server()
    found = replay(recording, server, case_id="a")
    assert server.done[:3] == [(T - 2) * 1000, "/api/v1/write", T * 1000]
    assert server.done[-1] == (T + 10) * 1000
    clocks = [one for one in server.done if isinstance(one, int)]
    assert clocks == sorted(clocks)
    assert (found["steps"], found["rows"]) == (6, 23)
    assert found["score"] is None


def test_a_long_gap_is_crossed_in_parts():
    server, passed = Server(), []
    step = Step(4_000, 1, (("/v1/traces", {}, b""),))
    feed((one for one in [step]), server, 0, passed=passed.append)
    assert server.done == [1_800_000, 3_600_000, 3_998_000, "/v1/traces", 4_000_000]
    assert passed == [1_800, 3_600, 3_998, 4_000]


def test_what_a_server_shows_is_judged(recording):
    found = replay(recording, Server(opens_s=T + 6))["score"]
    first, second = found["faults"]
    assert (first["fault"], first["detect_s"], first["rank"]) == ("slow-cart", 2.0, 1)
    assert (second["fault"], second["detected"]) == ("cache-down", False)
    assert found["false"] == []


def test_it_is_as_fast_as_asked(monkeypatch):
    steps = (Step(2 * number, 0, ()) for number in range(1, 4))
    slept = []
    clock = SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append)
    monkeypatch.setattr(module, "time", clock)
    feed(steps, Server(), 0, speed=20.0)
    assert slept == pytest.approx([0.1, 0.1, 0.1])


def test_a_server_with_its_own_clock_is_fed_in_its_present(monkeypatch):
    sent = []
    monkeypatch.setattr(module, "bounds", lambda *_: (0, 4))
    monkeypatch.setattr(module, "now_s", lambda: 1_000_001.0)
    monkeypatch.setattr(
        module, "steps", lambda *_, shift_s: sent.append(shift_s) or (one for one in ())
    )

    class Recorded:
        folder, cases = "r", ()

    found = replay(Recorded, Server(driven=False))
    assert sent == [1_000_000]
    assert not found["driven"]
    with pytest.raises(LabError, match="only be fed at speed 1"):
        replay(Recorded, Server(driven=False), speed=5.0)


def test_a_driven_server_that_we_may_not_move_is_told(recording):
    server = Server(driven=False)
    server.clock_s = 0.0
    with pytest.raises(LabError, match="does not let us move its clock") as told:
        replay(recording, server)
    assert "--token" in told.value.hint


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_a_server_that_takes_nothing_is_told(recording, status):
    with pytest.raises(LabError, match=f"does not take it: status {status}"):
        replay(recording, Server(status=status))


def test_a_part_that_is_refused_is_told_once_in_the_end(recording):
    found = replay(recording, Server(status=400), case_id="a")
    assert found["refused"][0] == "/api/v1/write: no"
    assert found["steps"] == 6
