"""What does a step do that only waits? Time passes, or a person answers.

``wait`` takes ``seconds``. ``ask`` takes ``question``; the flow asks it and waits, as long as it
takes, so that the answer survives a restart: the actor only says what would be asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twinhelm.aiops.automate.steps.fill import filled
from twinhelm.aiops.automate.steps.words import Arguments, Limit, Outcome

__all__ = ["Ask", "Wait"]

MAX_WAIT_S = 24 * 3600.0
MAX_QUESTION = 1000


class _Harmless:
    """What touches nothing may be done by anybody, any number of times."""

    def fill(self, arguments: Arguments, values: Mapping[str, str]) -> dict[str, Any]:
        """See :meth:`Actor.fill`."""
        return dict(filled(arguments, values))

    def barred(self, _arguments: Arguments) -> list[str]:
        """Bar nothing."""
        return []

    def changes(self, _arguments: Arguments) -> bool:
        """Say no."""
        return False

    def repeatable(self, _arguments: Arguments) -> bool:
        """Say yes: nothing is changed."""
        return True

    def dangerous(self, _arguments: Arguments) -> bool:
        """Say no: nothing is changed."""
        return False

    def reach(self, _arguments: Arguments) -> tuple[str, ...]:
        """Name nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class Wait(_Harmless):
    """Lets ``seconds`` pass."""

    name: str = "wait"

    def faults(self, arguments: Arguments) -> list[str]:
        """See :meth:`Actor.faults`."""
        seconds = arguments.get("seconds")
        if isinstance(seconds, int | float) and 0 < seconds <= MAX_WAIT_S:
            return []
        return [f"seconds must be a number up to {MAX_WAIT_S:g}, not {seconds!r}"]

    def tell(self, arguments: Arguments) -> str:
        """See :meth:`Actor.tell`."""
        return f"Wait {arguments['seconds']:g} s."

    def act(self, arguments: Arguments, limit: Limit) -> Outcome:
        """See :meth:`Actor.act`."""
        if limit.wait(arguments["seconds"]):
            return Outcome(True, f"waited {arguments['seconds']:g} s")
        return Outcome(False, f"did not wait: {limit.over()}")


@dataclass(frozen=True, slots=True)
class Ask(_Harmless):
    """Says what a person is asked; the flow does the asking."""

    name: str = "ask"

    def faults(self, arguments: Arguments) -> list[str]:
        """See :meth:`Actor.faults`."""
        question = arguments.get("question")
        if isinstance(question, str) and 0 < len(question.strip()) <= MAX_QUESTION:
            return []
        return [f"question must be a sentence of up to {MAX_QUESTION} characters"]

    def tell(self, arguments: Arguments) -> str:
        """See :meth:`Actor.tell`."""
        return f"Ask a person: {arguments['question']}"

    def act(self, arguments: Arguments, _limit: Limit) -> Outcome:
        """Refuse: who asks must be able to wait longer than a deed may."""
        return Outcome(False, f"nobody was asked: {arguments['question']}")
