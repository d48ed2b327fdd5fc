"""A secret is found by its name alone, and only where nobody else can read it."""

from __future__ import annotations

import pytest

from twinhelm.core.errors import BadInput, NotFound
from twinhelm.core.own.secrets import Secrets, secret_name, struck


def test_the_environment_comes_before_the_file(tmp_path):
    path = tmp_path / "grafana-token"
    path.touch(mode=0o600)
    path.write_text("of the file\n")
    assert Secrets(tmp_path, {}).get("grafana-token") == "of the file"
    variables = {"TWINHELM_SECRET_GRAFANA_TOKEN": "of the environment"}
    assert Secrets(tmp_path, variables).get("grafana-token") == "of the environment"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path, mode):
    (tmp_path / "a").write_text("x")
    (tmp_path / "a").chmod(mode)
    with pytest.raises(BadInput, match="others may read the file of the secret 'a'"):
        Secrets(tmp_path, {}).get("a")


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".a", "a" * 200, "a\nb"])
def test_what_cannot_be_a_name_is_refused(tmp_path, name):
    with pytest.raises(BadInput, match="no secret can be called"):
        Secrets(tmp_path, {}).get(name)


def test_what_is_not_there_says_where_to_put_it(tmp_path):
    with pytest.raises(NotFound, match="mode 0600"):
        Secrets(tmp_path, {}).get("absent")


@pytest.mark.parametrize("text", ["", " \n", "a\nb", "a\x00b", "x" * 20_000, b"\xff\xfe"])
def test_what_is_not_one_line_is_refused(tmp_path, text):
    path = tmp_path / "a"
    path.touch(mode=0o600)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises((BadInput, NotFound)):
        Secrets(tmp_path, {}).get("a")


def test_a_reference_has_one_form():
    assert secret_name("secret:a.b-c") == "a.b-c"
    assert not secret_name("secret:")
    assert not secret_name("Bearer secret:a")
    assert not secret_name("secret:a b")


def test_secrets_are_struck_from_what_is_shown():
    assert struck("it said hunter2, password=other", ["hunter2", ""]) == "it said ***, password=***"
