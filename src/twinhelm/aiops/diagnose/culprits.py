"""Names the process behind a resource: whose use rose when the machine's did.

In: a :class:`SeriesWindow` with per-process series of the same host. Out: :class:`Culprit`, the
process whose use of that resource rose most, its share of all that rose, and how closely it
followed the machine's indicator. Pure. Wrong where the process was not among the top users that
were collected, or where the machine is short of something that no process is charged for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twinhelm.aiops.diagnose.window import SeriesWindow, shift_of
from twinhelm.aiops.types import Resource
from twinhelm.aiops.words import quantity, unit_of
from twinhelm.core.arrays import F64
from twinhelm.core.labels import metric_name

__all__ = ["PROCESS_LABELS", "Culprit", "culprit_of", "spoken_name"]

PROCESS_LABELS = ("process", "process.executable.name", "comm", "groupname", "process_name")
LEAST_RISE = {
    Resource.CPU: 0.05,
    Resource.MEMORY: 32e6,
    Resource.DISK: 1e6,
    Resource.DESCRIPTORS: 200.0,
}
"""A process that rose by less is not blamed: a ratio, bytes, bytes per second, a count."""
_FALLBACK = {Resource.DISK: (Resource.CPU, Resource.MEMORY)}
"""Where nobody is charged for the resource (a file system in memory), who else became busy."""


@dataclass(frozen=True, slots=True)
class Culprit:
    """A process, by name, with ``share`` in [0, 1] of what rose and ``follows`` in [-1, 1].

    ``direct`` is False where it is only known to have become busy in another way.
    """

    process: str
    share: float
    follows: float
    direct: bool
    text: str


def culprit_of(
    window: SeriesWindow,
    host: str,
    resource: Resource,
    *,
    start_ms: int,
    end_ms: int,
    indicator: F64 | None = None,
) -> Culprit | None:
    """Find the process of ``host`` whose use of ``resource`` rose most since ``start_ms``.

    ``indicator`` (n,) is the machine's own series, to compare shapes with. None where no
    process rose by enough.
    """
    found = _riser(window, host, resource, start_ms, end_ms, indicator, direct=True)
    for other in _FALLBACK.get(resource, ()) if found is None else ():
        found = found or _riser(window, host, other, start_ms, end_ms, indicator, direct=False)
    return found


def spoken_name(process: str, processes: Mapping[str, Sequence[int]]) -> str:
    """Name a process with its pids, where known: ``stress (pid 4242)``.

    >>> spoken_name("stress", {"stress": [7, 8, 9, 10]})
    'stress (pids 7, 8, 9 and 1 more)'
    """
    pids = list(processes.get(process, ()))
    if not pids:
        return process
    shown = ", ".join(str(pid) for pid in pids[:3])
    more = f" and {len(pids) - 3} more" if len(pids) > 3 else ""
    return f"{process} (pid{'s' if len(pids) > 1 else ''} {shown}{more})"


def _riser(
    window: SeriesWindow,
    host: str,
    resource: Resource,
    start_ms: int,
    end_ms: int,
    indicator: F64 | None,
    *,
    direct: bool,
) -> Culprit | None:
    rises: dict[tuple[str, str], float] = {}
    columns: dict[tuple[str, str], int] = {}
    for column, labels in enumerate(window.labels):
        by_name = dict(labels)
        process = next((by_name[k] for k in PROCESS_LABELS if by_name.get(k)), "")
        same = window.entities[column] == host and window.resources[column] is resource
        if not process or not same:
            continue
        peak = resource is not Resource.CPU
        shift = shift_of(window, column, start_ms, end_ms, absent=0.0, peak=peak)
        key = (process, metric_name(labels))
        rises[key] = rises.get(key, 0.0) + shift.rise
        columns.setdefault(key, column)
    top = max(rises, key=lambda key: (rises[key], key), default=None)
    if top is None or not rises[top] >= LEAST_RISE.get(resource, 1e-9):
        return None
    total = sum(rise for (_, metric), rise in rises.items() if metric == top[1] and rise > 0)
    unit = "bytes/s" if top[1].endswith("bytes_per_second") else unit_of(top[1])
    share = rises[top] / total
    text = (
        f"{top[0]} uses {quantity(rises[top], unit)} more {top[1]} since then, "
        f"{share:.0%} of what all watched processes rose by"
    )
    follows = _follows(window.values[:, columns[top]], indicator)
    return Culprit(top[0], share, follows, direct, text)


def _follows(one: F64, other: F64 | None) -> float:
    """Correlate two series where both are known; 0 where that says nothing."""
    if other is None:
        return 0.0
    one = np.nan_to_num(one)
    both = np.isfinite(other)
    if both.sum() < 5 or np.ptp(one[both]) == 0 or np.ptp(other[both]) == 0:
        return 0.0
    return float(np.corrcoef(one[both], other[both])[0, 1])
