from __future__ import annotations

import pytest

from twinhelm.aiops.clean.redact import redacted
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
    (got,) = redacted([line])
    assert got != line
    if clean is not None:
        assert got == clean


@pytest.mark.parametrize(
    "line",
    ["", "all tests passed", "http://a/b?c=d", "token expired", "mail bob@example.org", "straße"],
)
def test_clean_lines_stay(line: str) -> None:
    assert redacted([line]) == [line]


def test_only_the_line_with_the_secret_changes() -> None:
    lines = ["a", "İpwd=abc", "", "b\nc"]
    assert redacted(lines) == ["a", "İpwd=[redacted:password]", "", "b\nc"]
    assert redacted([]) == []


def test_json_stays_json() -> None:
    (got,) = redacted(['{"api_key":"abc","n":"token: x"}'])
    assert json.loads(got) == {"api_key": "[redacted:password]", "n": "token: [redacted:password]"}


def test_redacting_twice_changes_nothing_more() -> None:
    once = redacted(["password=abc bearer abcdefghi"])
    assert redacted(once) == once
