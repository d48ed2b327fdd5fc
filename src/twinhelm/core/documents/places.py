r"""Where in a TOML text does each key stand? For errors that name a line and a column.

In: a text that :mod:`tomllib` has taken, so nothing is checked here. Out: positions by path, of
keys, tables and elements of arrays (by number); what lies within a value has the place of its
key. Pure; a second reading of the text, statement by statement. Wrong for a text that is not
valid TOML: it may raise anything.

>>> Places('[a]\nb = 1\n[[c]]\n  d = {e = 3}').of(("c", 0, "d", "e"))
(4, 3)
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

__all__ = ["Path", "Places"]

Path = tuple[str | int, ...]

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\])*"|\'[^\']*\'|#[^\n]*|[\[\]{}\n]',
    re.DOTALL,
)


class Places:
    """The positions in one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: dict[Path, int] = {}
        counts: dict[Path, int] = {}
        table: Path = ()
        for at, statement in _statements(text):
            said: Any = tomllib.loads(statement)
            if not statement.startswith("["):
                self._mark(table, said, at)
                continue
            table, at = (), at + len(statement) - len(statement.lstrip("["))
            while said:
                key, said = next(iter(said.items()))
                table = (*table, key)
                if isinstance(said, list):
                    counts[table], said = counts.get(table, -1) + 1, said[0]
                self._found.setdefault(table, at)
                if table in counts:
                    table = (*table, counts[table])
                    self._found.setdefault(table, at)

    def of(self, path: Path) -> tuple[int, int]:
        """Return line and column, from 1, of a path or of the nearest part of it that is there."""
        while path and path not in self._found:
            path = path[:-1]
        before = self._text[: self._found.get(path, 0)]
        return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1

    def _mark(self, path: Path, value: Any, at: int) -> None:
        if isinstance(value, dict | list):
            for key, one in value.items() if isinstance(value, dict) else enumerate(value):
                self._found.setdefault((*path, key), at)
                self._mark((*path, key), one, at)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Cut a text at its line ends, but for those within strings and brackets."""
    start = depth = 0
    for token in [*_TOKEN.finditer(text), None]:
        mark = token.group() if token else "\n"
        depth += (mark in ("[", "{")) - (mark in ("]", "}"))
        if mark == "\n" and not depth:
            end = token.start() if token else len(text)
            if statement := text[start:end].strip():
                yield text.index(statement, start), statement
            start = end + 1
