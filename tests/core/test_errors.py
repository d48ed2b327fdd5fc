"""Errors say what, hint at the way out, and carry the status that doors answer with."""

from __future__ import annotations

import pytest

from twinhelm.core import errors


def family(root: type[errors.TwinhelmError]) -> list[type[errors.TwinhelmError]]:
    return [
        getattr(errors, name) for name in errors.__all__ if issubclass(getattr(errors, name), root)
    ]


def test_the_hint_follows_the_message():
    assert str(errors.BadInput("no such unit", hint="use s")) == "no such unit (use s)"
    assert str(errors.BadInput("no such unit")) == "no such unit"


@pytest.mark.parametrize("kind", family(errors.Refused))
def test_a_refusal_is_the_askers_to_mend(kind):
    assert 400 <= kind.status < 500
    assert kind.status != 429


@pytest.mark.parametrize("kind", family(errors.Unavailable))
def test_an_unavailability_says_when_to_ask_again(kind):
    assert kind.status in {429, 503}
    assert kind("later").retry_after_s > 0


def test_every_error_belongs_to_one_family():
    for kind in family(errors.TwinhelmError):
        if kind is not errors.TwinhelmError:
            assert issubclass(kind, errors.Refused) != issubclass(kind, errors.Unavailable)
