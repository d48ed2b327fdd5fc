"""What does a document say, and where is it wrong? Told all at once.

In: a TOML text, the model of what it may say, and what else must hold; out: the model filled, or
one error that tells everything, each with line, column and the values that would do. Three kinds
are told apart, and each is told whole: text that is no TOML, values of the wrong form, and
sentences that contradict each other. Pure.
"""

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from twinhelm.core.documents.places import Path, Places
from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.core.json import dumps

__all__ = ["Part", "Wrong", "read_document"]

MAX_CHARACTERS = 256_000
MAX_NUMBER = 2**53
"""Past this whole numbers and floats no longer agree."""

Wrong = tuple[Path, str]
"""The path of the key to mend, and a sentence."""


class Part(BaseModel):
    """A table of a document; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


P = TypeVar("P", bound=Part)


def read_document(
    text: str,
    of: type[P],
    where: str,
    contradictions: Callable[[P], Iterable[Wrong]],
    *,
    max_characters: int = MAX_CHARACTERS,
) -> P:
    """Read a document; ``where`` is what errors call it.

    ``contradictions`` tells what of well-formed values does not fit together. Raises
    :class:`BadInput` with a line ``where:line:column: what is wrong`` for each error, and
    :class:`TooLarge`.
    """
    if len(text) > max_characters:
        said = f"{where} has {len(text)} characters, the limit is {max_characters}"
        raise TooLarge(said, hint="keep data out of it")
    try:
        data = tomllib.loads(text)
        places = Places(text)
    except ValueError as error:  # also of numbers with thousands of digits
        raise _broken(text, where, str(error)) from error
    except RecursionError as error:
        raise BadInput(f"{where}:1:1: it nests too deep", hint="flatten it") from error
    wrong = list(_unfit(data, ())) or _misshapen(of, data)
    if not wrong:
        made = _validated(of, data)
        wrong = list(contradictions(made))
        if not wrong:
            return made
    told = sorted((places.of(path), says) for path, says in wrong)
    lines = [f"{where}:{line}:{column}: {says}" for (line, column), says in told]
    raise BadInput("\n".join(lines), hint=f"{len(lines)} to mend")


def _validated(of: type[P], data: Mapping[str, Any]) -> P:
    # By way of JSON: there strictness takes a list for a tuple and a text for an enum's value,
    # but never a text for a number.
    return of.model_validate_json(dumps(data), strict=True)


def _broken(text: str, where: str, said: str) -> BadInput:
    """Tell of what is no TOML; tomllib names the place in its sentence."""
    place = re.search(r" \(at line (\d+), column (\d+)\)$", said)
    line, column = map(int, place.groups()) if place else (text.count("\n") + 1, 1)
    what = re.sub(r" \(at .*\)$", "", said)
    return BadInput(f"{where}:{line}:{column}: {what}", hint="this is no TOML")


def _unfit(value: Any, path: Path) -> Iterator[Wrong]:
    """Find numbers that JSON and floats cannot hold."""
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _unfit(one, (*path, key))
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, f"{_dotted(path)} is {value}; it must be a finite number"
    elif isinstance(value, int) and abs(value) > MAX_NUMBER:
        yield path, f"{_dotted(path)} is larger than 2^53"


def _misshapen(of: type[Part], data: Mapping[str, Any]) -> list[Wrong]:
    try:
        _validated(of, data)
    except ValidationError as error:
        return [(tuple(each["loc"]), _says(of, each)) for each in error.errors(include_url=False)]
    return []


def _says(of: type[Part], error: Any) -> str:
    path: Path = error["loc"]
    name, context = _dotted(path), error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            known = _keys(of, path[:-1])
            close = get_close_matches(str(path[-1]), known, 1)
            meant = f"; did you mean {close[0]}?" if close else ""
            return f"there is no key {name}{meant} (known here: {', '.join(known)})"
        case "missing":
            return f"{name} is missing"
        case "enum" | "literal_error":
            return f"{name} is {error['input']!r:.60}; it must be {context['expected']}"
        case "string_pattern_mismatch":
            return f"{name} is {error['input']!r:.80}; it must match {context['pattern']}"
        case "value_error":  # a sentence of ours
            return str(context["error"])
        case _:
            return f"{name} is {error['input']!r:.60}: {error['msg']}"


def _keys(part: type[Part], path: Path) -> list[str]:
    """List the keys that the table at ``path`` may hold."""
    for key in path:
        if isinstance(key, str) and key in part.model_fields:
            part = next(_parts(part.model_fields[key].annotation), part)
    return list(part.model_fields)


def _parts(kind: Any) -> Iterator[type[Part]]:
    """Find the tables that a value of this type is made of."""
    if isinstance(kind, type) and issubclass(kind, Part):
        yield kind
    for each in get_args(kind):
        yield from _parts(each)


def _dotted(path: Path) -> str:
    """Write a path as people do, arrays counted from 1: ``gates[2].metric``."""
    told = ""
    for part in path:
        told += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return told.removeprefix(".") or "the file"
