"""The fixtures hold what they promise: each peer starts, answers, and is gone afterwards."""

from __future__ import annotations

import os

import httpx
import psycopg
import pytest

from peers import programs


def get(url: str) -> httpx.Response:
    return httpx.get(url, timeout=10, trust_env=False)


@pytest.mark.peer("prometheus")
def test_prometheus_answers_and_keeps_its_data_over_a_restart(prometheus):
    peer = prometheus("global: {scrape_interval: 1s}\n")
    assert get(f"{peer.url}/api/v1/status/buildinfo").json()["status"] == "success"
    first = peer.pid
    peer.restart()
    assert peer.pid != first
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


@pytest.mark.peer("alertmanager")
def test_alertmanager_answers(alertmanager):
    peer = alertmanager("route: {receiver: none}\nreceivers: [{name: none}]\n")
    assert get(f"{peer.url}/api/v2/status").json()["cluster"]["status"] == "disabled"


@pytest.mark.peer("node_exporter")
def test_node_exporter_measures_this_machine(node_exporter):
    assert "node_load1 " in get(f"{node_exporter.url}/metrics").text


@pytest.mark.peer("victoria_metrics")
def test_victoria_metrics_answers(victoria_metrics):
    assert get(f"{victoria_metrics.url}/api/v1/labels").json()["status"] == "success"


@pytest.mark.peer("postgresql")
def test_each_postgresql_database_is_empty(postgresql):
    with psycopg.connect(postgresql.replace("+psycopg", "")) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone()
    assert found == (0,)


@pytest.mark.peer("chromium")
def test_chromium_runs_scripts(page):
    page.set_content("<p id=a></p><script>a.textContent = 6 * 7</script>")
    assert page.inner_text("#a") == "42"


def test_an_absent_peer_is_skipped_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setattr(programs, "find", lambda name: None)
    monkeypatch.delenv("TWINHELM_REQUIRE_PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install victoria-metrics"):
        programs.require("victoria_metrics")


def test_an_absent_peer_fails_where_none_may_be_absent(monkeypatch):
    monkeypatch.setattr(programs, "find", lambda name: None)
    monkeypatch.setenv("TWINHELM_REQUIRE_PEERS", "1")
    with pytest.raises(pytest.fail.Exception, match="allows no skip"):
        programs.require("chromium")
