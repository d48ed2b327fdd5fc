"""Puts an anomaly in words: which quantity of which thing, how much, and how much usually.

Shared by the rooms that speak. In: metric names, entity keys and values in base units. Out:
short phrases with units for titles, decisions and evidence. Pure.

>>> quantity(0.97, "ratio"), quantity(3.2e9, "bytes"), quantity(0.0042, "seconds")
('97 %', '3.2 GB', '4.2 ms')
"""

import math
import re
from functools import lru_cache

from twinhelm.aiops.types import Anomaly
from twinhelm.core.entities import split_key
from twinhelm.core.labels import METRIC, metric_name

__all__ = ["called", "place", "quantity", "spoken", "unit_of", "usually"]

_DETAILS = ("mountpoint", "device", "cpu", "mode", "interface", "process", "operation", "route",
            "method", "feature", "le")  # fmt: skip
"""Labels that tell two series of one metric apart in a title."""


def called(name: str) -> str:
    """Name what is judged of a metric: of the sum of a histogram, the mean.

    >>> called("http_request_duration_seconds_sum"), called("up")
    ('mean http request duration', 'up')
    """
    if not name.endswith("_sum"):
        return name
    family = re.sub(r"_(seconds|milliseconds|bytes|ratio|percent)$", "", name.removesuffix("_sum"))
    return f"mean {family.replace('_', ' ')}"


@lru_cache(maxsize=4096)  # asked for every sign at every tick, and names are few
def unit_of(name: str) -> str:
    """Guess the unit of a signal from the metric's name: ratio, percent, bytes, seconds or none.

    A counter of bytes or seconds is judged as its rate: bytes per second, or a ratio of busy.
    """
    low = name.lower().removesuffix("_sum")  # a sum is judged as the mean
    if low.endswith(("_mean_ratio", "_items_ratio")):
        return ""  # OpenTelemetry's unit 1, which Prometheus's names call a ratio
    if re.search(r"(?<!du)ratio|utili[sz]ation|process[_.]cpu[_.]time", low):
        return "ratio"  # a duration is none
    if "percent" in low:
        return "percent"
    if re.search(r"bytes.*_total$|bytes_(read|written|sent|received)$|bytes_per_second", low):
        return "bytes/s"
    if low.endswith("_seconds_total"):
        return "ratio"
    if "bytes" in low or re.search(r"memory[_.](usage|virtual)$", low):
        return "bytes"
    if low.endswith(("_seconds", "duration", "latency")):
        return "seconds"
    return "per_s" if low.endswith(("_total", "_count", "_per_second")) else ""


def quantity(value: float, unit: str) -> str:
    """Write a value with its unit, to two or three significant digits."""
    if not math.isfinite(value):
        return "unknown"
    if unit == "ratio":
        return _percent(value * 100)
    if unit == "percent":
        return _percent(value)
    if unit in ("bytes", "bytes/s"):
        return _scaled(value, "B") + ("/s" if unit == "bytes/s" else "")
    if unit == "seconds":
        return _seconds(value)
    shown = f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
    return shown + ("/s" if unit == "per_s" else "")


def usually(anomaly: Anomaly, level: float = math.nan) -> str:
    """Say what range was expected, in one phrase.

    A ``level`` that lasts is strange within the range of single samples already: beside one that
    lies there the expected value is said instead.
    """
    unit = unit_of(metric_name(anomaly.labels))
    least, most = anomaly.low, anomaly.high
    if least <= level <= most:
        least = most = anomaly.expected
    if anomaly.expected >= 0.0:
        least = max(least, 0.0)  # a wide range may reach below what can be
    if unit in ("ratio", "percent") and anomaly.value <= (
        full := 1.0 if unit == "ratio" else 100.0
    ):
        least, most = min(least, full), min(most, full)
    low, high = quantity(least, unit), quantity(most, unit)
    if "unknown" in (low, high):
        return "usual range not known yet"
    if low == high:
        return f"usually {high}"
    shared = low.rpartition(" ")[2]
    if least == 0.0:
        low = "0"
    elif shared == high.rpartition(" ")[2]:
        low = low.rpartition(" ")[0] or low
    return f"usually {low} to {high}"


def place(entity: str) -> str:
    """Name an entity the way people say it, without the namespace or host that it is in.

    >>> place("host:db-1"), place("service:shop/checkout"), place("database:db-1/orders")
    ('host db-1', 'checkout', 'database orders')
    """
    kind, name = split_key(entity)
    if kind in ("service", "database"):
        name = name.rpartition("/")[2] or name
    if kind == "service":
        return name
    return name if kind == "other" else f"{kind} {name}"


def spoken(anomaly: Anomaly, *, value: float | None = None) -> str:
    """Say what is strange in one clause, for any metric."""
    name = metric_name(anomaly.labels) or "a series"
    unit = unit_of(name)
    by_name = dict(anomaly.labels)
    detail = ", ".join(f"{k} {by_name[k]}" for k in _DETAILS if k in by_name and k != METRIC)
    value = anomaly.value if value is None else value
    shown = quantity(value, unit)
    where = f"{called(name)}{f' ({detail})' if detail else ''} of {place(anomaly.entity)}"
    return f"{where} is {shown}, {usually(anomaly, value)}"


def _percent(value: float) -> str:
    return f"{value:.0f} %" if abs(value) >= 9.95 or value == 0 else f"{value:.2g} %"


def _scaled(value: float, unit: str) -> str:
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def _seconds(value: float) -> str:
    if abs(value) >= 120:
        return f"{value / 60:.3g} min"
    if abs(value) >= 1 or value == 0:
        return f"{value:.3g} s"
    return f"{value * 1000:.3g} ms" if abs(value) >= 1e-3 else f"{value * 1e6:.3g} us"
