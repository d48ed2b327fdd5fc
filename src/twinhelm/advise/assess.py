"""Where does a team stand before it automates? Questions as data, answered as far as facts go.

In: facts of this house by name (a missing one answers nothing), and what people answered; out: a
level from 0 to 3 for each question of ``assessment.toml``, who says so, and the mean of each part.
A person's answer beats the facts, which stay beside it. Pure, apart from reading the file once.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import mean

from pydantic import TypeAdapter

from twinhelm.core.errors import BadInput

__all__ = ["Answered", "Question", "answered", "levels", "questions", "scores"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question: why it is asked, what to do next, and the fact that answers it, if one can."""

    name: str
    part: str
    ask: str
    why: str
    next: str
    fact: str = ""
    steps: tuple[float, ...] = ()
    says: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer: ``level`` None where nobody and nothing knows; ``by`` is a person or evidence."""

    name: str
    level: int | None
    by: str
    says: str


@cache
def _file() -> tuple[tuple[str, ...], tuple[Question, ...]]:
    text = (files(__package__) / "assessment.toml").read_text(encoding="utf-8")
    said = tomllib.loads(text)
    read = TypeAdapter(tuple[Question, ...]).validate_python(said["questions"])
    return tuple(said["levels"]), read


def questions() -> tuple[Question, ...]:
    """Return the questions, by part, in the order in which they are asked."""
    return _file()[1]


def levels() -> tuple[str, ...]:
    """Return the four levels in words, the lowest first."""
    return _file()[0]


def answered(facts: Mapping[str, float], given: Mapping[str, int], by: str) -> list[Answered]:
    """Answer each question; raises :class:`BadInput` for an unknown one or another level."""
    names = [one.name for one in questions()]
    for name, held in given.items():
        if name not in names or held not in range(len(levels())):
            hint = f"levels are 0 to {len(levels()) - 1}; questions are {', '.join(names)}"
            raise BadInput(f"{name[:40]}={held} answers no question", hint=hint)
    made = []
    for one in questions():
        value = facts.get(one.fact)
        says = "" if value is None else one.says.format(value=value)
        level = None if value is None else sum(value >= step for step in one.steps)
        who = "evidence" if level is not None else ""
        said = given.get(one.name)
        whole = level if said is None else said
        made.append(Answered(one.name, whole, who if said is None else by, says))
    return made


def scores(made: list[Answered]) -> dict[str, float]:
    """Return the mean level of each part, of what was answered."""
    parts: dict[str, list[int]] = {}
    for one, each in zip(questions(), made, strict=True):
        if each.level is not None:
            parts.setdefault(one.part, []).append(each.level)
    return {part: round(mean(found), 2) for part, found in parts.items()}
