"""Live configuration: what the file says now, or the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinhelm.lab.shop.runtime import live
from twinhelm.lab.shop.runtime.live import Live
from twinhelm.lab.words import write_json


@pytest.fixture(autouse=True)
def _always_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_S", 0.0)


def test_a_file_comes_changes_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "cart.json"
    values = Live(path)
    assert values.get("timeout_s", 4.0) == 4.0
    write_json(path, {"timeout_s": 1.0})
    assert values.get("timeout_s", 4.0) == 1.0
    assert values.get("other", "default") == "default"
    write_json(path, {"timeout_s": 2.0})
    assert values.get("timeout_s", 4.0) == 2.0
    path.unlink()
    assert values.get("timeout_s", 4.0) == 4.0


def test_what_is_not_an_object_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "cart.json"
    write_json(path, {"timeout_s": 1.0})
    values = Live(path)
    assert values.get("timeout_s", 4.0) == 1.0
    path.write_text("{broken")
    assert values.get("timeout_s", 4.0) == 1.0
    path.write_text("[1]")
    assert values.get("timeout_s", 4.0) == 4.0
