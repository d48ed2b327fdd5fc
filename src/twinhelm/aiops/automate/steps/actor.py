"""What is an actor, when must it end, and what does it say then? And what all of them answer alike.

An actor stands behind the ``do`` of a step. It is asked in this order: what is wrong with the
arguments as they are written (:meth:`Actor.faults`), put the incident's values in
(:meth:`Actor.fill`), what of it this house does not let it do (:meth:`Actor.barred`), say exactly
what would happen (:meth:`Actor.tell`), do it (:meth:`Actor.act`). Nothing but :meth:`Actor.act`
touches the world, and it asks :meth:`Actor.barred` once more.

Arguments are checked twice: as they are written, every parameter standing for ``2``; and filled,
so that a value that does not fit a field's form is refused once more, by whoever would use it.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError

from twinhelm.aiops.automate.steps.fill import filled, parameters_of
from twinhelm.core.documents import Part
from twinhelm.core.errors import BadInput, TwinhelmError
from twinhelm.core.own.secrets import Secrets, secret_name
from twinhelm.core.settings import AutomateSettings

__all__ = ["BEAT_S", "Actor", "Arguments", "Entity", "Given", "Limit", "Outcome", "shown"]

BEAT_S = 0.1
"""How often a deed under way looks whether it must end."""
MAX_SHOWN = 4000
"""Characters kept of what a program or a server said; the end of it."""
_UNSEEN = re.compile(r"[^\S\n ]|[^\x20-\x7e\n\xa0-\U0010ffff]|[\u2028-\u202e\u2066-\u2069]")

Arguments = Mapping[str, Any]
"""What a step says beside ``do``: JSON values, strings of which may hold ``{parameters}``."""
Entity = Annotated[str, Field(pattern=r"^[a-z]+:.{1,300}$")]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a deed ended: whether it did what it should, in words, and what its undo must know.

    ``text`` is bounded, holds no secret and no control character; it may hold anything else that
    the world said, so whoever shows it escapes it. ``facts`` are JSON values.
    """

    ok: bool
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Limit:
    """How long a deed may take, and whether somebody wants it ended.

    ``ended`` gives the reason to end, or nothing; it is asked ten times a second, from the thread
    of the deed. What it raises ends the deed too, and passes through. Time is the machine's own,
    whatever a replay is told: a process does not run faster there.
    """

    def __init__(self, seconds: float, ended: Callable[[], str] = lambda: "") -> None:
        self._seconds = seconds
        self._until_s = time.monotonic() + seconds
        self._ended = ended

    @property
    def left_s(self) -> float:
        """How many seconds are left; 0 when they are over."""
        return max(0.0, self._until_s - time.monotonic())

    def over(self) -> str:
        """Say why the deed must end now, or nothing."""
        if reason := self._ended():
            return reason
        return "" if self.left_s else f"it took longer than {self._seconds:g} s"

    def wait(self, seconds: float) -> bool:
        """Let time pass; False where the deed had to end before."""
        until_s = time.monotonic() + seconds
        pause = threading.Event()
        while not self.over():
            if (left_s := until_s - time.monotonic()) <= 0:
                return True
            pause.wait(min(left_s, BEAT_S))
        return False


class Given(Part):
    """What a step may say behind ``arguments``; each kind of deed adds its own."""

    touches: tuple[Entity, ...] = ()
    """Entities that it changes, such as ``service:{service}``, where the actor cannot know."""


NO_SECRETS = Secrets(Path(), {})


class Actor:
    """One kind of deed; ``given`` is what it takes, ``fixed`` of it takes no parameter."""

    name: str
    """What stands behind ``do``."""
    given: type[Given]
    about: str = ""
    """What its list of the settings names."""
    fixed: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, settings: AutomateSettings | None = None, secrets: Secrets = NO_SECRETS
    ) -> None:
        self._settings = settings or AutomateSettings()
        self._secrets = secrets

    def faults(self, arguments: Arguments) -> list[str]:
        """List what is wrong with arguments as they are written, whatever house they run in."""
        held = [
            f"{key} takes no parameter, so that it says what it does wherever it runs"
            for key in self.fixed
            if parameters_of(arguments.get(key))
        ]
        return held or self._wrong(filled(arguments, _Samples())) or self.misused(arguments)

    def misused(self, _arguments: Arguments) -> list[str]:
        """List what else is wrong with arguments, as written, that are well-formed."""
        return []

    def fill(self, arguments: Arguments, values: Mapping[str, str]) -> dict[str, Any]:
        """Put values into the places that ``{name}`` holds, so that each stays one value there.

        Raises :class:`~twinhelm.core.errors.BadInput` for a value that is absent, or that would
        mean more than itself where it is to stand.
        """
        made = self.put(arguments, values)
        if wrong := self._wrong(made):
            raise BadInput("; ".join(wrong))
        return made

    def put(self, arguments: Arguments, values: Mapping[str, str]) -> dict[str, Any]:
        """Put values in; an actor whose places ask for more than :func:`filled` does it here."""
        return dict(filled(arguments, values))

    def barred(self, arguments: Arguments) -> list[str]:
        """List why this house does not let filled arguments happen: what it forbids or lacks."""
        return self._wrong(arguments) or self.forbidden(self.read(arguments))

    def forbidden(self, _given: Any) -> list[str]:
        """List what this house's settings do not allow of arguments that are well-formed."""
        return []

    def changes(self, _arguments: Arguments) -> bool:
        """Tell whether arguments, as written, alter anything; if so their step needs an undo."""
        return True

    def repeatable(self, _arguments: Arguments) -> bool:
        """Tell whether doing it twice is as good as once; nobody knows of most."""
        return False

    def dangerous(self, _arguments: Arguments) -> bool:
        """Tell whether four eyes should look before it is done; else its runbook says so."""
        return False

    def reach(self, arguments: Arguments) -> tuple[str, ...]:
        """Name the entities that filled arguments touch, as far as the step says so itself."""
        return tuple(arguments.get("touches", ()))

    def tell(self, arguments: Arguments) -> str:
        """Say in one sentence what filled arguments would do, to the letter."""
        return self.told(self.read(arguments))

    def told(self, given: Any) -> str:
        """Say in one sentence what would be done."""
        raise TypeError(f"{self.name} says nothing of {given}")

    def act(self, arguments: Arguments, limit: Limit) -> Outcome:
        """Do it. A deed that fails is an outcome; only what ``limit`` raises is raised."""
        if why := self.barred(arguments) or list(filter(None, (limit.over(),))):
            return Outcome(False, "; ".join(why))
        try:
            return self.do(self.read(arguments), limit)
        except TwinhelmError as error:
            return Outcome(False, str(error))

    def do(self, given: Any, limit: Limit) -> Outcome:
        """Do what the house allows; an error of ours that it raises is an outcome."""
        raise TypeError(f"{self.name} does nothing of {given} within {limit.left_s} s")

    def read(self, arguments: Arguments) -> Any:
        """Read arguments that have no faults."""
        return self.given.model_validate(dict(arguments))

    def sketch(self, arguments: Arguments) -> Any:
        """Read arguments that have no faults as they are written, or filled."""
        return self.read(filled(arguments, _Samples()))

    def unlisted(self, of: str, listed: Iterable[str], name: str) -> list[str]:
        """Say that the house does not allow it, and which setting would, or nothing."""
        allowed = any(fnmatchcase(name, each) for each in listed)
        return [] if allowed else self.not_listed(f"the {self.about} {name}", of)

    def not_listed(self, what: str, of: str) -> list[str]:
        """Say which setting would allow it."""
        return [f"{what} is not allowed here; automate.{of} lists what is"]

    def named(self, values: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
        """Fetch what is written as ``secret:NAME``; returns the values and the secrets in them."""
        held = {key: self._secrets.get(name) for key, text in values.items()
                if (name := secret_name(text))}  # fmt: skip
        return {**values, **held}, list(held.values())

    def _wrong(self, arguments: Arguments) -> list[str]:
        try:
            self.read(arguments)
        except ValidationError as error:
            return [_says(each) for each in error.errors(include_url=False)]
        return []


class _Samples(dict[str, str]):
    """A value for every parameter; a number and a word alike."""

    def get(self, _key: str, _default: Any = None) -> str:
        return "2"


def shown(text: str) -> str:
    """Return the end of what something outside said, without what a terminal would obey."""
    text = _UNSEEN.sub("·", text.strip().replace("\t", "  ").replace("\r\n", "\n"))
    return text if len(text) <= MAX_SHOWN else f"... {text[-MAX_SHOWN:]}"


def _says(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "the arguments"
    if error["type"] == "extra_forbidden":
        return f"there is no argument {where}"
    if error["type"] == "missing":
        return f"{where} is missing"
    context = error.get("ctx", {})
    wanted = context.get("pattern") or context.get("expected") or error["msg"]
    return f"{where} is {error['input']!r:.80}; it must be {wanted}"
