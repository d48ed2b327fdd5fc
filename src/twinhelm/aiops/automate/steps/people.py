"""What does a step do that only waits? Time passes, or a person answers.

``wait`` takes ``seconds``. ``ask`` takes ``question``; the flow asks it and waits, as long as it
takes, so that the answer survives a restart: the actor only says what would be asked.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from twinhelm.aiops.automate.steps.actor import Actor, Arguments, Given, Limit, Outcome

__all__ = ["Ask", "AskGiven", "Wait", "WaitGiven"]


class WaitGiven(Given):
    """What ``wait`` takes."""

    seconds: Annotated[float, Field(gt=0, le=24 * 3600.0, strict=True)]


class AskGiven(Given):
    """What ``ask`` takes."""

    question: Annotated[str, Field(pattern=r"\S", max_length=1000)]


class _Harmless(Actor):
    """What changes nothing may be done any number of times."""

    def changes(self, _arguments: Arguments) -> bool:
        """Say no."""
        return False

    def repeatable(self, _arguments: Arguments) -> bool:
        """Say yes."""
        return True


class Wait(_Harmless):
    """Lets ``seconds`` pass."""

    name = "wait"
    given = WaitGiven

    def told(self, given: WaitGiven) -> str:
        """See :meth:`Actor.told`."""
        return f"Wait {given.seconds:g} s."

    def do(self, given: WaitGiven, limit: Limit) -> Outcome:
        """See :meth:`Actor.do`."""
        if limit.wait(given.seconds):
            return Outcome(True, f"waited {given.seconds:g} s")
        return Outcome(False, f"did not wait: {limit.over()}")


class Ask(_Harmless):
    """Says what a person is asked; the flow does the asking."""

    name = "ask"
    given = AskGiven

    def fill(self, arguments: Arguments, values: Mapping[str, str]) -> dict[str, Any]:
        """See :meth:`Actor.fill`; a question may grow by what is put into it."""
        return self.put(arguments, values)

    def tell(self, arguments: Arguments) -> str:
        """See :meth:`Actor.tell`."""
        return f"Ask a person: {arguments['question']}"

    def do(self, given: AskGiven, _limit: Limit) -> Outcome:
        """Refuse: who asks must be able to wait longer than a deed may."""
        return Outcome(False, f"nobody was asked: {given.question}")
