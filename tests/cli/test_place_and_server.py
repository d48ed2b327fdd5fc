"""The files in the data directory, and how the server is found and asked."""

from __future__ import annotations

import os

import pytest

from peers.memory_records import MemoryRecords
from twinhelm.cli.place import (
    Beacon,
    light_beacon,
    local_token,
    put_out_beacon,
    read_beacon,
    settings_of,
    write_local_token,
)
from twinhelm.cli.server import reach
from twinhelm.core import json
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import BadInput, Refused, Unavailable
from twinhelm.core.roles import Role
from twinhelm.core.settings import AuthSettings
from twinhelm.events.identities import Identities
from twinhelm.events.journal import Journal


@pytest.fixture
def identities():
    records, clock = MemoryRecords(), FakeClock()
    return Identities(Journal(records, clock), records, clock, AuthSettings())


def test_a_beacon_is_read_as_written_and_put_out_by_its_own_process(tmp_path):
    ours = Beacon("http://127.0.0.1:1", os.getpid(), "0", {"host": {"enabled": False}})
    light_beacon(tmp_path, ours)
    assert read_beacon(tmp_path) == ours
    put_out_beacon(tmp_path)
    assert read_beacon(tmp_path) is None
    light_beacon(tmp_path, Beacon("http://127.0.0.1:1", os.getpid() + 1, "0"))
    put_out_beacon(tmp_path)
    assert read_beacon(tmp_path) is not None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": "x"}', "\x00"])
def test_a_spoilt_beacon_is_none(tmp_path, text):
    (tmp_path / "server.json").write_text(text)
    assert read_beacon(tmp_path) is None


def test_the_local_token_is_kept_and_made_anew_when_revoked_or_lost(tmp_path, identities):
    write_local_token(tmp_path, identities)
    first = local_token(tmp_path)
    write_local_token(tmp_path, identities)
    assert local_token(tmp_path) == first

    identities.revoke_token("local-cli", by="ann")
    write_local_token(tmp_path, identities)
    second = local_token(tmp_path)
    assert second != first

    (tmp_path / "cli-token").unlink()
    write_local_token(tmp_path, identities)
    assert local_token(tmp_path) not in {first, second}
    assert [token.name for token in identities.tokens()] == ["local-cli"]


def test_somebody_elses_token_in_the_file_is_not_taken_for_ours(tmp_path, identities):
    (tmp_path / "cli-token").write_text(identities.create_token("ci", [Role.VIEWER], "ann"))
    write_local_token(tmp_path, identities)
    assert identities.resolve_token(local_token(tmp_path)).name == "local-cli"


def test_the_kept_token_goes_to_the_server_of_the_directory_alone(tmp_path, other):
    (tmp_path / "cli-token").write_text("th_secret\n")
    other.answers = [(200, b"{}")] * 3
    with reach(other.url, None, tmp_path) as there:
        there.get("status")
    light_beacon(tmp_path, Beacon(other.url, 1, "0"))
    with reach(None, None, tmp_path) as there:
        there.get("status")
    with reach(None, "th_given", tmp_path) as there:
        there.get("status")
    assert other.tokens == [None, "Bearer th_secret", "Bearer th_given"]


def test_a_revoked_kept_token_still_reads_what_is_open(tmp_path, other):
    (tmp_path / "cli-token").write_text("th_revoked\n")
    light_beacon(tmp_path, Beacon(other.url, 1, "0"))
    other.answers = [(401, b"{}"), (200, b'{"a": 1}')]
    with reach(None, None, tmp_path) as there:
        assert there.get("status") == {"a": 1}
    assert other.tokens == ["Bearer th_revoked", None]


def test_refusals_keep_their_words_and_their_family(tmp_path, other):
    body = json.dumps({"error": "no such thing", "hint": "look"})
    other.answers = [(404, body), (503, body), (500, b"[1]"), (200, b"<html>")]
    with reach(other.url, None, tmp_path) as there:
        for family, words in (
            (Refused, "no such thing"),
            (Unavailable, "no such thing"),
            (Refused, "answered 500"),
            (Refused, "no twinhelm"),
        ):
            with pytest.raises(family, match=words):
                there.get("status")


@pytest.mark.parametrize("text", ["http://", "ftp://x", "127.0.0.1:99999", "http://[::1", ":0"])
def test_an_address_that_is_none_is_refused(tmp_path, text):
    with pytest.raises(BadInput), reach(text, None, tmp_path):
        pass


def test_a_token_that_no_header_can_hold_is_refused(tmp_path):
    with pytest.raises(BadInput), reach("127.0.0.1:1", "th_\N{SNOWMAN}", tmp_path):
        pass


def test_an_address_in_the_environment_does_not_upset_the_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("TWINHELM_SERVER", "http://127.0.0.1:1")
    assert settings_of(tmp_path).server.listen == "127.0.0.1:9700"
    monkeypatch.setenv("TWINHELM_SERVER", '{"listen": "127.0.0.1:1"}')
    assert settings_of(tmp_path).server.listen == "127.0.0.1:1"
