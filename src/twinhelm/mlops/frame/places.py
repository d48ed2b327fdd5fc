r"""Where in a TOML text does each key stand? For errors that name a line and a column.

In: a text that :mod:`tomllib` has taken, so nothing is checked here. Out: positions by path, of
keys, tables and elements of arrays (by number). Pure; one pass, about 1 us a character. Wrong for
a text that is not valid TOML: it may raise anything.

>>> Places('[a]\nb = 1\n[[c]]\nd = [2, 3]').of(("c", 0, "d", 1))
(4, 9)
"""

import re
import tomllib

__all__ = ["Path", "Places"]

Path = tuple[str | int, ...]

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\])*"|\'[^\']*\'', re.DOTALL
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")


class Places:
    """The positions in one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._found: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}
        table: Path = ()
        while self._next():
            if text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def of(self, path: Path) -> tuple[int, int]:
        """Return line and column, from 1, of a path or of the nearest part of it that is there."""
        while path and path not in self._found:
            path = path[:-1]
        before = self._text[: self._found.get(path, 0)]
        return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1

    def _next(self) -> str:
        """Go over blanks and comments; return the character there, empty at the end."""
        if gap := _GAP.match(self._text, self._at):
            self._at = gap.end()
        return self._text[self._at : self._at + 1]

    def _header(self) -> Path:
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        self._next()
        start = self._at
        path: Path = ()
        keys = self._keys()
        for number, key in enumerate(keys, 1):
            path = (*path, key)
            if brackets == 2 and number == len(keys):
                self._counts[path] = self._counts.get(path, -1) + 1
                self._found.setdefault(path, start)
            if path in self._counts:
                path = (*path, self._counts[path])
            self._found.setdefault(path, start)
        self._at = self._text.index("]", self._at) + brackets
        return path

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._next()
            found = _STRING.match(self._text, self._at) or _BARE.match(self._text, self._at)
            if found is None:
                return keys
            keys.append(next(iter(tomllib.loads(f"{found.group()} = 0"))))
            self._at = found.end()
            if self._next() != ".":
                return keys
            self._at += 1

    def _pair(self, table: Path) -> None:
        start, path = self._at, table
        for key in self._keys():
            path = (*path, key)
            self._found.setdefault(path, start)
        self._at = self._text.index("=", self._at) + 1
        self._value(path)

    def _value(self, path: Path) -> None:
        first, number = self._next(), 0
        if first not in ("[", "{"):
            found = _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at)
            self._at = found.end() if found else len(self._text)
            return
        self._at += 1
        while (now := self._next()) not in ("]", "}", ""):
            if now == ",":
                self._at += 1
            elif first == "{":
                self._pair(path)
            else:
                self._found[*path, number] = self._at
                self._value((*path, number))
                number += 1
        self._at += 1
