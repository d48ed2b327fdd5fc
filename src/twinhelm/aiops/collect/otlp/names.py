"""Name OpenTelemetry metrics as Prometheus does.

Pure functions of a metric's name, unit and kind: dots become underscores, the unit is spelled
out as a suffix (unless the name has it already), counters end in ``_total`` and ratios in
``_ratio``. Values are not converted: a metric in ``ms`` ends in ``_milliseconds``.

Source: OpenTelemetry "Prometheus and OpenMetrics Compatibility", metric metadata; units are
UCUM's case-sensitive codes.

>>> family_name("http.server.request.duration", "s", Kind.HISTOGRAM)
'http_server_request_duration_seconds'
>>> family_name("system.network.io", "By/s", Kind.COUNTER)
'system_network_io_bytes_per_second_total'
"""

import re
from enum import IntEnum

import numpy as np

__all__ = ["Kind", "family_name", "number_text"]


class Kind(IntEnum):
    """What a metric's points are, as far as it matters to their series."""

    GAUGE = 0
    UPDOWN = 1
    COUNTER = 2
    HISTOGRAM = 3
    SUMMARY = 4


_SPELLED = (
    "d=days h=hours min=minutes s=seconds ms=milliseconds us=microseconds ns=nanoseconds "
    "By=bytes KiBy=kibibytes MiBy=mebibytes GiBy=gibibytes TiBy=tibibytes KBy=kilobytes "
    "MBy=megabytes GBy=gigabytes TBy=terabytes m=meters V=volts A=amperes J=joules W=watts "
    "g=grams Cel=celsius Hz=hertz 1= %=percent"
)
_UNITS = dict(pair.split("=") for pair in _SPELLED.split())
_PER = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month"}


def family_name(name: str, unit: str, kind: Kind) -> str:
    """Name the metric family; empty where the name holds no letter or digit."""
    words = _words(name)
    if not words:
        return ""
    main, _, per = unit.partition("/")
    spelled = "" if "{" in main else _UNITS.get(main.strip(), main.strip())
    _append(words, _words(spelled))
    if per and "{" not in per:
        rate = _words(_PER.get(per.strip(), per.strip()))
        _append(words, ["per", *rate] if rate else [])
    ratio = kind is Kind.GAUGE and unit.strip() == "1"
    suffix = "total" if kind is Kind.COUNTER else "ratio" if ratio else ""
    if suffix:
        words = [word for word in words if word != suffix] + [suffix]
    joined = "_".join(words)
    return f"_{joined}" if joined[0].isdigit() else joined


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[^a-zA-Z0-9:]+", text) if word]


def _append(words: list[str], suffix: list[str]) -> None:
    """Append the suffix unless its last word is in the name already."""
    if suffix and suffix[-1] not in words:
        words += suffix


def number_text(value: float) -> str:
    """Write a bucket bound or a quantile: the shortest decimal that reads back the same.

    >>> number_text(0.005), number_text(10.0), number_text(float("inf"))
    ('0.005', '10', '+Inf')
    """
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return np.format_float_positional(value, trim="-")
