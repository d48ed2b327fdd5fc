"""Write numbers and times as Prometheus's JSON does, byte for byte.

Values are texts: the shortest decimal that reads back as the same double, without exponent
between 1e-6 and 1e21, ``NaN``, ``+Inf`` and ``-Inf``. Times are numbers in seconds, with
milliseconds only where there are any. Source: prometheus, util/jsonutil/marshal.go.

    >>> number_text(1e-05), number_text(2.0), number_text(1e-07)
    ('0.00001', '2', '1e-07')
    >>> time_text(1_700_000_000_050)
    '1700000000.050'
"""

from decimal import Decimal

from twinhelm.core.arrays import F64, I64

__all__ = ["number_text", "points", "scalar_text", "time_text"]


def number_text(value: float) -> str:
    """Write one value, without the quotes."""
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    if "e" in text:
        # Python turns to exponents earlier than Go does.
        if 1e-6 <= abs(value) < 1e21:
            return format(Decimal(text), "f")
        return text
    return SPECIAL.get(text, text)


def scalar_text(value: float) -> str:
    """Write the answer to a number alone, in which Prometheus never uses an exponent."""
    text = number_text(value)
    return format(Decimal(text), "f") if "e" in text else text


SPECIAL = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


def time_text(time_ms: int) -> str:
    """Write a time in seconds."""
    sign, time_ms = ("-", -time_ms) if time_ms < 0 else ("", time_ms)
    seconds, rest = divmod(time_ms, 1000)
    return f"{sign}{seconds}.{rest:03d}" if rest else f"{sign}{seconds}"


def points(times_ms: I64, values: F64) -> str:
    """Write ``[t,"v"],[t,"v"]`` for one series; both are (n,)."""
    pairs = zip(times_ms.tolist(), values.tolist(), strict=True)
    return ",".join(f'[{time_text(time_ms)},"{number_text(value)}"]' for time_ms, value in pairs)
