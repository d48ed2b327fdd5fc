"""When an incident counts as opened, over, and opened again."""

from __future__ import annotations

import orjson
import pytest

from twinhelm.lab.score import Watch
from twinhelm.lab.words import LabError


class Server:
    """Answers with what ``now`` holds: (id, state, flaps) of each incident."""

    url = "http://a"

    def __init__(self):
        self.now = []

    def incidents(self):
        if self.now is None:
            return None
        return [
            {"id": number, "state": state, "flaps": flaps, "title": f"incident {number}"}
            for number, state, flaps in self.now
        ]

    def file(self, number):
        return orjson.dumps({"incident": {"id": number}})


@pytest.fixture
def server():
    return Server()


def test_it_counts_from_when_it_was_seen(server):
    watch = Watch(server)
    watch.look(10.0)
    server.now = [(1, "open", 0)]
    watch.look(11.0)
    watch.look(12.0)
    server.now = [(1, "resolved", 0)]
    watch.look(13.0)
    watch.look(14.0)
    (one,) = watch.openings
    assert (one.seen_s, one.over_s) == (11.0, 13.0)
    assert watch.live() == []


def test_one_that_comes_back_opens_again(server):
    watch = Watch(server)
    server.now = [(1, "open", 0)]
    watch.look(11.0)
    server.now = [(1, "reopened", 1)]
    watch.look(20.0)
    first, second = watch.openings
    assert (first.over_s, second.seen_s, second.over_s) == (20.0, 20.0, None)
    assert watch.live() == [second]


def test_the_file_is_of_the_first_that_still_lasts(server):
    watch = Watch(server)
    assert watch.file(0.0) is None
    server.now = [(1, "open", 0)]
    watch.look(1.0)
    server.now = [(1, "resolved", 0), (2, "open", 0), (3, "acknowledged", 0)]
    watch.look(2.0)
    assert watch.file(0.0)["incident"]["id"] == 2
    server.now = [(number, "resolved", 0) for number in (1, 2, 3)]
    watch.look(3.0)
    assert watch.file(0.0)["incident"]["id"] == 1
    assert watch.file(1.5)["incident"]["id"] == 2


def test_a_server_that_shows_none_is_told(server):
    server.now = None
    with pytest.raises(LabError, match="does not show its incidents"):
        Watch(server).look(1.0)
