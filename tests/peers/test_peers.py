"""An absent peer is told of; that the others answer is seen by all the tests that need them."""

from __future__ import annotations

import pytest

from peers import programs


def test_an_absent_peer_is_skipped_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setattr(programs, "find", lambda name: None)
    monkeypatch.delenv("TWINHELM_REQUIRE_PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install prometheus-node-exporter"):
        programs.require("node-exporter")


def test_an_absent_peer_fails_where_none_may_be_absent(monkeypatch):
    monkeypatch.setattr(programs, "find", lambda name: None)
    monkeypatch.setenv("TWINHELM_REQUIRE_PEERS", "1")
    with pytest.raises(pytest.fail.Exception, match="allows no skip"):
        programs.require("chromium")


def test_a_library_is_found_by_the_python_that_holds_it(monkeypatch, tmp_path):
    (tmp_path / "lib/python3.12/site-packages/tritonclient").mkdir(parents=True)
    monkeypatch.setenv("PATH", f"/nowhere:{tmp_path / 'bin'}")
    assert programs.find("tritonclient") == tmp_path / "bin" / "python"
    monkeypatch.setenv("PATH", "/nowhere")
    assert programs.find("tritonclient") is None
