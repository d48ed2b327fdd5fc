"""What does a product file say, and where is it wrong? Told all at once.

In: the text of ``product.toml``; out: a :class:`~twinhelm.mlops.types.Spec`, or one error that
tells everything, each with line, column and the values that would do. Three kinds are told apart,
and each is told whole: text that is no TOML, values of the wrong form, and sentences that
contradict each other (:mod:`.sense`). Pure.
"""

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError

from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.core.json import dumps
from twinhelm.mlops.frame.places import Path, Places
from twinhelm.mlops.frame.sense import contradictions
from twinhelm.mlops.types import Spec
from twinhelm.mlops.types.spec import Part

__all__ = ["read_spec"]

MAX_CHARACTERS = 256_000
MAX_NUMBER = 2**53
"""Past this whole numbers and floats no longer agree."""


def read_spec(
    text: str, where: str = "product.toml", *, metrics: Mapping[str, str] | None = None
) -> Spec:
    """Read a product file; ``where`` is what errors call it.

    ``metrics`` are the names that a gate may have beside those of the house itself, with the task
    each is for; None: all of :data:`twinhelm.stats.metrics.METRICS`. Raises :class:`BadInput` with
    a line ``where:line:column: what is wrong`` for each error, and :class:`TooLarge`.
    """
    if len(text) > MAX_CHARACTERS:
        said = f"{where} has {len(text)} characters, the limit is {MAX_CHARACTERS}"
        raise TooLarge(said, hint="keep data out of it")
    try:
        data = tomllib.loads(text)
        places = Places(text)
    except ValueError as error:  # also of numbers with thousands of digits
        raise _broken(text, where, str(error)) from error
    except RecursionError as error:
        raise BadInput(f"{where}:1:1: it nests too deep", hint="flatten it") from error
    wrong = list(_bad_numbers(data, ())) or _misshapen(data)
    if not wrong:
        spec = _validated(data)
        wrong = list(contradictions(spec, _metrics() if metrics is None else metrics))
        if not wrong:
            return spec
    told = sorted((places.of(path), says) for path, says in wrong)
    lines = [f"{where}:{line}:{column}: {says}" for (line, column), says in told]
    raise BadInput("\n".join(lines), hint=f"{len(lines)} to mend")


def _metrics() -> Mapping[str, str]:
    from twinhelm.stats.metrics import METRICS

    return {name: metric.task for name, metric in METRICS.items()}


def _validated(data: Mapping[str, Any]) -> Spec:
    # By way of JSON: there strictness takes a list for a tuple and a text for an enum's value,
    # but never a text for a number.
    return Spec.model_validate_json(dumps(data), strict=True)


def _broken(text: str, where: str, said: str) -> BadInput:
    """Tell of what is no TOML; tomllib names the place in its sentence."""
    place = re.search(r" \(at line (\d+), column (\d+)\)$", said)
    line, column = map(int, place.groups()) if place else (text.count("\n") + 1, 1)
    what = re.sub(r" \(at .*\)$", "", said)
    return BadInput(f"{where}:{line}:{column}: {what}", hint="this is no TOML")


def _bad_numbers(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Find numbers that JSON and floats cannot hold."""
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _bad_numbers(one, (*path, key))
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, f"{_dotted(path)} is {value}; it must be a finite number"
    elif isinstance(value, int) and abs(value) > MAX_NUMBER:
        yield path, f"{_dotted(path)} is larger than 2^53"


def _misshapen(data: Mapping[str, Any]) -> list[tuple[Path, str]]:
    try:
        _validated(data)
    except ValidationError as error:
        return [(tuple(each["loc"]), _says(each)) for each in error.errors(include_url=False)]
    return []


def _says(error: Any) -> str:
    path: Path = error["loc"]
    name, context = _dotted(path), error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            known = _keys(path[:-1])
            close = get_close_matches(str(path[-1]), known, 1)
            meant = f"; did you mean {close[0]}?" if close else ""
            return f"there is no key {name}{meant} (known here: {', '.join(known)})"
        case "missing":
            return f"{name} is missing"
        case "enum" | "literal_error":
            return f"{name} is {error['input']!r:.60}; it must be {context['expected']}"
        case "string_pattern_mismatch":
            return f"{name} is {error['input']!r:.80}; it must match {context['pattern']}"
        case _:
            return f"{name} is {error['input']!r:.60}: {error['msg']}"


def _keys(path: Path) -> list[str]:
    """List the keys that the table at ``path`` may hold."""
    part: type[Part] = Spec
    for key in path:
        if isinstance(key, str):
            kind: Any = part.model_fields[key].annotation
            part = next((one for one in get_args(kind) if isinstance(one, type)), kind)
    return list(part.model_fields)


def _dotted(path: Path) -> str:
    """Write a path as people do, arrays counted from 1: ``gates[2].metric``."""
    told = ""
    for part in path:
        told += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return told.removeprefix(".") or "the file"
