"""How does an incident's value get into a step and mean no more than itself? Once, in a string.

A host, a label, a log line may be called anything. So a value goes into the strings of arguments
alone, where the runbook's author wrote ``{name}``; it is put there once, and what it brings is
never looked through again. It may hold no control character, may not be long, and may not begin
an argument with a dash, where a program would read an option. No shell and no template language
sees it. What a place asks besides, its actor does: percent-encoding in an address, binding in SQL.

>>> filled(["--host", "{host}"], {"host": "a; rm -rf /"})
['--host', 'a; rm -rf /']
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from twinhelm.core.errors import BadInput

__all__ = ["MAX_VALUE", "filled", "parameters_of"]

MAX_VALUE = 500
"""Characters of a value; an entity's name has some dozens."""
_PLACE = re.compile(r"\{((?:did\.)?[a-z][a-z0-9_]{0,60})\}")
"""A parameter, or what the step that is being undone found (``did.NAME``)."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

Coat = Callable[[str], str]
"""Makes a value safe for the place it is put in."""


def parameters_of(value: Any) -> set[str]:
    """Name the parameters that stand in the strings of arguments, and nowhere else."""
    if isinstance(value, str):
        return set(_PLACE.findall(value))
    if isinstance(value, Mapping):
        return set().union(*map(parameters_of, value.values()))
    if isinstance(value, list | tuple):
        return set().union(*map(parameters_of, value))
    return set()


def filled(value: Any, values: Mapping[str, str], coat: Coat = lambda text: text) -> Any:
    """Return a copy of arguments with every parameter in its place; see the module for the rules.

    Raises :class:`BadInput` where a value is absent or must not stand there.
    """
    if isinstance(value, str):
        whole = _PLACE.sub(lambda place: coat(_checked(place[1], values)), value)
        if whole.startswith("-") and not value.startswith("-"):
            said = f"{whole[:40]!r} would be read as an option where {value!r} stands"
            raise BadInput(said, hint="write what precedes it, such as name={name}")
        return whole
    if isinstance(value, Mapping):
        return {key: filled(each, values, coat) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [filled(each, values, coat) for each in value]
    return value


def _checked(name: str, values: Mapping[str, str]) -> str:
    value = values.get(name)
    if value is None:
        raise BadInput(f"there is no value for the parameter {name!r}")
    if not value or len(value) > MAX_VALUE or _CONTROL.search(value):
        raise BadInput(
            f"the value of {name!r} is {value[:40]!r}, which no step takes",
            hint=f"1 to {MAX_VALUE} characters, none of which is a line end or a control character",
        )
    return value
