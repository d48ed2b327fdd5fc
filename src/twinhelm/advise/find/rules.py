"""Which rules fire and nobody does anything? Noise, and how long to hold it back.

A firing counts as acted on where a person touched the incident that it belongs to. The draft is a
rule that speaks of what lasts: held back for as long as nine in ten of the idle firings took, and
for less than any that somebody acted on. What of it would not have fired is what it saves.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from twinhelm.advise.draft import rule, slug
from twinhelm.advise.types import PAGE_HOURS, Firing, Found, Seen

__all__ = ["idle"]

MOST_ACTED = 0.2
"""Where people act more often than that, the rule has its use."""
LONGEST_HOLD_MS = 4 * 3_600_000
MINUTE_MS = 60_000


def idle(seen: Seen) -> Iterator[Found]:
    """Yield rules on which hardly anybody acts."""
    groups: dict[str, list[Firing]] = defaultdict(list)
    for one in seen.firings:
        groups[one.name].append(one)
    for name, firings in groups.items():
        lazy = [one for one in firings if not one.acted]
        if len(lazy) < (1 - MOST_ACTED) * len(firings):
            continue
        hold_ms = _hold(firings, lazy)
        still = [one for one in lazy if one.end_ms and one.end_ms - one.start_ms < hold_ms]
        against = [("a fault may yet come of which it is the first word", 0.3),
                   ("the time is a guess: five minutes for each interruption", 0.3)]  # fmt: skip
        if acted := len(firings) - len(lazy):
            against.append((f"people acted on {acted} of {len(firings)}", 0.5))
        says = f"held for {hold_ms // MINUTE_MS} min, {len(still)} of {len(lazy)} idle firings "
        yield Found(
            slug("rule", name), "rule", lazy[-1].entity,
            f"{name} fired {len(firings)} times, and nobody acted on {len(lazy)} of them",
            times=[one.start_ms for one in lazy], people=(), hours=len(lazy) * PAGE_HOURS,
            same=len(lazy) / len(firings), saved=len(still) / len(lazy), risk=0.3,
            says_for=[(f"{says}would not have been told, and none that was acted on", 0.8)],
            says_against=against, draft=rule(name, hold_ms // 1000) if still else None,
            covered=[f"{name} on {one.entity}" for one in still],
        )  # fmt: skip


def _hold(firings: Sequence[Firing], lazy: Sequence[Firing]) -> int:
    """Return how long to hold a rule back, in whole minutes, in ms."""
    lasted = sorted(one.end_ms - one.start_ms for one in lazy if one.end_ms) or [0]
    acted = [(one.end_ms or one.start_ms + LONGEST_HOLD_MS) - one.start_ms for one in firings
             if one.acted]  # fmt: skip
    most = min([LONGEST_HOLD_MS, *(each - MINUTE_MS for each in acted)])
    wanted = (lasted[int(0.9 * (len(lasted) - 1))] // MINUTE_MS + 1) * MINUTE_MS
    return max(MINUTE_MS, min(wanted, most))
