"""The words that all of the lab shares: what a fault is, what it must show, whom to blame.

Also the lab's own doors to the clock and to JSON, since it imports nothing of the house.
Times are UTC epoch seconds (float).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from twinhelm.lab.stage import Stage

__all__ = [
    "DATABASE",
    "LOG_FILES",
    "NAMESPACE",
    "PROCESSES",
    "SCRAPED",
    "SERVICES",
    "STDOUT_LOGS",
    "Fault",
    "LabError",
    "Symptom",
    "Truth",
    "now_s",
    "read_json",
    "write_json",
]

NAMESPACE = "shop"
"""``service.namespace`` of everything in the lab, and ``namespace`` of what is scraped."""
DATABASE = "shopdb"
SERVICES = (
    "gateway", "catalog", "cart", "checkout", "payments", "shipping", "inventory",
    "recommender", "worker",
)  # fmt: skip
"""What serves the shop and carries OpenTelemetry's instrumentation."""
PROCESSES = {
    **{name: f"twinhelm.lab.shop.{name}" for name in (*SERVICES, "cache", "queue")},
    "pipeline": "twinhelm.lab.pipeline",
    "crowd": "twinhelm.lab.crowd",
    "agent": "twinhelm.lab.stage.agent",
}
"""Every long-lived process and the module whose ``run(plan, version)`` it is."""
SCRAPED = ("catalog", "cart", "shipping", "inventory", "worker", "cache", "queue", "crowd", "agent")
"""Those whose ``/metrics`` the agent scrapes; the other services push OTLP."""
LOG_FILES = ("catalog", "cart")
"""Those that write ``logs/NAME.log`` themselves."""
STDOUT_LOGS = (
    "shipping", "inventory", "worker", "cache", "queue", "pipeline", "crowd", "agent",
)  # fmt: skip
"""Those whose stdout, captured in ``out/NAME.log``, is their log."""


class LabError(Exception):
    """The lab cannot do what was asked; ``hint`` says what would help."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class Symptom:
    """What must show in the telemetry while a fault lasts."""

    metric: str
    """Prometheus-style name as the agent sees it (dots as underscores), or ``log``, ``span``."""
    labels: Mapping[str, str]
    """Labels that must match; ``job`` or ``service`` is the service for logs and spans too."""
    kind: str
    """``rate`` (increase of a counter per s), ``value``, ``mean`` (sum over count of a histogram),
    ``lines`` (log lines/s that contain ``text``), ``spans_failed`` (ratio), ``spans_mean_s``."""
    above: float | None = None
    """The symptom shows while the value is above this ..."""
    below: float | None = None
    """... or below this."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Truth:
    """Who is to blame for a fault."""

    service: str
    """The root cause: a process's name, ``host``, ``shopdb`` or ``nightly``."""
    also: tuple[str, ...] = ()
    """Entities that count as right too."""
    indicator: str = ""
    """``cpu``, ``memory``, ``descriptors``, ``latency``, ``errors``, ``saturation``, ``disk``,
    ``traffic``, ``freshness``, ``volume``, ``schema`` or ``drift``."""
    change: str = ""
    """Kind of the change that announced it (deploy, config, flag, model, migration), or empty."""
    blame: bool = True
    """False where this is no fault, and nobody may be blamed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break the shop, with its labelled cause and its repair."""

    name: str
    title: str
    repair: str
    """One plain sentence: what to do to repair the fault."""
    truth: Truth
    symptom: Symptom
    start: Callable[[Stage], Awaitable[None]] = field(repr=False)
    stop: Callable[[Stage], Awaitable[None]] = field(repr=False)


def now_s() -> float:
    """Tell the time: UTC epoch seconds, of the machine's clock."""
    return time.time()  # noqa: TID251 - the door of the lab


def read_json(path: Path) -> Any:
    """Read a JSON file that the lab wrote.

    Raises :class:`LabError` where it is absent or not JSON.
    """
    try:
        return orjson.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise LabError(f"{path} does not exist", hint="is the lab up in this folder?") from error
    except orjson.JSONDecodeError as error:
        raise LabError(f"{path} is not JSON: {error}") from error


def write_json(path: Path, value: Any, *, mode: int = 0o644) -> None:
    """Write a JSON file in one step, so that a reader sees the old one or the new one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode=mode)
    fresh.chmod(mode)
    fresh.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    fresh.replace(path)
