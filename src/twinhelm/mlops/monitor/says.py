"""What a report says, and which state follows from it.

In: sentences, each with the state that it is a reason for. Out: the state and the sentences, worst
first, to :mod:`.health`. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from twinhelm.mlops.types import Drift
from twinhelm.stats.estimate import Range

__all__ = ["NAMED", "Findings", "named", "ranged"]

NAMED = 5
"""So many columns are named in a sentence."""
ORDER = {"failing": 0, "drifted": 1, "": 2, "unknown": 3, "good": 4}


@dataclass(slots=True)
class Findings:
    """Sentences by state; an empty one is for what is worth telling, no more."""

    said: list[tuple[str, str]] = field(default_factory=list)

    def say(self, state: str, text: str) -> None:
        """Add a reason for a state."""
        self.said.append((state, text))

    def state(self) -> str:
        """Return the worst state that there is a reason for; good outweighs unknown."""
        found = {state for state, _ in self.said}
        return next((each for each in ("failing", "drifted", "good") if each in found), "unknown")

    def sentences(self) -> tuple[str, ...]:
        """Return all that was said, worst first."""
        ordered = sorted(self.said, key=lambda each: ORDER[each[0]])
        return tuple(text[:1].upper() + text[1:] + "." for _, text in ordered)


def named(drifts: list[Drift]) -> str:
    """Name columns with their PSI, the largest first, each once."""
    largest: dict[str, Drift] = {}
    for each in sorted(drifts, key=lambda each: -each.psi):
        largest.setdefault(each.column, each)
    named = [f"{n} (PSI {d.psi:.2f}{f' in {d.slice}' if d.slice else ''})"
             for n, d in list(largest.items())[:NAMED]]  # fmt: skip
    more = len(largest) - NAMED
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def ranged(found: Range) -> str:
    """Spell a value with its interval."""
    return f"{found[0]:.3g} ({found[1]:.3g} to {found[2]:.3g})"
