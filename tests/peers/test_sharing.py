"""Tests run beside one another unless one has to be alone, whose turn comes when it is due."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock

import pytest

from peers.sharing import scope_of, turn


def waits_at_the_door(folder):
    with (folder / "door").open("wb") as door:
        try:
            flock(door, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            return True
        flock(door, LOCK_UN)
        return False


def test_who_must_be_alone_comes_before_those_who_came_later(tmp_path):
    order = []

    def run(name, *, alone):
        with turn(tmp_path, alone=alone):
            order.append(f"{name} begins")
            order.append(f"{name} ends")

    with ThreadPoolExecutor(2) as others, turn(tmp_path, alone=False):
        run("beside", alone=False)
        lone = others.submit(run, "alone", alone=True)
        while not waits_at_the_door(tmp_path):
            assert not lone.done()
        late = others.submit(run, "late", alone=False)
        order.append("first ends")
    assert lone.result(10) is late.result(10) is None
    names = ("beside", "alone", "late")
    beside, alone, late = ([f"{name} begins", f"{name} ends"] for name in names)
    assert order == [*beside, "first ends", *alone, *late]


def test_a_turn_that_fails_is_over(tmp_path):
    with pytest.raises(KeyError), turn(tmp_path, alone=True):
        raise KeyError
    with turn(tmp_path, alone=True):
        assert waits_at_the_door(tmp_path) is False


def test_what_shares_something_stays_together_and_every_other_file_by_itself():
    labs = ["tests/lab/test_crowd.py::a", "tests/e2e/test_tour.py::b[c::d]"]
    assert {scope_of(nodeid) for nodeid in labs} == {"labs"}
    assert scope_of("tests/cli/models/test_models.py::a") == scope_of("tests/cli/test_up.py::b")
    assert scope_of("tests/e2e/test_trouble.py::a[b::c]") == "tests/e2e/test_trouble.py"
