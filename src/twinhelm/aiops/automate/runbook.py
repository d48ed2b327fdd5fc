"""What does a runbook say, and does it hold together? A plain list of steps, told whole.

In: a TOML text; out: a :class:`Runbook`, or one error that tells everything that is wrong by line
and column. A runbook is a plain list: no step leads to another, and none calls a runbook, so there
is nothing that could go round. Refused are a step that nobody knows, a step that changes something
and does not say how it is undone, a parameter without a pattern, one that is used and not declared
or declared and not used, a secret in clear text, and a runbook for no incident in particular.
What the actors say of their arguments is told here too. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from twinhelm.aiops.automate.pattern import fault_of, taken
from twinhelm.aiops.automate.steps import Actor, parameters_of
from twinhelm.aiops.types import Resource
from twinhelm.core.documents import Part, Path, Wrong, read_document

__all__ = [
    "ASK", "FACTS", "Check", "Deed", "Head", "Level", "Limits", "Metric", "Parameter", "Runbook",
    "Step", "Verify", "When", "read_runbook",
]  # fmt: skip

MAX_CHARACTERS = 64_000
MAX_STEPS = 40
MAX_TOTAL_S = 24 * 3600.0
ASK = "ask"
"""The deed that the flow does itself: it waits for a person as long as it takes."""

FACTS = (
    "incident.id", "incident.severity", "incident.title", "incident.started_ms", "suspect.kind",
    "suspect.entity", "suspect.name", "suspect.namespace", "suspect.indicator", "suspect.text",
    "suspect.pid", "suspect.process", "suspect.ms", "suspect.host", "change.id", "change.kind",
    "change.title", "change.entity", "change.source", "change.version", "change.before",
)  # fmt: skip
"""Where a parameter's value may come from, beside ``label.NAME``."""

_SECRET = re.compile(r"secret:[A-Za-z0-9][A-Za-z0-9_.-]{0,100}")
_LABEL = re.compile(r"label\.[A-Za-z_][\w.]{0,100}")
_PLACEHOLDER = re.compile(r"\{[a-z][a-z0-9_.]*\}")

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")]
Sentence = Annotated[str, Field(min_length=1, max_length=1000)]
Patterns = Annotated[tuple[str, ...], Field(max_length=20)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class Level(StrEnum):
    """How far a runbook goes by itself.

    SUGGEST: it is shown. ASK: a person is asked. ACT: it is done and told.
    """

    SUGGEST = "suggest"
    ASK = "ask"
    ACT = "act"


class Head(Part):
    """What it is for, and how far it may go."""

    name: Name
    says: Sentence
    """What it does, in a sentence."""
    owner: str = ""
    """Who answers for it."""
    level: Level = Level.ASK
    """How far its author lets it go by itself."""
    dangerous: bool = False
    """Two people must agree, whatever its steps."""
    answer_within_s: Annotated[float, Field(gt=0, le=7 * 86_400)] = 3600.0
    """How long a request waits for an answer."""


class When(Part):
    """For which incidents it is: all that is given must hold of one suspect; lists are any of."""

    verdict: tuple[Literal["conclusive", "inconclusive"], ...] = ("conclusive",)
    severity: tuple[str, ...] = ()
    resource: tuple[Resource, ...] = ()
    """What the signs on the suspect's entity measure."""
    metric: Patterns = ()
    """What the signs on the suspect's entity are called, alerts by their name."""
    suspect: tuple[Word, ...] = ()
    """Kinds of suspect."""
    entity: Patterns = ()
    indicator: Patterns = ()
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.65
    """The suspect's, at least."""
    change: tuple[Word, ...] = ()
    """Kinds of change, where the suspect is one."""
    labels: Mapping[str, str] = Field(default_factory=dict)
    """Patterns of labels that all signs on the suspect's entity share."""

    @property
    def patterns(self) -> Iterator[tuple[Path, str]]:
        """Every pattern, with its place."""
        for key in ("metric", "entity", "indicator"):
            for number, pattern in enumerate(getattr(self, key)):
                yield (key, number), pattern
        for name, pattern in self.labels.items():
            yield ("labels", name), pattern

    @property
    def particular(self) -> int:
        """How many conditions say which incident is meant."""
        asked = (self.resource, self.metric, self.suspect, self.entity, self.indicator)
        return sum(map(bool, (*asked, self.change, self.labels, self.severity)))


class Parameter(Part):
    """A value that comes from the incident."""

    from_: Annotated[str, Field(alias="from")]
    """The fact it is taken from."""
    pattern: str
    """What the whole fact must match; the first group, if there is one, is the value."""
    says: str = ""
    default: str = ""


class Deed(Part):
    """Something an actor does."""

    do: Word
    arguments: Mapping[str, Any] = Field(default_factory=dict)
    timeout_s: Seconds = 60.0


class Check(Deed):
    """A look at whether it worked, again and again until it did or ``within_s`` is over."""

    within_s: Annotated[float, Field(ge=0, le=3600)] = 0.0


class Step(Deed):
    """One step: look before, act, look after; and how it is taken back."""

    name: Name
    before: tuple[Deed, ...] = ()
    after: tuple[Check, ...] = ()
    undo: Deed | Literal["none"] | None = None
    because: str = ""
    """Why there is no undo."""


class Metric(Part):
    """What series must say for the repair to count as verified: the newest value of each."""

    metric: Annotated[str, Field(min_length=1, max_length=200)]
    labels: Mapping[str, str] = Field(default_factory=dict)
    at_least: float | None = None
    at_most: float | None = None


class Verify(Part):
    """What must be seen in live telemetry afterwards: the signs ended, and what metrics say."""

    within_s: Annotated[float, Field(gt=0, le=6 * 3600)] = 300.0
    metrics: Annotated[tuple[Metric, ...], Field(max_length=10)] = ()


class Limits(Part):
    """What one runbook may do at most; the house's policy holds besides."""

    reach: Annotated[int, Field(ge=1, le=1000)] = 1
    """Entities that one run may touch."""
    per_hour: Annotated[int, Field(ge=1, le=1000)] = 2
    cooldown_s: Annotated[float, Field(ge=0, le=30 * 86_400)] = 1800.0
    """How long it leaves an entity alone that it has touched."""
    cost: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """What one run costs, in the unit of the house's budget."""


class Runbook(Part):
    """A whole runbook; :func:`read_runbook` makes it."""

    runbook: Head
    when: When
    parameters: Mapping[Word, Parameter] = Field(default_factory=dict)
    steps: Annotated[tuple[Step, ...], Field(max_length=MAX_STEPS)]
    verify: Verify = Field(default_factory=Verify)
    limits: Limits = Field(default_factory=Limits)

    @property
    def name(self) -> str:
        """Its name."""
        return self.runbook.name


def read_runbook(
    text: str,
    where: str,
    actors: Mapping[str, Actor],
    *,
    hidden: Callable[[Sequence[str]], list[str]] = list,
) -> Runbook:
    """Read a runbook; ``where`` is what errors call it.

    ``hidden`` returns lines without the secrets in them. Raises what
    :func:`~twinhelm.core.documents.read_document` raises.
    """

    def wrong(made: Runbook) -> Iterator[Wrong]:
        yield from _trigger(made)
        yield from _parameters(made)
        yield from _steps(made, actors)
        for place, deed in _deeds(made):
            yield from _arguments(place, deed, actors)
            for path, line in _lines(("arguments",), deed.arguments):
                if hidden([line]) != [line]:
                    yield (*place, *path), "a secret in clear text; write secret:NAME instead"

    return read_document(text, Runbook, where, wrong, max_characters=MAX_CHARACTERS)


def _trigger(made: Runbook) -> Iterator[Wrong]:
    when = made.when
    if not when.particular:
        yield ("when",), "it is for no incident in particular; say which resource, entity, change"
    if when.change and when.suspect and "change" not in when.suspect:
        yield ("when", "change"), 'a change is asked for, but suspect leaves out "change"'
    for path, pattern in when.patterns:
        if fault := fault_of(pattern):
            yield ("when", *path), f"the pattern {pattern[:60]!r}: {fault}"


def _parameters(made: Runbook) -> Iterator[Wrong]:
    used: set[str] = set()
    for number, step in enumerate(made.steps):
        used |= (names := _used(step))
        for name in sorted(names - made.parameters.keys()):
            yield ("steps", number), f"the parameter {name} is not declared"
    used |= set().union(*(parameters_of(one.labels) for one in made.verify.metrics))
    for name, each in made.parameters.items():
        at: Path = ("parameters", name)
        if each.from_ not in FACTS and not re.fullmatch(
            r"label\.[A-Za-z_][\w.]{0,100}", each.from_
        ):
            close = get_close_matches(each.from_, FACTS, 1)
            meant = f"did you mean {close[0]}?" if close else "known are " + ", ".join(FACTS)
            yield (*at, "from"), f"there is no fact {each.from_[:60]!r}; {meant}, label.NAME"
        if fault := fault_of(each.pattern):
            yield (*at, "pattern"), f"the pattern of {name}: {fault}"
        elif each.default and taken(each.pattern, each.default) is None:
            yield (*at, "default"), f"the default of {name} does not match its pattern"
        if name not in used:
            yield at, f"the parameter {name} is declared and never used"
    for number, one in enumerate(made.verify.metrics):
        at = ("verify", "metrics", number)
        if one.at_least is None and one.at_most is None:
            yield at, "say at_least or at_most"
        for name in sorted(parameters_of(one.labels) - made.parameters.keys()):
            yield (*at, "labels"), f"the parameter {name} is not declared"


def _steps(made: Runbook, actors: Mapping[str, Actor]) -> Iterator[Wrong]:
    names = [step.name for step in made.steps]
    if not names:
        yield ("steps",), "there is no step"
    if sum(_longest_s(step) for step in made.steps) > MAX_TOTAL_S:
        yield ("steps",), f"together they may take longer than {MAX_TOTAL_S / 3600:g} h"
    for number, step in enumerate(made.steps):
        at: Path = ("steps", number)
        if step.name in names[:number]:
            yield (*at, "name"), f"two steps are called {step.name}"
        for kind in ("before", "after"):
            for place, deed in enumerate(getattr(step, kind)):
                if deed.do == ASK or _changes(deed, actors):
                    yield (*at, kind, place), f"{deed.do} is no check: it changes something or asks"
        deeds = (step, *step.before, *step.after)
        for name in set().union(*(parameters_of(each.arguments) for each in deeds)):
            if name.startswith("did."):
                yield (*at, "arguments"), f"{{{name}}}: only an undo knows what its step found"
        if step.undo is None and _changes(step, actors):
            yield at, f'{step.name} changes something: say how to undo it, or undo = "none"'
        if step.undo == "none" and not step.because.strip():
            yield (*at, "undo"), f"say with because = why {step.name} cannot be undone"
        if step.undo != "none" and step.because:
            yield (*at, "because"), 'because belongs to undo = "none"'


def _arguments(place: Path, deed: Deed, actors: Mapping[str, Actor]) -> Iterator[Wrong]:
    actor = actors.get(deed.do)
    if actor is None:
        close = get_close_matches(deed.do, actors, 1)
        meant = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(actors))}"
        yield (*place, "do"), f"nobody knows how to do {deed.do!r}; {meant}"
        return
    for fault in actor.faults(deed.arguments):
        yield (*place, "arguments"), f"{deed.do}: {fault}"


def _used(step: Step) -> set[str]:
    """Name the parameters that a step uses, what its act found left out."""
    undo = step.undo if isinstance(step.undo, Deed) else None
    deeds = [step, *step.before, *step.after, *([undo] if undo else [])]
    found = set().union(*(parameters_of(deed.arguments) for deed in deeds))
    return {name for name in found if not name.startswith("did.")}


def _deeds(made: Runbook) -> Iterator[tuple[Path, Deed]]:
    """List every deed with its place; says nothing of parameters."""
    for number, step in enumerate(made.steps):
        at: Path = ("steps", number)
        yield at, step
        yield from (((*at, "before", each), deed) for each, deed in enumerate(step.before))
        yield from (((*at, "after", each), deed) for each, deed in enumerate(step.after))
        if isinstance(step.undo, Deed):
            yield (*at, "undo"), step.undo


def _changes(deed: Deed, actors: Mapping[str, Actor]) -> bool:
    actor = actors.get(deed.do)
    return actor is not None and not actor.faults(deed.arguments) and actor.changes(deed.arguments)


def _longest_s(step: Step) -> float:
    return (
        step.timeout_s
        + sum(each.timeout_s for each in step.before)
        + sum(max(each.within_s, each.timeout_s) for each in step.after)
    )


def _lines(path: Path, value: Any) -> Iterator[tuple[Path, str]]:
    """Put every string of arguments as a line that says what it is called; names are no secrets."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            if isinstance(one, str):
                yield (*path, key), f"{key}={_clear(one)}"
            yield from _lines((*path, key), one)
    elif isinstance(value, list | tuple):
        for before, one in zip((None, *value), value, strict=False):
            if isinstance(before, str) and isinstance(one, str):
                yield path, f"{before}={_clear(one)}"
            yield from _lines(path, one)
    elif isinstance(value, str):
        yield path, _clear(value)


def _clear(text: str) -> str:
    """Leave out the names of secrets and parameters, which are none themselves."""
    return _PLACEHOLDER.sub("", _SECRET.sub("", text))
