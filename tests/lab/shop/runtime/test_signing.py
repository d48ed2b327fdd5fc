"""Signatures: who holds the secret, and just now."""

from __future__ import annotations

import pytest

from twinhelm.lab.shop.runtime.signing import TOLERANCE_S, BadSignature, check, sign

BODY = b'{"cents": 500}'


@pytest.mark.parametrize("skew_s", [0.0, TOLERANCE_S - 1, 1 - TOLERANCE_S])
def test_clocks_that_nearly_agree_are_believed(skew_s: float) -> None:
    check("secret", BODY, sign("secret", BODY, now_s=1_000.0), now_s=1_000.0 + skew_s)


@pytest.mark.parametrize("skew_s", [TOLERANCE_S + 1, -TOLERANCE_S - 1])
def test_clocks_that_disagree_are_refused(skew_s: float) -> None:
    with pytest.raises(BadSignature, match="s old"):
        check("secret", BODY, sign("secret", BODY, now_s=1_000.0), now_s=1_000.0 + skew_s)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("", "malformed"),
        ("t=now,v1=ab", "malformed"),
        ("v1=ab", "malformed"),
        ("t=1000.000,v1=ab", "does not match"),
        (sign("other", BODY, now_s=1_000.0), "does not match"),
        (sign("secret", b"other", now_s=1_000.0), "does not match"),
        (sign("secret", BODY, now_s=1_000.0).replace("t=1", "t=2"), "does not match"),
    ],
)
def test_what_was_not_signed_so_is_refused(header: str, why: str) -> None:
    with pytest.raises(BadSignature, match=why):
        check("secret", BODY, header, now_s=1_000.0)


def test_no_number_is_no_time() -> None:
    header = sign("secret", BODY, now_s=float("nan"))
    with pytest.raises(BadSignature):
        check("secret", BODY, header, now_s=1_000.0)
