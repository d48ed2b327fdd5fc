"""What does a server make of recorded steps? Feeds them in, at any speed.

In: a recording, a server, and how fast. Out: what was sent, and what the server raised held
against the truth. A server that is *driven* has its clock moved to the end of each step, and does
all that it would have done by then before it answers: the same steps give the same incidents. A
server with a clock of its own is fed in real time, with all times moved to now.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

from twinhelm.lab.house import House
from twinhelm.lab.record import Case, Recording
from twinhelm.lab.replay.rows import STEP_S, Step, bounds, steps
from twinhelm.lab.score import AFTER_S, Trial, Watch, judged
from twinhelm.lab.words import LabError, now_s

__all__ = ["Fed", "feed", "replay"]

WARM_UP_S = 120
"""What is raised in a recording's first two minutes, unless it belongs to a fault, is no score."""
LONGEST_MOVE_S = 1800
"""A long gap is crossed in parts, so that a server's answer never takes minutes."""
OWN_CLOCK_S = 60
"""A server whose clock is further from ours does not go by its machine's."""
MOST_REFUSALS = 20


@dataclass(slots=True)
class Fed:
    """What was sent in how many steps; ``refused`` says what the server would not keep."""

    steps: int = 0
    rows: int = 0
    wall_s: float = 0.0
    refused: list[str] = field(default_factory=list)


def replay(
    recording: Recording,
    house: House,
    *,
    case_id: str = "",
    speed: float = 0.0,
    tell: Callable[[float, float], None] = lambda _done, _all: None,
) -> dict[str, Any]:
    """Feed a recording, or one case of it, to a server and say what came of it.

    ``speed`` is how many times faster than real time; 0 means as fast as it can be. ``tell`` is
    called with seconds of the recording done, and in all. Raises :class:`LabError` where a server
    with a clock of its own is asked for another speed than 1, or refuses.
    """
    cases = recording.of(case_id) if case_id else list(recording.cases)
    first_s, last_s = bounds(recording, case_id)
    driven = house.move_clock(first_s * 1000)
    there_s = now_s() if driven else house.now_s()
    if there_s is not None and abs(there_s - now_s()) > OWN_CLOCK_S:
        said = f"{house.url} is driven, and does not let us move its clock"
        raise LabError(said, hint="name its token with --token; it lies in its data directory")
    if not driven and speed not in (0.0, 1.0):
        raise LabError(
            f"{house.url} goes by its own clock, so that it can only be fed at speed 1",
            hint="start it as `twinhelm up --driven` and name its token with --token",
        )
    shift_s = 0 if driven else round(now_s()) // STEP_S * STEP_S - first_s
    trials = _Trials(house, cases, first_s, last_s) if house.incidents() is not None else None

    def passed(end_s: int) -> None:
        if trials is not None:
            trials.look(end_s - shift_s)
        tell(end_s - shift_s - first_s, last_s - first_s)

    source = steps(recording, case_id, shift_s=shift_s)
    start_s = first_s + shift_s
    fed = feed(source, house, start_s, driven=driven, speed=speed if driven else 1.0, passed=passed)
    return {
        "recording": str(recording.folder),
        "case": case_id or None,
        "server": house.url,
        "driven": driven,
        "from_s": first_s,
        "to_s": last_s,
        "times_as_fast": round((last_s - first_s) / max(fed.wall_s, 1e-9), 1),
        **asdict(fed),
        "score": None if trials is None else trials.judged(),
    }


def feed(
    source: Generator[Step, None, None],
    house: House,
    start_s: int,
    *,
    driven: bool = True,
    speed: float = 0.0,
    passed: Callable[[int], None] = lambda _end_s: None,
) -> Fed:
    """Send steps that begin at ``start_s``; ``passed`` is called with the end of each.

    The next step is made while the server works on this one.
    """
    fed, began, at_s = Fed(), time.monotonic(), start_s
    with closing(source), ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(next, source, None)
        while (step := coming.result()) is not None:
            coming = ahead.submit(next, source, None)
            if speed:
                time.sleep(max(0.0, began + (step.end_s - start_s) / speed - time.monotonic()))
            # What a step brings must not be there while the time before it is judged.
            while driven and at_s < step.end_s - STEP_S:
                at_s = min(step.end_s - STEP_S, at_s + LONGEST_MOVE_S)
                house.move_clock(at_s * 1000)
                passed(at_s)
            _send(step, house, fed)
            if driven:
                house.move_clock(step.end_s * 1000)
            at_s = step.end_s
            passed(at_s)
    fed.wall_s = round(time.monotonic() - began, 3)
    return fed


class _Trials:
    """Faults of a recording as they pass, and what the server raised meanwhile."""

    def __init__(self, house: House, cases: list[Case], first_s: int, last_s: int) -> None:
        self._watch = Watch(house)
        self._cases = [(case, min(case.end_s or last_s, last_s)) for case in cases]
        self._trials: dict[tuple[str, str], Trial] = {}
        self._warm_s = first_s + WARM_UP_S
        self._quiet_s = 0.0

    def look(self, end_s: int) -> None:
        """Take in what is there at the end of a step."""
        self._watch.look(end_s)
        for case, over_s in self._cases:
            key = case.case_id, case.fault
            if end_s >= over_s and key not in self._trials:
                file = self._watch.file(case.start_s)
                self._trials[key] = Trial(
                    *(case.fault, case.note, case.truth, 1, case.start_s, over_s, file)
                )
        if not self._in_fault(end_s) and end_s > self._warm_s:
            self._quiet_s += STEP_S

    def judged(self) -> dict[str, Any]:
        """Judge what passed."""
        counted = [
            one
            for one in self._watch.openings
            if one.seen_s > self._warm_s or self._in_fault(one.seen_s)
        ]
        return judged(list(self._trials.values()), counted, self._quiet_s)

    def _in_fault(self, at_s: float) -> bool:
        return any(case.start_s <= at_s <= over_s + AFTER_S for case, over_s in self._cases)


def _send(step: Step, house: House, fed: Fed) -> None:
    for path, headers, body in step.posts:
        status, said = house.ask("POST", path, body, headers)
        if status >= 500 or status in (401, 403, 404, 429):
            raise LabError(f"{house.url}{path} does not take it: status {status}")
        if status >= 400 and len(fed.refused) < MOST_REFUSALS:
            fed.refused.append(f"{path}: {said[:300].decode('utf-8', 'replace')}")
    fed.steps += 1
    fed.rows += step.rows
