"""What may stand behind ``arguments``, and what do all actors answer alike? Models of each kind.

Arguments are checked twice: as they are written, every parameter standing for ``2``; and filled,
so that a value that does not fit a field's form is refused once more, by whoever would use it.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import Field, ValidationError

from twinhelm.aiops.automate.steps.fill import filled, parameters_of
from twinhelm.aiops.automate.steps.words import Arguments
from twinhelm.core.documents import Part
from twinhelm.core.errors import BadInput

__all__ = ["Deed", "Entity", "Given", "ready", "shown"]

MAX_SHOWN = 4000
"""Characters kept of what a program or a server said; the end of it."""
_UNSEEN = re.compile(r"[^\S\n ]|[^\x20-\x7e\n\xa0-\U0010ffff]|[\u2028-\u202e\u2066-\u2069]")

Entity = Annotated[str, Field(pattern=r"^[a-z]+:.{1,300}$")]


class Given(Part):
    """What every step that changes something may say of itself."""

    touches: tuple[Entity, ...] = ()
    """Entities that it changes, such as ``service:{service}``, where the actor cannot know."""


G = TypeVar("G", bound=Given)


class Deed(Generic[G]):
    """What most actors answer alike; ``given`` is what they take, ``fixed`` takes no parameter."""

    name: str
    given: type[G]
    fixed: ClassVar[tuple[str, ...]] = ()

    def faults(self, arguments: Arguments) -> list[str]:
        """See :meth:`Actor.faults`."""
        held = [
            f"{key} takes no parameter, so that it says what it does wherever it runs"
            for key in self.fixed
            if parameters_of(arguments.get(key))
        ]
        return held or self._wrong(filled(arguments, _Samples()))

    def fill(self, arguments: Arguments, values: Mapping[str, str]) -> dict[str, Any]:
        """See :meth:`Actor.fill`."""
        return self.fitting(filled(arguments, values))

    def fitting(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return filled arguments; :class:`BadInput` is raised where a value does not fit."""
        if wrong := self._wrong(arguments):
            raise BadInput("; ".join(wrong))
        return arguments

    def barred(self, arguments: Arguments) -> list[str]:
        """See :meth:`Actor.barred`."""
        return self._wrong(arguments) or self.forbidden(self.read(arguments))

    def forbidden(self, _given: G) -> list[str]:
        """List what this house's settings do not allow of arguments that are well-formed."""
        return []

    def changes(self, _arguments: Arguments) -> bool:
        """Say yes, as most do."""
        return True

    def repeatable(self, _arguments: Arguments) -> bool:
        """Say no: nobody knows."""
        return False

    def dangerous(self, _arguments: Arguments) -> bool:
        """Say no: a runbook says of itself where it is."""
        return False

    def reach(self, arguments: Arguments) -> tuple[str, ...]:
        """Name what the step itself says it touches."""
        return tuple(arguments.get("touches", ()))

    def read(self, arguments: Arguments) -> G:
        """Read arguments that have no faults."""
        return self.given.model_validate(dict(arguments))

    def sketch(self, arguments: Arguments) -> G:
        """Read arguments that have no faults as they are written, or filled."""
        return self.read(filled(arguments, _Samples()))

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


def ready(allowed: bool, what: str, setting: str) -> list[str]:
    """Say that the house does not allow it, and which setting would, or nothing."""
    return [] if allowed else [f"{what} is not allowed here; automate.{setting} lists what is"]


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
