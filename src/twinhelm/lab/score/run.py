"""How does the product do on every fault, now, on this machine? Breaks a fresh lab and watches.

In: the faults to take, and a :class:`Pace`. Out: a :class:`Tally` of what was seen, which
:mod:`.judge` judges. Each repeat is a fresh ``twinhelm up`` that watches this host, with a fresh
lab beside it, both children of this process. After a warm-up, faults come one at a time in a
random order: wait for quiet, break, look every second, repair, wait until it is over.

Cut short at any moment, it undoes everything; the tally then holds what was measured so far.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twinhelm.lab import house, remote
from twinhelm.lab.plan import LOOPBACK
from twinhelm.lab.scenario import Tell
from twinhelm.lab.score.judge import AFTER_S, Opening, Trial
from twinhelm.lab.score.watch import Watch
from twinhelm.lab.stage.place import free_ports
from twinhelm.lab.words import Fault, LabError, now_s

__all__ = ["FULL", "QUICK", "Pace", "Tally", "run_once"]

LOOK_S = 1.0
CHANGE_S = 6.0
"""To begin a fault and to end it may take so long: a process is restarted."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long everything takes, in seconds.

    A fault is kept until its incident has been open for ``hold_s``, at most ``longest_s``; after
    its repair there are at least ``rest_s`` and at most ``recover_s`` until nothing is open.
    ``limit_s`` bounds one repeat: what is left of it beyond ``last_s`` at its end is quiet too.
    """

    warm_s: float
    first_s: float
    hold_s: float
    longest_s: float
    rest_s: float
    recover_s: float
    last_s: float
    most_last_s: float
    limit_s: float


REPAIR_S = 240.0
"""So long a fault is kept for the house to repair it and to see that it did."""
FULL = Pace(120, 60, 8, 70, 20, 60, 60, 120, 3600)
QUICK = Pace(120, 20, 8, 30, 8, 12, 20, 60, 720)


@dataclass(slots=True)
class Tally:
    """What was seen in one repeat; times are epoch s."""

    repeat: int
    trials: list[Trial] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    warm_up: list[Opening] = field(default_factory=list)
    """Incidents of the warm-up, which count for nothing."""
    quiet_s: float = 0.0
    """How long nothing was broken, from ``AFTER_S`` after a repair on: whatever opens then is
    false."""
    busy: float | None = None
    """How busy the machine was in the first quiet stretch, 0 to 1; None where it does not say."""
    failed: dict[str, str] = field(default_factory=dict)
    """Faults that could not be started or repaired, and why."""
    left_out: list[str] = field(default_factory=list)
    """Faults that there was no time for."""
    complete: bool = False


def run_once(
    faults: Sequence[Fault], pace: Pace, tally: Tally, *, seed: int, folder: Path, tell: Tell,
    repair: bool = False,
) -> None:  # fmt: skip
    """Measure every fault once, in an order that ``seed`` and the repeat fix, into ``tally``.

    With ``repair`` the house repairs what it can, by the runbooks that come with the lab.

    ``folder`` keeps the data of the server and of the lab. Raises :class:`LabError` where either
    does not come up or goes away.
    """
    end = time.monotonic() + pace.limit_s
    order = list(faults)
    random.Random(f"{seed}/{tally.repeat}").shuffle(order)  # noqa: S311 - an order, no secret
    tell("starting twinhelm", 0, pace.limit_s)
    port, token = free_ports(["control"])["control"], secrets.token_urlsafe(24)
    ours = {"TWINHELM_LAB_OPERATOR": token}
    allowed = {
        "TWINHELM_AUTOMATE__RUNBOOKS": str(folder / "lab" / "runbooks"),
        "TWINHELM_AUTOMATE__URLS": f'["http://{LOOPBACK}:{port}/operator/"]',
        "TWINHELM_SECRET_LAB": f"Bearer {token}",
    }
    with house.started(folder / "data", environment=allowed if repair else None) as server:
        tell("starting the lab", 0, pace.limit_s)
        flags = ("--to", server.url, "--control-port", str(port))
        with remote.started(folder / "lab", *flags, environment=ours) as lab:
            repairs = server.repairs if repair else None
            score = _Score(lab, Watch(server), pace, tally, end, tell, repairs)
            try:
                score.run(order)
            finally:
                # The lab repairs what is left as it ends.
                score.collect()


class _Score:
    def __init__(
        self, lab: remote.Lab, watch: Watch, pace: Pace, tally: Tally, end: float, tell: Tell,
        repairs: Callable[[float], list[dict[str, Any]]] | None,
    ) -> None:  # fmt: skip
        self._repairs = repairs
        self._lab, self._watch, self._pace, self._tally = lab, watch, pace, tally
        self._end, self._tell = end, tell
        self._since_s = now_s()

    def run(self, order: Sequence[Fault]) -> None:
        pace, tally = self._pace, self._tally
        self._for(pace.warm_s, "warming up")
        self._since_s = now_s()
        before = _ticks()
        self._quiet(pace.first_s, "quiet")
        tally.busy = _busy(before, _ticks())
        for place, fault in enumerate(order):
            if self._spare(1) < -CHANGE_S:
                tally.left_out = [each.name for each in order[place:]]
                break
            self._one(fault, f"{place + 1} of {len(order)}", after=len(order) - place - 1)
            self.collect()
        spare = self._end - time.monotonic()
        self._quiet(max(pace.last_s, min(pace.most_last_s, spare)), "quiet")
        tally.complete = not tally.left_out

    def collect(self) -> None:
        """Put what was seen to open into the tally."""
        seen = self._watch.openings
        self._tally.warm_up = [one for one in seen if one.seen_s < self._since_s]
        self._tally.openings = [one for one in seen if one.seen_s >= self._since_s]

    def _spare(self, faults: int) -> float:
        """Say what is left of the time if so many faults take as long as they may."""
        each = self._pace.longest_s + self._pace.rest_s + CHANGE_S
        return self._end - time.monotonic() - faults * each - self._pace.last_s

    def _one(self, fault: Fault, which: str, *, after: int) -> None:
        start = now_s()
        told = f"{which}: {fault.title}"
        try:
            self._show(f"breaking {told}")
            self._lab.break_(fault.name)
            self._for(self._pace.longest_s, told, until=lambda: self._seen_enough(start))
            shown = self._shown(fault)
            file = self._watch.file(start)
            repairs = None
            if find := self._repairs:
                self._for(REPAIR_S, f"repairing {told}", until=lambda: _verified(find(start)))
                repairs = find(start)
            mended = repairs is not None and self._shown(fault) is False
            self._show(f"repairing {told}")
            self._lab.repair(fault.name)
        except LabError as error:
            self._tally.failed[fault.name] = str(error)
            with suppress(LabError):
                self._lab.repair_all()
            self._lab.status()  # raises where the lab has gone
            self._for(self._pace.recover_s, "recovering")
            return
        repaired = now_s()
        self._tally.trials.append(
            Trial(
                *(fault.name, fault.title, fault.truth, self._tally.repeat),
                *(start, repaired, file, shown),
                repairs=repairs,
                mended=mended,
            )
        )
        self._for(
            # Not longer than the faults after this one can spare.
            max(self._pace.rest_s, min(self._pace.recover_s, self._spare(after))),
            f"recovering from {told}",
            until=lambda: now_s() - repaired >= self._pace.rest_s and not self._watch.live(),
        )
        # What opens between the time that is still the fault's and the next is false.
        self._tally.quiet_s += max(0.0, now_s() - repaired - AFTER_S)

    def _seen_enough(self, start: float) -> bool:
        mine = [one for one in self._watch.openings if one.seen_s >= start]
        return bool(mine) and now_s() - mine[0].seen_s >= self._pace.hold_s

    def _shown(self, fault: Fault) -> bool | None:
        try:
            return self._lab.shows(fault.symptom)
        except LabError:
            return None

    def _quiet(self, seconds: float, told: str) -> None:
        began = now_s()
        try:
            self._for(seconds, told)
        finally:
            self._tally.quiet_s += now_s() - began

    def _for(self, seconds: float, told: str, until: Callable[[], bool] = lambda: False) -> None:
        """Look every second for so long, or until it is so."""
        began = time.monotonic()
        while True:
            self._watch.look(now_s())
            self._show(told)
            left = began + seconds - time.monotonic()
            if left <= 0 or until():
                return
            time.sleep(min(LOOK_S, left))

    def _show(self, told: str) -> None:
        limit = self._pace.limit_s
        self._tell(told, limit - max(0.0, self._end - time.monotonic()), limit)


def _verified(repairs: Sequence[Mapping[str, Any]]) -> bool:
    return any(one["state"] == "verified" for one in repairs)


def _ticks() -> tuple[int, int]:
    """Read how long all cores idled and ran, as Linux counts it; zeros elsewhere."""
    try:
        said = Path("/proc/stat").read_text("ascii").partition("\n")[0].split()[1:9]
    except OSError:
        return 0, 0
    ticks = list(map(int, said))
    return ticks[3] + ticks[4], sum(ticks)


def _busy(before: tuple[int, int], after: tuple[int, int]) -> float | None:
    idle, whole = (late - early for late, early in zip(after, before, strict=True))
    return round(1 - idle / whole, 3) if whole else None
