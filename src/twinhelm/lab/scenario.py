"""What is broken when? A scenario is a list of steps, walked one after the other.

In: the name of a built-in scenario, or a TOML file:

    title = "A slow shop, then a dead cache"

    [[step]]
    faults = ["catalog-slow-query"]   # several break at the same time
    after_s = 30                      # quiet before it
    for_s = 60                        # how long it lasts

Out: a :class:`Scenario`, and with :func:`walk` what was broken from when to when. A step without
faults is quiet for ``after_s`` and ``for_s``. All that walks ends repaired, also when it is cut
short.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twinhelm.lab.record import Case, Recording, add_case, write_topology
from twinhelm.lab.remote import Lab, nearest
from twinhelm.lab.words import Fault, LabError, now_s

__all__ = [
    "BUILT_IN", "Done", "Scenario", "Step", "Tell", "dozen", "pick", "read_scenario", "record_walk",
    "walk",
]  # fmt: skip

BUILT_IN = ("tour", "quick", "all", "two-at-once", "quiet")
LONGEST_S = 86_400.0
DOZEN = 12
TOUR = "bad_deploy_errors"
LATE_S = 4.0
"""What was measured reaches the agent by then."""
Tell = Callable[[str, float, float], None]
"""Called with what happens now, seconds done, seconds in all."""


@dataclass(frozen=True, slots=True)
class Step:
    """Quiet for ``after_s``, then these faults at once for ``for_s``."""

    faults: tuple[str, ...]
    after_s: float
    for_s: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """Steps, and a title for people."""

    title: str
    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return sum(step.after_s + step.for_s for step in self.steps)


@dataclass(frozen=True, slots=True)
class Done:
    """One step as it was walked: its faults, and from when to when they lasted (epoch s)."""

    faults: tuple[str, ...]
    start_s: float
    end_s: float


def read_scenario(name: str, faults: Mapping[str, Fault]) -> Scenario:
    """Find a built-in scenario, or read a file.

    Raises :class:`LabError` that says which entry is wrong, or which names there are.
    """
    if name in BUILT_IN:
        return _built_in(name, faults)
    path = Path(name)
    try:
        said = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise LabError(
            f"there is no scenario {name!r}",
            hint=f"built in are {', '.join(BUILT_IN)}; a TOML file does as well",
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LabError(f"{path} cannot be read: {error}") from error
    entries = said.get("step")
    if not isinstance(entries, list) or not entries:
        raise LabError(f"{path} has no steps", hint="write at least one [[step]]")
    steps = tuple(
        _step(entry, f"step {at} of {path}", faults) for at, entry in enumerate(entries, 1)
    )
    return Scenario(str(said.get("title", path.stem)), steps)


def dozen(faults: Mapping[str, Fault]) -> list[str]:
    """Choose twelve faults of as many kinds as there are; always the same ones."""
    kinds: dict[str, list[str]] = {}
    for name, fault in faults.items():
        kinds.setdefault(fault.truth.indicator if fault.truth.blame else "none", []).append(name)
    rounds = max(map(len, kinds.values()), default=0)
    turns = (names[turn] for turn in range(rounds) for names in kinds.values() if turn < len(names))
    return list(turns)[:DOZEN]


def pick(faults: Mapping[str, Fault], names: str, *, quick: bool) -> list[Fault]:
    """Choose by names with commas between them; else a dozen, or all.

    Raises :class:`LabError` for a name that is unknown.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in faults:
            raise LabError(f"no fault is called {name!r}", hint=nearest(name, faults))
    chosen = wanted or (dozen(faults) if quick else list(faults))
    return [faults[name] for name in dict.fromkeys(chosen)]


def walk(lab: Lab, scenario: Scenario, tell: Tell) -> Iterator[Done]:
    """Break and repair as the scenario says; yields each step with faults once it is repaired.

    Raises :class:`LabError` where a fault cannot begin or end. Whatever ends it, what it broke is
    repaired.
    """
    passed, whole = 0.0, scenario.seconds
    for step in scenario.steps:
        names = ", ".join(step.faults)
        _wait(step.after_s, lambda s, at=passed: tell("quiet", at + s, whole))  # type: ignore[misc] # bound now
        passed += step.after_s
        begun: list[str] = []
        start = now_s()
        try:
            for name in step.faults:
                tell(f"breaking: {name}", passed, whole)
                # Noted first: Ctrl-C may come while the lab is at it.
                begun.append(name)
                try:
                    lab.break_(name)
                except LabError:
                    begun.pop()
                    raise
            told = f"broken: {names}" if names else "quiet"
            _wait(step.for_s, lambda s, at=passed, told=told: tell(told, at + s, whole))  # type: ignore[misc]
            while begun:
                tell(f"repairing: {begun[-1]}", passed + step.for_s, whole)
                lab.repair(begun[-1])
                begun.pop()
        finally:
            for name in begun[::-1]:
                with suppress(LabError):
                    lab.repair(name)
        passed += step.for_s
        if step.faults:
            yield Done(step.faults, start, now_s())


def record_walk(
    lab: Lab,
    folder: Path,
    scenario: Scenario,
    faults: Mapping[str, Fault],
    *,
    quiet_s: float,
    lead_s: float,
    tail_s: float,
    tell: Tell,
) -> list[str]:
    """Walk a scenario and record it: quiet first, then a case per step; returns their names.

    A case reaches from ``lead_s`` before its faults until ``tail_s`` after their repair. Raises
    :class:`LabError` where the folder holds a recording already.
    """
    folder = folder.absolute()
    if (folder / "cases.csv").exists():
        raise LabError(f"{folder} holds a recording already", hint="name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    began = now_s()
    if quiet_s:
        _wait(quiet_s + LATE_S, lambda passed: tell("quiet, recorded", passed, quiet_s + LATE_S))
        lab.write_case("normal", folder / "normal", began, now_s() - LATE_S)
    cases: list[str] = []
    for number, done in enumerate(walk(lab, scenario, tell), 1):
        _wait(tail_s + LATE_S, lambda passed: tell("its end", passed, tail_s + LATE_S))
        case_id = f"{number:02d}-{'+'.join(done.faults)}"
        start = max(began, done.start_s - lead_s)
        lab.write_case(case_id, folder / "cases" / case_id, start, now_s() - LATE_S)
        for name in done.faults:
            fault = faults[name]
            case = Case(case_id, name, done.start_s, done.end_s, fault.truth, fault.symptom.metric)
            add_case(folder, replace(case, note=fault.title))
        cases.append(case_id)
    if cases:
        write_topology(Recording.open(folder))
    return cases


def _built_in(name: str, faults: Mapping[str, Fault]) -> Scenario:
    def one_by_one(names: Collection[str], title: str) -> Scenario:
        return Scenario(title, tuple(Step((each,), 45.0, 60.0) for each in names))

    if name == "tour":
        first = TOUR if TOUR in faults else next(iter(faults))
        return Scenario(f"The tour: {faults[first].title}", (Step((first,), 30.0, 75.0),))
    if name == "quick":
        return one_by_one(dozen(faults), "A dozen faults of different kinds")
    if name == "all":
        return one_by_one(list(faults), "Every fault once")
    if name == "quiet":
        return Scenario("Ten minutes in which nothing is wrong", (Step((), 0.0, 600.0),))
    few = [each for each in dozen(faults) if faults[each].truth.blame]
    pairs = tuple(Step(pair, 45.0, 75.0) for pair in zip(few[:3], few[3:6], strict=True))
    return Scenario("Two faults at once, three times", pairs)


def _step(entry: Any, where: str, faults: Mapping[str, Fault]) -> Step:
    if not isinstance(entry, dict):
        raise LabError(f"{where} is no table", hint="write it as [[step]]")
    if unknown := entry.keys() - {"faults", "after_s", "for_s"}:
        raise LabError(
            f"{where} has {', '.join(sorted(unknown))}", hint="it may have faults, after_s, for_s"
        )
    names: Sequence[Any] = entry.get("faults", [])
    if isinstance(names, str) or not all(isinstance(each, str) for each in names):
        raise LabError(f"faults of {where} are no list of names", hint='write ["cache-down"]')
    for each in names:
        if each not in faults:
            raise LabError(f"{where}: no fault is called {each!r}", hint=nearest(each, faults))
    if len(set(names)) < len(names):
        raise LabError(f"{where} names a fault twice")
    times = [entry.get("after_s", 30), entry.get("for_s", 60)]
    for value in times:
        if not isinstance(value, int | float) or not 0 <= value <= LONGEST_S:
            raise LabError(f"{where} has the time {value!r}", hint="write seconds, 0 or more")
    return Step(tuple(names), *map(float, times))


def _wait(seconds: float, tell: Callable[[float], None]) -> None:
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        tell(passed)
        time.sleep(min(0.5, seconds - passed))
