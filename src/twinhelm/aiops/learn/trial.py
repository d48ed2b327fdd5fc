"""What lessons would have changed in history: the back-test that they must pass before they count.

Question: do they cut what was called wrong, and lose nothing that was right? In: the standing
answers, those in force, and what people took up by themselves (facts of deviations that somebody
acknowledged an incident for). Out: :class:`Trial`. What was called right is judged by the lessons
of all other answers, so that an answer never vouches for itself. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twinhelm.aiops.learn.lessons import Lessons, learn
from twinhelm.aiops.types import Answer

__all__ = ["Trial", "try_out"]


@dataclass(frozen=True, slots=True)
class Trial:
    """How many wrong ones and right ones of one kind are asserted now, and would be.

    ``lost`` names what was right and would be asserted no more.
    """

    of: str
    wrong: int
    wrong_before: int
    wrong_after: int
    right: int
    right_before: int
    right_after: int
    lost: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Tell whether fewer wrong ones remain and no right one is lost."""
        return self.wrong_after < self.wrong_before and self.right_after >= self.right_before


def try_out(of: str, answers: Sequence[Answer], taken: Mapping[str, Mapping[str, Any]]) -> Trial:
    """Try what the answers of one kind teach, against what those in force do.

    ``taken``: facts, by reference, of what counts as right without an answer.
    """
    mine = [one for one in answers if one.of == of]
    now, then = learn(one for one in mine if one.applied), learn(mine)
    wrong = [one for one in mine if not one.right]
    right = [one for one in mine if one.right]
    answered = {one.about for one in mine}
    others = {about: facts for about, facts in taken.items() if about not in answered}

    def kept(lessons: Lessons, *, alone: bool) -> dict[str, bool]:
        held = {about: lessons.holds(of, facts) for about, facts in others.items()}
        for one in right:
            rest = learn(each for each in mine if each is not one) if alone else lessons
            held[one.about] = rest.holds(of, one.facts)
        return held

    before, after = kept(now, alone=False), kept(then, alone=True)
    return Trial(
        of,
        len(wrong),
        sum(now.holds(of, one.facts) for one in wrong),
        sum(then.holds(of, one.facts) for one in wrong),
        len(before),
        sum(before.values()),
        sum(after.values()),
        tuple(about for about in before if before[about] and not after[about]),
    )
