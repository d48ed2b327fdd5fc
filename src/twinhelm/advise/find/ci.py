"""Which stages of CI fail without a fault, and which keep everybody waiting? CI, as changes.

A stage is flaky where the same commit both failed and passed; test reports that disagree about a
commit say which test. A failure costs the wait until the same commit passed, at most an hour. A
slow stage is one that takes longer than ten minutes and more than half of its workflow's time.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from statistics import median

from twinhelm.advise.draft import rerun_workflow, slug
from twinhelm.advise.types import HOUR_MS, Found, Seen
from twinhelm.core.telemetry import Change

__all__ = ["flaky", "slow"]

SLOW_MS = 10 * 60_000
WATCHED = 0.1
"""Share of a slow stage's time that somebody really waits; the rest they do something else."""

Stage = tuple[str, str, str]
"""Repository, workflow, job."""


def flaky(seen: Seen) -> Iterator[Found]:
    """Yield stages where failures went away by themselves."""
    tests = _flaky_tests(seen.changes)
    for (repo, workflow, job), runs in _stages(seen).items():
        failed = [one for one in runs if one.outcome == "failure"]
        waits = {one.id: wait for one in failed if (wait := _wait(one, runs))}
        gone = [one for one in failed if one.id in waits]
        if not gone:
            continue
        real, typical, cost = len(failed) - len(gone), _typical(runs), sum(waits.values())
        said_for = [(f"{len(gone)} of {len(failed)} failures passed unchanged", 0.9)]
        if names := tests.get(repo):
            said_for.append((f"tests that disagree with themselves: {', '.join(names)}", 0.7))
        yield Found(
            slug("flaky", repo, workflow, job), "flaky", gone[-1].entity,
            f"{job} of {repo} failed {len(gone)} times on commits that then passed",
            times=[one.time_ms for one in gone], people=_people(gone), hours=cost / HOUR_MS,
            same=len(gone) / len(failed), risk=0.1,
            # Run again at once, each wait would have been as long as a run takes.
            saved=sum(max(0.0, wait - typical) for wait in waits.values()) / cost,
            says_for=said_for,
            says_against=[("running again hides what is flaky; it stays to be mended", 0.3),
                          *([(f"{real} failures were real; it delays them", 0.2)] * bool(real))],
            draft=rerun_workflow(workflow, job, gone[-1].source),
            covered=[one.attributes.get("url", one.title) for one in gone],
        )  # fmt: skip


def slow(seen: Seen) -> Iterator[Found]:
    """Yield stages that take most of their workflow's time, and long; how to help is people's."""
    stages = _stages(seen)
    total: Counter[tuple[str, str]] = Counter()
    for (repo, workflow, _), runs in stages.items():
        total[repo, workflow] += round(_typical(runs))
    for (repo, workflow, job), runs in stages.items():
        typical = _typical(runs)
        if typical < SLOW_MS or typical <= 0.5 * total[repo, workflow]:
            continue
        yield Found(
            slug("slow", repo, workflow, job), "slow", runs[-1].entity,
            f"{job} of {repo} takes {typical / 60_000:.0f} min, and ran {len(runs)} times",
            times=[one.time_ms for one in runs], people=_people(runs),
            hours=len(runs) * typical / HOUR_MS * WATCHED, same=0.6, saved=0.5, risk=0.2,
            says_for=[("it takes more than half of its workflow's time", 0.6)],
            says_against=[("how much of it can be cached or split, its people must say", 0.5),
                          ("the time is a guess: a tenth of each run is waited for", 0.3)],
        )  # fmt: skip


def _stages(seen: Seen) -> dict[Stage, list[Change]]:
    """Gather the ended jobs of CI."""
    stages: dict[Stage, list[Change]] = defaultdict(list)
    for one in seen.changes:
        told = one.attributes
        if one.kind == "ci" and told.get("type") == "job" and one.end_ms is not None:
            stages[told.get("repo", ""), told.get("workflow", ""), told.get("job", "")].append(one)
    return stages


def _wait(failed: Change, runs: Sequence[Change]) -> int:
    """Return how long after a failure the same commit passed, in ms, at most an hour; 0: never."""
    end, commit = failed.end_ms or failed.time_ms, failed.attributes.get("commit")
    later = [one.end_ms or 0 for one in runs
             if one.outcome == "success" and one.attributes.get("commit") == commit]  # fmt: skip
    return min((min(at - end, HOUR_MS) for at in later if at > end), default=0)


def _people(runs: Sequence[Change]) -> set[str]:
    return {one.attributes.get("who", "") for one in runs}


def _typical(runs: Sequence[Change]) -> float:
    lasted = [one.end_ms - one.time_ms for one in runs if one.end_ms and one.outcome == "success"]
    return float(median(lasted)) if lasted else 0.0


def _flaky_tests(changes: Sequence[Change]) -> dict[str, list[str]]:
    """Name the tests that both failed and passed on one commit, by repository."""
    reports: dict[tuple[str, str], list[set[str]]] = defaultdict(list)
    for one in changes:
        told = one.attributes
        if told.get("type") == "tests":
            failed = set(filter(None, told.get("failed", "").split("\n")))
            reports[told.get("repo", ""), told.get("commit", "")].append(failed)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for (repo, _), each in reports.items():
        ever = set[str]().union(*each)
        found[repo].update(ever - ever.intersection(*each))
    return {repo: [name for name, _ in names.most_common(5)] for repo, names in found.items()}
