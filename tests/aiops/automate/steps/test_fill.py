"""A value that an incident brings stays one value, whatever it is called."""

from __future__ import annotations

import pytest

from twinhelm.aiops.automate.steps import filled, parameters_of
from twinhelm.core.errors import BadInput

HOSTILE = [
    "$(touch pwned)", "`id`", "; rm -rf /", "| nc evil 1", "a && b", "x' OR '1'='1", "../../etc",
    "{{7*7}}", "${jndi:ldap://x}", "{% raw %}", "<script>alert(1)</script>", "%0d%0aX: y", "{name}",
    "{did.replicas}", "{secret.db}", "*", "~root", "a b", "ünïcode", "%s%n", "{0.__class__}",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_is_put_in_once_and_never_read_again(value):
    given = {"argv": ["/bin/x", "--host={host}", "{host}"], "deep": {"a": ["{host}"]}, "n": 3}
    assert filled(given, {"host": value, "name": "wrong", "did.replicas": "wrong"}) == {
        "argv": ["/bin/x", f"--host={value}", value],
        "deep": {"a": [value]},
        "n": 3,
    }


@pytest.mark.parametrize(
    "value", ["", "a\nb", "a\r\nX-Evil: 1", "a\x00b", "\x1b[2J", "a\u2028b", "\ud800", "x" * 501]
)
def test_a_value_that_no_step_takes_is_refused(value):
    with pytest.raises(BadInput, match="which no step takes"):
        filled(["{host}"], {"host": value})


@pytest.mark.parametrize("value", ["-rf", "--delete", "-"])
def test_a_value_cannot_become_an_option(value):
    with pytest.raises(BadInput, match="read as an option"):
        filled(["{host}"], {"host": value})
    assert filled(["--host={host}", "-{host}"], {"host": value}) == [f"--host={value}", f"-{value}"]


def test_a_parameter_without_a_value_is_refused():
    with pytest.raises(BadInput, match="no value for the parameter 'host'"):
        filled({"a": "{host}"}, {})


def test_keys_and_what_is_no_name_are_left_alone():
    given = {"{host}": "{Host} {} {0} {host.x} { host }"}
    assert filled(given, {"host": "a"}) == given
    assert parameters_of(given) == set()


def test_parameters_are_found_wherever_they_stand():
    given = {"a": "{one}{two}", "b": [{"c": "{did.three}"}], "{four}": 1}
    assert parameters_of(given) == {"one", "two", "did.three"}
