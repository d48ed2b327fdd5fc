"""How does somebody come to a product file, or to something better? By answering questions.

In: answers by the name of the question; out: sentences, or the text of a ``product.toml`` that
:func:`~.read.read_spec` takes. The questions are data (``questions.toml``). Pure, apart from
reading that file once.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from pydantic import TypeAdapter

from twinhelm.core.documents import written
from twinhelm.core.errors import BadInput

__all__ = ["Question", "advice", "draft", "questions"]

_TIERS = {"nothing": "low", "nuisance": "limited", "serious": "high"}
_GATE = re.compile(r"\s*(\w+)\s*(>=|<=)\s*([0-9.eE+-]+)\s*")


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and why it is asked; the first of ``choices``, if there are any, is usual.

    ``needed`` is "always", "high" (at tier high) or empty. ``advice`` holds what an answer means;
    an answer in ``stop`` speaks against machine learning.
    """

    name: str
    ask: str
    why: str
    choices: tuple[str, ...] = ()
    needed: str = ""
    stop: tuple[str, ...] = ()
    advice: Mapping[str, str] = field(default_factory=dict)


@cache
def questions() -> tuple[Question, ...]:
    """Return the questions in the order in which they are asked."""
    text = (files(__package__) / "questions.toml").read_text(encoding="utf-8")
    return TypeAdapter(tuple[Question, ...]).validate_python(tomllib.loads(text)["questions"])


def advice(answers: Mapping[str, str]) -> tuple[str, ...]:
    """Say what the answers mean, what speaks against machine learning first; may be empty.

    Raises :class:`BadInput` for an unknown question or choice.
    """
    _check(answers)
    given = [(one, answers[one.name]) for one in questions() if answers.get(one.name)]
    against = [one.advice[said] for one, said in given if said in one.stop]
    rest = [one.advice[said] for one, said in given if said in one.advice and said not in one.stop]
    head = ["Machine learning looks like the wrong answer here."] if against else []
    return (*head, *against, *rest)


def draft(answers: Mapping[str, str]) -> str:
    """Write the product file, with what :func:`advice` says as comments on top.

    Raises :class:`BadInput` naming what is still to be answered.
    """
    told = advice(answers)
    said = {name: " ".join(text.split()) for name, text in answers.items()}
    tier = _TIERS.get(said.get("harm", ""), "")
    wanted = ("always", "high") if tier == "high" else ("always",)
    open_ = [one for one in questions() if one.needed in wanted and not said.get(one.name)]
    if open_:
        listed = "; ".join(f"{one.name}: {one.ask}" for one in open_)
        raise BadInput(f"still to be answered: {listed}", hint="answer these too")
    return "\n".join([*(f"# {line}" for line in told), *_lines(said, tier), ""])


def _lines(said: Mapping[str, str], tier: str) -> Iterator[str]:
    yield "[product]"
    for key in ("name", "use_case", "decides", "owner"):
        yield f"{key} = {written(said[key])}"
    reviewers = [one.strip() for one in said.get("reviewers", "").split(",") if one.strip()]
    yield f"reviewers = [{', '.join(map(written, reviewers))}]"
    yield from _given(said, {"affects": "affects"})
    yield f'tier = "{tier}"  # low: gates are enough. limited: one other person approves.'
    if reason := said.get("reasons"):
        yield f"reasons = [{written(reason)}]"
    yield from _given(said, {"instead": "instead"})
    yield from ("", "[success]")
    yield from _given(said, {"measure": "measure", "cost": "cost_of_wrong"})
    yield from ("", "[data]")
    yield from _given(said, {"train": "train", "holdout": "holdout", "task": "task"})
    if target := said.get("target"):
        kind = "number" if said.get("task") == "regression" else "category"
        yield from ("", "# Name every column that the model takes, likewise, with role feature.")
        yield from ("[[data.columns]]", f"name = {written(target)}", f'type = "{kind}"')
        yield 'role = "target"'
    if gate := said.get("gate"):
        found = _GATE.fullmatch(gate)
        if found is None:
            raise BadInput(f"the gate {gate[:80]!r} cannot be read", hint="such as roc_auc >= 0.9")
        yield from ("", "[[gates]]", f"metric = {written(found[1])}")
        yield f"{'at_least' if found[2] == '>=' else 'at_most'} = {float(found[3])}"
    yield from ("", "[build]")
    yield from _given(said, {"recipe": "recipe"})


def _given(said: Mapping[str, str], keys: Mapping[str, str]) -> Iterator[str]:
    for name, key in keys.items():
        if said.get(name):
            yield f"{key} = {written(said[name])}"


def _check(answers: Mapping[str, str]) -> None:
    known = {one.name: one for one in questions()}
    for name, said in answers.items():
        if name not in known:
            raise BadInput(f"there is no question {name!r}", hint=f"known: {', '.join(known)}")
        choices = known[name].choices
        if said and choices and said not in choices:
            hint = f"choose of {', '.join(choices)}"
            raise BadInput(f"{said[:40]!r} is no answer to {name!r}", hint=hint)
