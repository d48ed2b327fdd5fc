"""How processes share the tests of one run (``pytest -n 2``): what goes together, what alone.

A file stays in one process, and a folder whose tests share a server does, so that it is started
once. Whatever starts the shop or a whole lab stays in one, so that there are never two. What is
marked ``alone`` judges how things move in time, for which others must not take the machine: they
wait until it is over. In a single process (``-n 0``) all this is so by itself.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_SH, LOCK_UN, flock
from pathlib import Path
from typing import Any

import pytest

LABS = (
    "tests/lab/", "tests/e2e/test_lab_elsewhere.py", "tests/e2e/test_repairs.py",
    "tests/e2e/test_tour.py",
)  # fmt: skip
SHARED = ("tests/cli/", "tests/mlops/deploy/")
LONG = "tests/e2e/"


def scope_of(nodeid: str) -> str:
    """Name what a test stays together with."""
    if nodeid.startswith(LABS):
        return "labs"
    file = nodeid.partition("::")[0]
    return next((folder for folder in SHARED if nodeid.startswith(folder)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out whole scopes, in the order in which they were collected."""
    from xdist.scheduler import LoadScopeScheduling

    class ByScope(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    config.option.loadscopereorder = False
    return ByScope(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no process waits for another in the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (scope_of(item.nodeid) != "labs", LONG not in item.nodeid))


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before a test's time-out begins to count
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Wait for a test's turn."""
    if not hasattr(item.config, "workerinput"):
        return (yield)
    assert item.config.cache is not None
    folder = item.config.cache.mkdir("turns")
    with turn(folder, alone=item.get_closest_marker("alone") is not None):
        return (yield)


@contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Wait until nobody is alone, or until nobody else is there; whoever comes first goes first.

    Ends with its process, also when that is killed: the locks are the system's.
    """
    with (folder / "door").open("wb") as door, (folder / "room").open("wb") as room:
        # Who waits to be alone holds the door meanwhile, else the room would never be empty.
        flock(door, LOCK_EX)
        flock(room, LOCK_EX if alone else LOCK_SH)
        flock(door, LOCK_UN)
        try:
            yield
        finally:
            flock(room, LOCK_UN)  # also where a child forked meanwhile still has it open
