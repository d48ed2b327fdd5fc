"""Control catalogues: what a law, a standard or a house wants to see, as data.

A catalogue is a TOML file: ``name``, ``title``, ``source``, ``notice``, and a ``[[control]]`` for
each thing wanted, with the facts that evidence it. The bundled ones lie in ``catalogues/``; they
are reading aids in our own words. Anybody may bring their own; ``parse`` says what is wrong in it
and where. ``stated.NAME`` among the facts is a document that a person vouches for.
"""

import tomllib
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twinhelm.core.errors import BadInput
from twinhelm.mlops.govern.facts import known_names

__all__ = ["Catalogue", "Control", "bundled", "parse"]

Text = Annotated[str, Field(min_length=1, max_length=2000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Control(_Part):
    """One thing that is wanted."""

    id: Text
    title: Text
    facts: tuple[str, ...] = ()
    """What evidences it; for a test of readiness, that somebody did it once."""
    missing: Text
    """What to do where it is not evidenced."""
    section: str = ""
    automated: tuple[str, ...] = ()
    """For a test of readiness: what shows that it happens by itself."""
    way: Literal["tool", "technique", "document"] = "tool"
    """For a test of readiness: what kind of step is missing."""
    effort: Annotated[int, Field(ge=1, le=3)] = 2
    """For a test of readiness: 1 is an hour, 2 a day, 3 more."""


class Catalogue(_Part):
    """A law, a standard or a rule of the house, as a list of controls."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    title: Text
    source: Text
    notice: Text
    control: Annotated[tuple[Control, ...], Field(min_length=1, max_length=500)]


_LIKE = "mlops/govern/catalogues/house.toml of the package is a short one to copy"


def parse(text: str, *, what: str = "catalogue") -> Catalogue:
    """Read a catalogue; raises :class:`BadInput` naming line, place or fact."""
    try:
        catalogue = Catalogue.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"the {what} is not TOML: {error}", hint=_LIKE) from error
    except ValidationError as error:
        told = error.errors()[0]
        place = ".".join(str(each) for each in told["loc"])
        said = f"the {what} is wrong at {place}: {told['msg']}"
        raise BadInput(said, hint=_LIKE) from error
    seen: set[str] = set()
    for control in catalogue.control:
        if control.id in seen:
            raise BadInput(f"the {what} has two controls {control.id!r}", hint="rename one")
        seen.add(control.id)
        for fact in (*control.facts, *control.automated):
            if fact not in known_names() and not fact.startswith("stated."):
                near = get_close_matches(fact, known_names(), 1) or ["stated.NAME"]
                raise BadInput(
                    f"control {control.id!r} of the {what} names {fact!r}, which is no fact",
                    hint=f"did you mean {near[0]}?",
                )
    return catalogue


@cache
def bundled() -> dict[str, Catalogue]:
    """Return the catalogues that come with twinhelm, by name; the readiness rubric among them."""
    folder = Path(__file__).parent / "catalogues"
    read = [
        parse(each.read_text("utf-8"), what=each.name) for each in sorted(folder.glob("*.toml"))
    ]
    return {each.name: each for each in read}
