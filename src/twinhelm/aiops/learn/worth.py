"""Which answer would tell most? What to ask people first, since they have little time.

Question: of all deviations that were raised, which one should somebody be asked about? In: the
deviations, and what was answered so far. Out: the one whose "wrong" is expected to silence most of
the others: the chance that it is wrong (small ones rather, and what resembles what was called
wrong) times how many like it on its series nobody has answered. Pure; a label is never looked at.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence

from twinhelm.aiops.learn.needs import own_need
from twinhelm.aiops.types import Deviation

__all__ = ["next_question"]

LIKE = 2.0
"""Sizes within this factor of each other are alike."""


def next_question(seen: Sequence[Deviation], said: Mapping[int, bool]) -> int | None:
    """Return the place in ``seen`` of what to ask about next; None where all was answered.

    ``said`` holds the answers so far, by place: right or wrong.
    """
    sizes = sorted(one.size for one in seen)
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at, one in enumerate(seen):
        groups[one.series, one.way].append(at)
    best: tuple[float, int] | None = None
    for group in groups.values():
        silent = [own_need(seen[at]) for at in group if said.get(at) is False]
        left = [
            at
            for at in group
            if at not in said and not any(need.covers(seen[at]) for need in silent)
        ]
        for at in (at for at in group if at not in said):
            need = own_need(seen[at])
            silenced = sum(need.covers(seen[other]) for other in left)
            gain = _chance(at, group, seen, said, sizes) * silenced
            if best is None or gain > best[0]:
                best = gain, at
    return None if best is None else best[1]


def _chance(
    at: int,
    group: Sequence[int],
    seen: Sequence[Deviation],
    said: Mapping[int, bool],
    sizes: Sequence[float],
) -> float:
    """Say how likely it is wrong: by its size, by its series, and by what is of its size."""
    size = seen[at].size
    share = bisect_left(sizes, size) / len(sizes)
    wrong, right = 2.0 * (1.0 - share), 2.0 * share
    for other, answer in said.items():
        weight = float(other in group)
        if size / LIKE <= seen[other].size <= size * LIKE:
            weight += 0.5
        wrong, right = (wrong, right + weight) if answer else (wrong + weight, right)
    return wrong / (wrong + right)
