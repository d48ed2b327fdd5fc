"""What comes late or has to be taken back: pipelines of data, deploys, and models built by hand.

A pipeline is late where its success came a quarter of a turn after a failed run, or half a turn
after it was due; after a failed run, running it again at once is what the draft does. A deploy was
taken back where a revert or hotfix of its repository followed within a day. A model that somebody
builds in regular steps can be built by its product file; the same gates and people follow.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from twinhelm.advise.draft import rerun_pipeline, rollback, schedule, slug
from twinhelm.advise.types import DAY_MS, HOUR_MS, LATE_HOURS, Deed, Found, Seen
from twinhelm.advise.words import argv_of
from twinhelm.core.telemetry import Change

__all__ = ["late", "rebuilt", "reverted"]

SLACK = 0.25
"""Of a turn: so much after a failed run, or after twice so much silence, a success is late."""
LEAST_RUNS = 5
BUILD_HOURS = 0.25
"""Of somebody who begins a build and comes back to see how it went."""
REGULAR = 0.5
"""A step that is off by less than half of the usual one is regular."""


def late(seen: Seen) -> Iterator[Found]:
    """Yield pipelines that were late."""
    runs: dict[str, list[Change]] = defaultdict(list)
    for one in seen.changes:
        if one.kind == "pipeline" and one.end_ms is not None:
            runs[one.entity].append(one)
    for entity, ended in runs.items():
        good = sorted(one.end_ms or 0 for one in ended if one.outcome == "success")
        bad = [one.end_ms or 0 for one in ended if one.outcome != "success"]
        if len(good) < LEAST_RUNS or not (turn := median(b - a for a, b in pairwise(good))):
            continue
        failed = {b: min(hits) for a, b in pairwise(good)
                  if (hits := [at for at in bad if a < at < b - SLACK * turn])}  # fmt: skip
        silent = [round(a + turn) for a, b in pairwise(good)
                  if b not in failed and b - a > (1 + 2 * SLACK) * turn]  # fmt: skip
        times = [*failed.values(), *silent]
        if not times:
            continue
        name, share = entity.partition(":")[2], len(failed) / len(times)
        behind = sum(b - at for b, at in failed.items()) / HOUR_MS
        pasts = [past for past in seen.pasts if past.entity == entity]
        near = [*seen.deeds, *(deed for past in pasts for deed in past.deeds)]
        begun = [deed for deed in near if deed.kind == "command"]
        deeds = [deed for deed in begun if name.rpartition("/")[2] in argv_of(deed.text)]
        against = [("the time is a guess: half an hour of somebody each time", 0.3)]
        if silent:
            against.append((f"{len(silent)} times no run had failed: nothing began", 1 - share))
        yield Found(
            slug("late", name), "late", entity,
            f"{name} was late {len(times)} times, {behind:.0f} h after runs that had failed",
            times=times, people={deed.who for deed in deeds}, hours=len(times) * LATE_HOURS,
            same=share, saved=share, risk=0.2,
            says_for=[(f"it runs every {turn / HOUR_MS:.1f} h", 0.5),
                      (f"{len(failed)} times a run had failed, and a later one did it", 0.8)],
            says_against=against, draft=rerun_pipeline(slug("rerun", name), entity, deeds),
            covered=[past.ref for past in pasts] or [f"a failed run of {name}"] * len(failed),
        )  # fmt: skip


def reverted(seen: Seen) -> Iterator[Found]:
    """Yield what was deployed and taken back within a day."""
    deploys: dict[str, list[Change]] = defaultdict(list)
    backs: dict[str, list[int]] = defaultdict(list)
    for one in seen.changes:
        if one.kind == "deploy":
            deploys[one.entity].append(one)
        elif one.attributes.get("reverts"):
            backs[one.attributes.get("repo", "").rpartition("/")[2]].append(one.time_ms)
    for entity, made in deploys.items():
        name = entity.partition(":")[2].rpartition("/")[2]
        ends = [min(one.time_ms + DAY_MS, after.time_ms) for one, after in pairwise(made)]
        spans = zip(made, [*ends, made[-1].time_ms + DAY_MS], strict=True)
        taken = {one.id: (one, min(hits) - one.time_ms) for one, end in spans
                 if (hits := [at for at in backs[name] if one.time_ms < at <= end])}  # fmt: skip
        yield Found(
            slug("reverted", entity), "reverted", entity,
            f"{len(taken)} of {len(made)} deploys of {name} were taken back within a day",
            times=[one.time_ms for one, _ in taken.values()],
            people={one.attributes.get("who", "") for one, _ in taken.values()},
            hours=sum(min(wait, HOUR_MS) for _, wait in taken.values()) / HOUR_MS,
            same=1.0, saved=0.5, risk=0.4,
            says_for=[(f"{len(taken)} reverts or hotfixes followed a deploy", 0.7)],
            says_against=[("a rollback by itself needs a sign that fits each time", 0.5)],
            draft=rollback(slug("rollback", name), entity),
            covered=[one.title for one, _ in taken.values()],
        )  # fmt: skip


def rebuilt(seen: Seen) -> Iterator[Found]:
    """Yield products that people built by hand; such an act in this house is a deed ``build``."""
    groups: dict[str, list[Deed]] = defaultdict(list)
    for deed in seen.deeds:
        if deed.kind == "build":
            groups[deed.entity].append(deed)
    for entity, deeds in groups.items():
        steps: Sequence[int] = [b.time_ms - a.time_ms for a, b in pairwise(deeds)] or [0]
        usual, name = median(steps), entity.partition(":")[2]
        regular = sum(abs(step - usual) <= REGULAR * usual for step in steps) / len(steps)
        hours = max(1.0, round(usual / HOUR_MS))
        yield Found(
            slug("rebuilt", name), "rebuilt", entity,
            f"{name} was built by hand {len(deeds)} times, every {hours:.0f} h or so",
            times=[deed.time_ms for deed in deeds], people={deed.who for deed in deeds},
            hours=len(deeds) * BUILD_HOURS, same=regular, saved=regular, risk=0.1,
            says_for=[(f"{regular:.0%} of the steps between them are alike", 0.8)],
            says_against=[("the time is a guess: a quarter of an hour each", 0.3)],
            draft=schedule(name, hours), covered=[deed.text for deed in deeds],
        )  # fmt: skip
