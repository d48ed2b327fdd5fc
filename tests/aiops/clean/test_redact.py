from __future__ import annotations

import pytest

from twinhelm.aiops.clean.redact import Redactor
from twinhelm.core import json


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        ("login password=hunter2 ok", "login password=[redacted:password] ok"),
        ('{"Password": "x y", "a": 1}', None),
        ("GET postgres://u:p4ss@db/x", "GET postgres://u:[redacted:password]@db/x"),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer [redacted:credentials]"),
        ("key AKIAABCDEFGHIJKLMNOP used", "key [redacted:aws_key] used"),
        ("jwt eyJhbGciOi.eyJzdWIiOi.abc_-1", "jwt [redacted:jwt]"),
        ("t ghp_abcdefghijklmnop0123", "t [redacted:token]"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- tail",
            "[redacted:private_key] tail",
        ),
    ],
)
def test_secrets_go(line: str, clean: str | None) -> None:
    (got,), count = Redactor().lines([line])
    assert count == 1
    if clean is not None:
        assert got == clean


@pytest.mark.parametrize(
    "line",
    ["", "all tests passed", "http://a/b?c=d", "token expired", "mail bob@example.org", "straße"],
)
def test_clean_lines_stay(line: str) -> None:
    assert Redactor().lines([line]) == ([line], 0)


def test_only_the_line_with_the_secret_changes() -> None:
    lines = ["a", "İpwd=abc", "", "b\nc"]
    assert Redactor().lines(lines) == (["a", "İpwd=[redacted:password]", "", "b\nc"], 1)
    assert Redactor().lines([]) == ([], 0)


def test_json_stays_json() -> None:
    (got,), count = Redactor().lines(['{"api_key":"abc","n":"token: x"}'])
    assert count == 2
    assert json.loads(got) == {"api_key": "[redacted:password]", "n": "token: [redacted:password]"}


def test_redacting_twice_changes_nothing_more() -> None:
    once, _ = Redactor().lines(["password=abc bearer abcdefghi"])
    assert Redactor().lines(once) == (once, 0)


def test_labels_called_like_a_secret_lose_their_value() -> None:
    labels = (("db_password", "x"), ("pod", "a"), ("url", "http://u:pw@h"))
    got = dict(Redactor().labels(labels))
    assert got == {
        "db_password": "[redacted:password]",
        "pod": "a",
        "url": "http://u:[redacted:password]@h",
    }
    plain = (("pod", "a"),)
    assert Redactor().labels(plain) is plain
