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
