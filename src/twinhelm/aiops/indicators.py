"""Says whether an anomaly matters in practice, not only statistically.

Shared by correlate, which raises, and diagnose, which ranks. In: one :class:`Anomaly`. Out: a
:class:`Weight`: how much it matters (1 is the bar), what to call it, and, where it does not
reach the bar, why not in words. An idle machine is full of statistical surprises (cron, page
cache, our own garbage collection), a quiet service of slow and failed requests; what people want
to hear of is a known indicator that left its range by an amount that counts, for a time that
counts. ``INDICATORS`` is that knowledge, a row each; metrics that no row knows weigh 0 by
themselves and matter only together. Amounts are ``excess``: how far the value lies outside the
expected range. Pure, a few microseconds per anomaly. Wrong where a metric is named against all
custom.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from twinhelm.aiops.types import Anomaly, Direction, Resource
from twinhelm.aiops.words import called, place, quantity, unit_of, usually
from twinhelm.core.labels import Labels, metric_name

__all__ = ["INDICATORS", "Indicator", "Weight", "indicator_of", "level_of", "said", "weigh"]

MB = 1e6
SUSTAINED_SHIFT = 1.5
"""A sustained level so many bars away from the expected value counts as one bar of excess."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """A kind of metric that people act on.

    It counts when the value leaves its range in ``direction`` by at least ``excess`` (in the
    metric's unit) and by ``relative`` times the bound it passed, for ``seconds``; past five
    times the amount, two thirds of ``seconds`` do. ``floor`` is a value below which (UP) it
    never counts; ``critical`` one from which on people are hurt. ``alone`` False: it supports
    others and never raises anything by itself. ``title`` is a template. ``direction`` None: either
    way counts. ``collapse``: it counts only below this share of what is expected. ``pooled``: what
    counts is the mean over some samples, since each alone tells of a request or two. ``each``:
    values are facts that speak for themselves (:class:`twinhelm.aiops.detect.Facts`), so many in a
    row, and at least ``spreads`` usual spreads away. ``hours``: it counts only where all is full so
    soon at its pace since it began.
    """

    shape: re.Pattern[str]
    resource: Resource
    title: str
    direction: Direction | None
    excess: float
    seconds: float
    relative: float = 0.0
    floor: float = -math.inf
    critical: float = math.inf
    alone: bool = True
    spreads: float = 0.0
    collapse: float = math.inf
    pooled: bool = False
    each: int = 0
    hours: float = math.inf


@dataclass(frozen=True, slots=True)
class Weight:
    """How much an anomaly matters: ``amount`` and ``lasting`` are 1 at the bar.

    ``resource`` is what it is a sign of; ``indicator``: a row of the table knows it; ``stands``:
    its newest value holds until the next.
    """

    amount: float
    lasting: float
    resource: Resource
    title: str
    critical: bool
    indicator: bool
    alone: bool
    why_not: str
    stands: bool = False

    @property
    def material(self) -> bool:
        """Tell whether it raises an incident by itself."""
        return self.alone and self.amount >= 1.0 and self.lasting >= 1.0

    def proven(self) -> Weight:
        """Return the weight of a sign that was material once, whatever its worst value says."""
        return replace(self, amount=max(self.amount, 1.5), lasting=max(self.lasting, 1.0))


def _row(
    shape: str,
    resource: Resource,
    title: str,
    excess: float,
    seconds: float,
    *,
    down: bool | None = False,
    **more: Any,
) -> Indicator:
    direction = None if down is None else Direction.DOWN if down else Direction.UP
    return Indicator(re.compile(shape), resource, title, direction, excess, seconds, **more)


INDICATORS: tuple[Indicator, ...] = (
    _row(r"^up$", Resource.ERRORS, "{place} does not answer", 0.5, 8, down=True, critical=0.5),
    _row(r"^traces_edge_errors_ratio", Resource.ERRORS, "{now} of calls {way} fail",
         0.04, 12, floor=0.05, critical=0.2, pooled=True),
    _row(r"^traces_errors_ratio", Resource.ERRORS, "{place} fails {now} of its calls",
         0.04, 12, floor=0.05, critical=0.2, pooled=True),
    _row(r"^traces_edge_duration.*\.(database|queue)$", Resource.LATENCY, "Calls {way} take {now}",
         0.004, 16, relative=1.5),
    _row(r"^traces_edge_duration", Resource.LATENCY, "Calls {way} take {now}",
         0.01, 16, relative=1.0),
    _row(r"^traces_self_duration", Resource.LATENCY,
         "{place} itself needs {now} for a request", 0.01, 16, relative=1.0),
    _row(r"^traces_duration", Resource.LATENCY, "{place} needs {now} for {request}",
         0.015, 18, relative=1.0),
    _row(r"^traces_.*requests_per_second|(requests?|messages|calls)_total$"
         r"|requests?[_.]duration(_seconds)?_count$", Resource.TRAFFIC,
         "Almost nobody calls {place}: {now}", 0.5, 20, down=True, relative=0.5, collapse=0.1,
         pooled=True),
    _row(r"_(count|bucket)$|^logs_lines", Resource.TRAFFIC, "{metric} of {place} is {now}",
         1e9, 60, alone=False),
    _row(r"^logs_errors_per_second", Resource.ERRORS, "{place} logs errors at {now}",
         0.08, 12, relative=1.0, pooled=True),
    _row(r"^process[_.]cpu[_.](seconds_total|time)", Resource.CPU,
         "{place} keeps {now} of a core busy", 0.3, 16, relative=1.0),
    _row(r"^process[_.](resident[_.]memory|memory[_.]usage)", Resource.MEMORY,
         "Memory of {place} in use is {now}", 32 * MB, 16, relative=0.25),
    _row(r"^process[_.](open[_.]fds|.*file[_.]descriptors?)|^process[_.]unix.*descriptor",
         Resource.DESCRIPTORS, "{place} holds {now} files and sockets open", 60, 12, relative=0.5),
    _row(r"pool.*_max$|connections?_(max|limit)|pool.*size$", Resource.SATURATION,
         "{metric} of {place} is {now}", 1, 60, relative=1.0, alone=False),
    _row(r"(pool|connections?).*(in_use|used|active|busy|checked_?out)", Resource.SATURATION,
         "{place} holds {now} connections of its pool", 2, 10, relative=1.0),
    _row(r"(pool|connections?).*wait.*(seconds|duration)", Resource.SATURATION,
         "{place} waits {now} for a connection of its pool", 0.03, 10, relative=2.0),
    _row(r"lock.*wait|wait.*lock|deadlock", Resource.SATURATION,
         "{now} wait for locks in {place}", 1, 8),
    _row(r"oldest.*(transaction|query|session)|(transaction|query).*age", Resource.SATURATION,
         "A transaction in {place} has been open for {now}", 8, 4, relative=2.0),
    _row(r"oldest.*(seconds|age)|age.*oldest", Resource.SATURATION,
         "The oldest message of {place} has waited {now}", 8, 4, relative=2.0),
    _row(r"(queue|messages?|jobs|tasks).*(ready|depth|length|size|waiting|backlog)",
         Resource.SATURATION, "{now} messages wait in {place}", 6, 8, relative=2.0),
    _row(r"(redeliver|dead_?letter|poison).*_total$", Resource.ERRORS,
         "{place} delivers messages again at {now}", 0.06, 12, relative=2.0, pooled=True),
    _row(r"redeliver|dead_?letter|poison", Resource.ERRORS,
         "{now} messages of {place} were delivered again", 1, 12, relative=1.0, alone=False),
    _row(r"(seq(uential)?|full|table)[_.]?(table[_.])?scans?", Resource.SATURATION,
         "{place} reads whole tables at {now}", 0.4, 16, relative=5.0, pooled=True),
    _row(r"hit.*(?<!du)ratio", Resource.SATURATION, "Cache of {place} answers only {now}",
         0.2, 12, down=True),
    _row(r"^pipeline_failed", Resource.ERRORS, "{place} failed", 0.5, 0, each=1),
    _row(r"^pipeline_late_ratio", Resource.DATA,
         "{place} is late: {now} of its usual time since it last finished", 0.4, 0, floor=1.5,
         each=1),
    _row(r"^pipeline_output_rows", Resource.DATA, "{place} writes only {now} rows to {detail}",
         1, 0, down=True, relative=0.35, each=1),
    _row(r"^pipeline_run_seconds", Resource.LATENCY, "{place} runs for {now}", 3, 0, relative=1.5),
    _row(r"(input|feature|score|prediction|label|click|conversion).*([_.]mean|[_.](?<!du)ratio)$"
         r"|drift|[_.]psi$|wasserstein", Resource.DATA,
         "{metric} {detail}of {place} is {now}", 0, 0, down=None, relative=0.2, spreads=4.0,
         each=3),
    _row(r"oom_kill", Resource.MEMORY, "{place} ran out of memory and killed a process", 0.001, 0,
         critical=0.0),
    _row(r"pressure|psi_", Resource.PRESSURE, "Work on {place} waits for {what}: {now}", 0.4, 45,
         floor=0.4),
    _row(r"cpu.*(iowait|steal|guest|softirq|irq)", Resource.CPU, "{metric} of {place} is {now}",
         0.2, 30, alone=False),
    _row(r"cpu.*idle", Resource.CPU, "CPU of {place} is only {now} idle", 0.3, 32, down=True),
    _row(r"cpu.*(busy|usage|used|utili[sz]ation|percent|(?<!du)ratio)", Resource.CPU,
         "CPU of {place} is busy at {now}", 0.2, 32, floor=0.3, critical=0.98),
    _row(r"cpu.*seconds_total|system[_.]cpu[_.]time", Resource.CPU,
         "CPU {detail}of {place} is busy at {now}", 0.5, 32, floor=0.5),
    _row(r"(mem|memory|swap).*(used|usage|utili[sz]ation).*((?<!du)ratio|percent)"
         r"|mem(ory)?[_.](utili[sz]ation|(?<!du)ratio)", Resource.MEMORY,
         "Memory of {place} is used to {now}", 0.05, 15, floor=0.1, critical=0.95),
    _row(r"mem(ory)?[_.]?(used|usage).*bytes|memory_used$", Resource.MEMORY,
         "Memory of {place} in use is {now}", 100 * MB, 15, relative=0.15),
    _row(r"mem.*avail.*(?<!du)ratio", Resource.MEMORY,
         "Memory of {place} still free is {now}", 0.05, 15, down=True),
    _row(r"mem.*avail", Resource.MEMORY,
         "Memory of {place} still free is {now}", 100 * MB, 15, down=True, relative=0.06),
    _row(r"(filesystem|disk|volume|storage|fs).*(used|usage|utili[sz]ation).*((?<!du)ratio|percent)"
         r"|filesystem[_.]utili[sz]ation", Resource.DISK,
         "Disk {detail}of {place} is filled to {now}", 0.003, 10, critical=0.95,
         hours=24),
    _row(r"(filesystem|disk|volume|storage|fs).*inodes?.*(free|(?<!du)ratio)", Resource.DISK,
         "Inodes {detail}of {place}: {now}", 0.01, 15),
    _row(r"(filesystem|disk|volume).*(avail|free).*(?<!du)ratio", Resource.DISK,
         "Disk {detail}of {place} has {now} free", 0.003, 10, down=True, hours=24),
    _row(r"(filesystem|disk|volume).*(avail|free)", Resource.DISK,
         "Disk {detail}of {place} has {now} free", 64 * MB, 10, down=True, relative=0.005,
         hours=24),
    _row(r"^(volume|quota|storage)_used_bytes", Resource.DISK,
         "The volume of {place} holds {now}", 12 * MB, 8, relative=0.5),
    _row(r"(filesystem|disk|volume).*used.*bytes", Resource.DISK,
         "Disk {detail}of {place} holds {now}", 64 * MB, 10, relative=0.005),
    _row(r"disk.*(writ|read).*bytes|diskio|disk[_.]io", Resource.DISK,
         "Disk {detail}of {place} moves {now}", 30 * MB, 30, relative=1.0),
    _row(r"disk.*(busy|utili[sz]ation|io_time_seconds)", Resource.DISK,
         "Disk {detail}of {place} is busy at {now}", 0.5, 45, floor=0.6),
    _row(r"(filefd|fds?|descriptors?|handles).*(?<!du)ratio", Resource.DESCRIPTORS,
         "Descriptors of {place} are used to {now}", 0.1, 15, critical=0.95),
    _row(r"filefd_allocated|open_fds|file_?descriptors?|descriptors?_(used|open)",
         Resource.DESCRIPTORS, "Descriptors of {place}: {now} open", 1000, 20, relative=0.5),
    _row(r"(error|fail|5xx|exception).*(?<!du)ratio", Resource.ERRORS,
         "{now} of requests to {place} fail", 0.02, 15, critical=0.2),
    _row(r"net.*(err|drop)", Resource.ERRORS, "{metric} of {place} is {now}", 5.0, 60,
         relative=3.0, alone=False),
    _row(r"error|fail|5xx|exception", Resource.ERRORS,
         "Errors of {place} ({metric}) are at {now}", 0.2, 20, relative=2.0),
    _row(r"latency|duration|response_time|p9[059]", Resource.LATENCY,
         "{place} is slow: {metric} is {now}", 0.005, 20, relative=1.0),
    _row(r"_seconds_sum$", Resource.LATENCY, "{place} is slow: {metric} is {now}",
         0.01, 20, relative=1.0, alone=False),
    _row(r"(queue|backlog|pending|(?<!f)lag)(?!.*_total$)", Resource.SATURATION,
         "Work piles up at {place}: {metric} is {now}", 20, 45, relative=3.0),
)  # fmt: skip
"""First match wins. Amounts: what a person would call a change on an otherwise idle machine."""

_TINY = 1e-12
_CODE_LABELS = ("code", "status_code", "http.response.status_code", "http_response_status_code")
_PROCESS_LABELS = frozenset({"process", "comm", "groupname", "process_name", "pid"})
_DETAILS = ("mountpoint", "volume", "device", "mode", "operation", "feature", "dataset")
_SYMPTOM_ONLY = re.compile(r"pressure.*(cpu|io)_|(cpu|io)_.*pressure|iowait")


def level_of(anomaly: Anomaly, level: float | None = None) -> float:
    """Return the value that stands for an anomaly: the given newest level, or its worst.

    ``deviation`` finds the extreme again that came after the value with the highest score.
    """
    if level is not None and math.isfinite(level):
        return level
    width = anomaly.high - anomaly.low
    if not math.isfinite(width):
        return anomaly.value
    reach = anomaly.deviation * max(width, 0.0)
    if anomaly.direction is Direction.UP:
        most = max(anomaly.value, anomaly.high + reach)
        whole = unit_of(metric_name(anomaly.labels)) == "ratio" and anomaly.value <= 1.0
        return min(most, 1.0) if whole else most
    return min(anomaly.value, anomaly.low - reach)


def indicator_of(labels: Labels) -> Indicator | None:
    """Find the row that knows a series; None for a series of one process, or of nothing known."""
    return _row_of(_name(labels)) if _PROCESS_LABELS.isdisjoint(dict(labels)) else None


def weigh(anomaly: Anomaly, *, sensitivity: float, level: float | None = None) -> Weight:
    """Say how much one anomaly matters.

    ``sensitivity`` 0.5 takes the table as it stands; 0 doubles every bar, 1 halves it.
    ``level`` is the newest sustained value (:class:`twinhelm.aiops.correlate.Levels`), where known.
    """
    by_name, name = dict(anomaly.labels), _name(anomaly.labels)
    found = _row_of(name)
    lasted_s = max(anomaly.last_ms - anomaly.start_ms, 0) / 1000
    if found is None or not _PROCESS_LABELS.isdisjoint(by_name):
        return _unknown(anomaly, lasted_s, process=found is not None)
    bar = 4.0 ** (0.5 - min(max(sensitivity, 0.0), 1.0))
    value = level_of(anomaly, level)
    direction = found.direction or anomaly.direction
    scale = 100.0 if unit_of(name) == "percent" else 1.0
    excess, bound = _excess(anomaly, value, direction)
    needed = max(found.excess * scale, found.relative * abs(bound), _TINY) * bar
    amount = excess / needed if math.isfinite(excess) else 0.0
    if level is not None and math.isfinite(level) and math.isfinite(anomaly.expected):
        # What lasts need not beat the range of single samples, which short peaks have widened.
        usual = max(found.excess * scale, found.relative * abs(anomaly.expected), _TINY) * bar
        shift = value - anomaly.expected
        shift = shift if direction is Direction.UP else -shift
        amount = max(amount, shift / (SUSTAINED_SHIFT * usual))
    if found.each:
        amount = max(amount, 1.0 / bar)
    if direction is Direction.UP and value < found.floor * scale:
        amount = min(amount, 0.9)
    if not value <= found.collapse * anomaly.expected and math.isfinite(found.collapse):
        amount = min(amount, 0.5)
    past = (value - found.critical * scale) * (1 if direction is Direction.UP else -1)
    passed = math.isfinite(past) and past >= 0.0
    if not passed and _hours_left(value, anomaly, direction, scale, lasted_s) > found.hours:
        amount = min(amount, 0.9)
    seconds = found.seconds * (2 / 3 if amount >= 5.0 else 1.0) * math.sqrt(bar)
    lasting = lasted_s / seconds if seconds else 1.0
    symptom = _SYMPTOM_ONLY.search(name) or (
        found.resource is Resource.PRESSURE and by_name.get("resource") in ("cpu", "io")
    )
    alone = found.alone and not symptom
    return Weight(
        amount=amount,
        lasting=lasting,
        resource=found.resource,
        title=f"{said(found, anomaly.labels, anomaly.entity, value)}, {usually(anomaly, value)}",
        critical=passed and amount >= 1.0,
        indicator=True,
        alone=alone,
        why_not=_why_not(found, anomaly, value, amount, lasting, needed, seconds, alone),
        stands=found.each > 0,
    )


def _name(labels: Labels) -> str:
    """Return the metric's name with what labels tell of its kind: a mode, a failed request."""
    by_name = dict(labels)
    name = metric_name(labels).lower()
    if mode := by_name.get("mode") or by_name.get("state"):
        name += f".{mode}"  # the CPU families tell idle from busy by a label
    code = next((by_name[key] for key in _CODE_LABELS if key in by_name), "")
    kind = by_name.get("server", "").partition(":")[0]
    if kind in ("database", "queue"):
        name += f".{kind}"  # what answers in a millisecond is slow in ten
    if code.startswith("5") and name.endswith(("_total", "_count")) and "size" not in name:
        name += ".5xx"
    return name


@lru_cache(maxsize=4096)
def _row_of(name: str) -> Indicator | None:
    """Find the row that knows a metric; three dozen searches are worth remembering."""
    return next((row for row in INDICATORS if row.shape.search(name)), None)


def _excess(anomaly: Anomaly, value: float, direction: Direction) -> tuple[float, float]:
    """Return how far ``value`` lies beyond the range in ``direction``, and the bound it passed."""
    if direction is Direction.UP:
        bound = anomaly.high if math.isfinite(anomaly.high) else anomaly.expected
        return value - bound, bound
    bound = anomaly.low if math.isfinite(anomaly.low) else anomaly.expected
    return bound - value, bound


def _hours_left(
    value: float, anomaly: Anomaly, direction: Direction, whole: float, lasted_s: float
) -> float:
    """Say in how many hours all is used, at the pace since the anomaly began."""
    left, moved = whole - value if direction is Direction.UP else value, value - anomaly.expected
    return max(left, 0.0) * lasted_s / 3600 / abs(moved) if moved else math.inf


def _unknown(anomaly: Anomaly, lasted_s: float, *, process: bool) -> Weight:
    why = "is no indicator that twinhelm knows; alone it raises nothing"
    if process:
        why = "tells of one process; it supports a sign of the machine and raises nothing itself"
    why = f"{metric_name(anomaly.labels) or 'the series'} {why}"
    return Weight(0.0, lasted_s / 30, anomaly.resource, "", False, False, False, why)


def said(row: Indicator, labels: Labels, entity: str, value: float) -> str:
    """Say in one clause that a series of ``entity`` shows ``value``, in the row's words."""
    name = metric_name(labels)
    by_name = dict(labels)
    detail = next((by_name[key] for key in _DETAILS if key in by_name), "")
    return row.title.format(
        place=place(entity),
        now=quantity(value, unit_of(name)),
        metric=called(name),
        detail=f"{detail} " if detail else "",
        request=by_name.get("operation", "a request"),
        way=f"from {place(by_name.get('client', 'other:somebody'))} to "
        f"{place(by_name.get('server', entity))}",
        what=by_name.get("resource") or next(
            (w for w in ("memory", "io", "cpu") if w in name), "resources"
        ),
    ).rstrip()  # fmt: skip


def _why_not(
    found: Indicator,
    anomaly: Anomaly,
    value: float,
    amount: float,
    lasting: float,
    needed: float,
    seconds: float,
    alone: bool,
) -> str:
    unit = unit_of(metric_name(anomaly.labels))
    if not alone:
        return "it is a symptom that supports other signs and raises nothing by itself"
    if amount == 0.9 and found.hours < math.inf:
        return "at its pace it lasts a day and more: a forecast tells of that"
    if amount < 1.0 and found.collapse < math.inf:
        return "traffic raises nothing by itself while more than next to nothing is left of it"
    if amount < 1.0:
        return (
            f"{quantity(value, unit)} is too close to what is usual ({usually(anomaly)}): an "
            f"incident needs {quantity(needed, unit)} beyond the range"
        )
    if lasting < 1.0:
        lasted = max(anomaly.last_ms - anomaly.start_ms, 0) / 1000
        return f"it lasted {lasted:.0f} s so far, an incident needs {seconds:.0f} s"
    return ""
