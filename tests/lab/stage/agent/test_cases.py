"""What the shelf kept becomes a case in a process of its own."""

from __future__ import annotations

import asyncio

import pytest

from twinhelm.lab.plan import Backend, Plan
from twinhelm.lab.stage.agent.cases import write_apart
from twinhelm.lab.stage.agent.shelf import Shelf
from twinhelm.lab.words import LabError

NOW = 1_700_000_000.0


@pytest.fixture
def plan(tmp_path):
    """The file of a plan."""
    file = tmp_path / "plan.json"
    Plan(tmp_path, {}, "sqlite://", Backend(), "secret", "box").save(file)
    return file


def write(plan, folder):
    shelf = Shelf(60)
    for second in range(10):
        shelf.put(NOW + second, "page", b'up 1\nseen{a="\xc3\xa4"} 2\n', "cart")
    shelf.put(NOW + 3, "lineage", b'{"job": {"name": "nightly"}}')
    kept = shelf.between(0.0, NOW + 60)
    return asyncio.run(write_apart(plan, kept, folder, NOW, NOW + 5))


def test_a_case_is_written(plan, tmp_path):
    rows = {"metrics": 10, "logs": 0, "traces": 0, "changes": 1}
    assert write(plan, tmp_path / "case") == rows


def test_what_went_wrong_is_told(plan, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="cannot be written to"):
        write(plan, tmp_path / "file" / "case")
