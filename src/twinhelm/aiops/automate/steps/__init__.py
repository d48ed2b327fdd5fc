"""What can a step of a runbook do? One actor a kind of deed, each in a file of its own.

| do | what |
| --- | --- |
| wait | lets time pass |
| ask | a person answers |
"""

from twinhelm.aiops.automate.steps.fill import filled, parameters_of
from twinhelm.aiops.automate.steps.people import Ask, Wait
from twinhelm.aiops.automate.steps.words import Actor, Arguments, Limit, Outcome

__all__ = ["Actor", "Arguments", "Ask", "Limit", "Outcome", "Wait", "actors", "filled",
           "parameters_of"]  # fmt: skip


def actors() -> dict[str, Actor]:
    """Make every actor, by the name that stands behind ``do``."""
    made: tuple[Actor, ...] = (Wait(), Ask())
    return {each.name: each for each in made}
