"""Says which operation of a service a span tells of, so that their number stays small.

In: a span's name and attributes. Out: a small number per service and operation, and its name. A
name that holds something like an id (digits, a UUID, a long hexadecimal word) is replaced by the
span's route (``http.route``) where it has one, else by itself with ``{id}`` for each. Past
``MOST`` operations of one service at once the others are ``other`` together, until some ended.

Wrong for ids that are words. Cost: a look into a dictionary for a name that was met before.

>>> template("GET /orders/4711/items")
'GET /orders/{id}/items'
"""

import re

from twinhelm.core import json
from twinhelm.core.errors import Refused

__all__ = ["OTHER", "Operations", "attributes_in", "template"]

MOST = 50
OTHER = "other"
MOST_NAMES = 2_000
LONGEST = 200

_WORD = re.compile(r"[A-Za-z0-9_-]+")
_ID = re.compile(r"[0-9]+|(?=.*[0-9])(?:[0-9a-fA-F-]{6,}|.{16,})|.*[0-9]{4}.*")


def template(name: str) -> str:
    """Put ``{id}`` for whatever looks like an id; what follows a question mark is left out."""
    return _WORD.sub(_word, name.partition("?")[0])[:LONGEST]


def _word(found: re.Match[str]) -> str:
    return "{id}" if _ID.fullmatch(found[0]) else found[0]


def attributes_in(text: str) -> dict[str, object]:
    """Read a span's attributes; empty where there are none, or none that can be read."""
    try:
        found = json.loads(text, what="attributes of a span") if text else {}
    except Refused:
        return {}
    return found if isinstance(found, dict) else {}


class Operations:
    """The operations of one service; number 0 is ``other``."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {OTHER: 0}
        self._names: dict[int, str] = {0: OTHER}
        self._met: dict[str, int] = {}

    def number(self, name: str, attributes: str) -> int:
        """Return the number of a span's operation."""
        known = self._met.get(name)
        if known is not None:
            return known
        said = template(name)
        if said != name:
            route = attributes_in(attributes).get("http.route")
            method = name.partition(" ")[0]
            said = f"{method} {route}"[:LONGEST] if isinstance(route, str) and route else said
        number = self._numbers.get(said)
        if number is None:
            number = next((n for n in range(1, MOST + 1) if n not in self._names), 0)
            if number:
                self._numbers[said], self._names[number] = number, said
        if len(self._met) >= MOST_NAMES:
            self._met.clear()
        self._met[name] = number
        return number

    def name(self, number: int) -> str:
        """Say which operation a number stands for."""
        return self._names[number]

    def forget(self, number: int) -> None:
        """Let a number be given to another operation."""
        if number:
            del self._numbers[self._names.pop(number)]
            self._met.clear()
