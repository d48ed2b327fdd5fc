"""Read the part of PromQL that is answered today: plain selectors, and arithmetic on numbers.

Out goes a :class:`Selector` with its range, ``offset`` and ``@``, or a number such as Grafana's
connection test ``1+1`` asks for. Functions, aggregations and operators on series are refused by
name: the full language comes later. Pure; microseconds. Source: Prometheus documentation,
"Querying basics"; operator precedence from "Operators".

    >>> parse('node_load1{host=~"a|b"}[5m] offset 1h').range_ms
    300000
    >>> parse("1 + 2 * 3 ^ 2")
    19.0
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from twinhelm.core.errors import BadInput
from twinhelm.core.labels import METRIC, Matcher, MatchKind

__all__ = ["Selector", "parse", "parse_selector", "read_duration"]

MAX_QUERY_CHARS = 16_384
MAX_DEPTH = 64
LONGEST_MS = 10**15
"""Some 30,000 years: sums of a few such spans still fit 64 bits."""

UNITS_MS = (365 * 86_400_000, 7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1_000, 1)
"""Years to milliseconds, in the order of a duration's parts."""

DURATION = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?"
)
TOKEN = re.compile(
    r"(?P<space>(?:\s+|\#[^\n]*)+)"
    r"|(?P<duration>\d+(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*(?![A-Za-z0-9_]))"
    r"|(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"""
    r"|(?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^(){}\[\],=@<>:])"
)
ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.?))",
    re.DOTALL,
)
ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Selector:
    """What to read: ``range_ms`` is None for a vector; ``at`` is ms, start, end or None."""

    matchers: tuple[Matcher, ...]
    range_ms: int | None = None
    offset_ms: int = 0
    at: int | Literal["start", "end"] | None = None


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def parse(query: str) -> Selector | float:
    """Read a query; raises :class:`BadInput` with the position where it stops making sense."""
    parser = _Parser(query)
    found = parser.expression(0, 0)
    parser.expect_end()
    return found


def parse_selector(text: str) -> Selector:
    """Read what ``match[]`` may hold: a vector selector without modifiers."""
    found = parse(text)
    if not isinstance(found, Selector) or found != Selector(found.matchers):
        raise BadInput(f"{text[:200]!r} is not a plain series selector")
    return found


def read_duration(text: str) -> int | None:
    """Return the milliseconds of ``1h30m``, or None where the text is not a duration."""
    match = DURATION.fullmatch(text)
    if match is None or not text:
        return None
    parts = zip(match.groups(), UNITS_MS, strict=True)
    return sum(int(count[:18]) * unit for count, unit in parts if count)


class _Parser:
    """One pass over the tokens; binding powers as in the documentation's table."""

    def __init__(self, query: str) -> None:
        if len(query) > MAX_QUERY_CHARS:
            raise BadInput(f"the query has {len(query)} characters, the limit is {MAX_QUERY_CHARS}")
        self._tokens = _tokens(query)
        self._next = 0

    def expression(self, power: int, depth: int) -> Selector | float:
        """Read an expression whose operators bind more strongly than ``power``."""
        if depth > MAX_DEPTH:
            raise self._wrong(f"it nests deeper than {MAX_DEPTH} levels")
        left = self._operand(depth)
        while (operator := self._peek()).kind == "sign" and operator.text in BINDING:
            binds = BINDING[operator.text]
            if binds <= power:
                break
            self._take()
            # The power operator alone groups to the right.
            right = self.expression(binds - 1 if operator.text == "^" else binds, depth + 1)
            if isinstance(left, Selector) or isinstance(right, Selector):
                raise self._later(f"the operator {operator.text} on series", operator)
            left = _calculate(operator.text, left, right)
        return left

    def expect_end(self) -> None:
        """Refuse what follows a complete expression."""
        token = self._peek()
        if token.kind == "end":
            return
        if token.text in {"==", "!=", ">", "<", ">=", "<="} or token.kind == "name":
            raise self._later(f"{token.text!r} after a selector", token)
        raise self._wrong(f"unexpected {token.text!r}", token)

    def _operand(self, depth: int) -> Selector | float:
        token = self._take()
        if token.kind == "number":
            return float(int(token.text, 16) if token.text[1:2] in {"x", "X"} else token.text)
        if token.text in {"+", "-"}:
            inner = self.expression(BINDING["*"], depth + 1)
            if isinstance(inner, Selector):
                raise self._later("a sign before a series", token)
            return -inner if token.text == "-" else inner
        if token.text == "(":
            inner = self.expression(0, depth + 1)
            self._expect(")")
            return inner
        if token.text == "{":
            return self._modifiers(Selector(self._matchers(())))
        if token.kind == "name":
            return self._named(token)
        if token.kind == "text":
            raise self._later("a text as a query", token)
        said = "the query ends here" if token.kind == "end" else f"unexpected {token.text!r}"
        raise self._wrong(said, token)

    def _named(self, token: _Token) -> Selector | float:
        lower = token.text.lower()
        if lower in {"inf", "nan"} and self._peek().text != "{":
            return float(lower)
        following = self._peek()
        if following.text == "(" or (following.kind == "name" and following.text in GROUPING):
            raise self._later(f"the function or aggregation {token.text!r}", token)
        found: tuple[Matcher, ...] = (Matcher(METRIC, MatchKind.EQUAL, token.text),)
        if following.text == "{":
            self._take()
            found = self._matchers(found)
        return self._modifiers(Selector(found))

    def _matchers(self, named: tuple[Matcher, ...]) -> tuple[Matcher, ...]:
        """Read up to the closing brace; a lone text is a metric name in quotes."""
        opened = self._tokens[self._next - 1]
        found = list(named)
        while self._peek().text != "}":
            token = self._take()
            if token.kind not in {"name", "text"} or (":" in token.text and token.kind == "name"):
                raise self._wrong(f"a label name should stand here, not {token.text!r}", token)
            name = token.text if token.kind == "name" else _unquote(token.text)
            if token.kind == "text" and self._peek().text in {",", "}"}:
                if any(matcher.name == METRIC for matcher in found):
                    raise self._wrong("the metric name is given twice", token)
                found.append(Matcher(METRIC, MatchKind.EQUAL, name))
            else:
                found.append(self._matcher(name))
            if self._peek().text == ",":
                self._take()
            elif self._peek().text != "}":
                token = self._peek()
                raise self._wrong(f"',' or '}}' should stand here, not {token.text!r}", token)
        self._take()
        if all(matcher.matches("") for matcher in found):
            raise self._wrong("a selector needs a matcher that the empty text does not fit", opened)
        return tuple(found)

    def _matcher(self, name: str) -> Matcher:
        operator, value = self._take(), self._take()
        if operator.text not in {kind.value for kind in MatchKind}:
            raise self._wrong(f"=, !=, =~ or !~ should follow {name!r}", operator)
        if value.kind != "text":
            raise self._wrong(f"a text in quotes should follow {name}{operator.text}", value)
        wanted = _unquote(value.text)
        try:
            return Matcher(name, MatchKind(operator.text), wanted)
        except BadInput as error:
            raise self._wrong(error.message, value) from error

    def _modifiers(self, selector: Selector) -> Selector:
        if self._peek().text == "[":
            self._take()
            token = self._take()
            span = self._span(token)
            if self._peek().text.startswith(":"):
                raise self._later("a subquery", token)
            self._expect("]")
            if span <= 0:
                raise self._wrong("the range must be longer than nothing", token)
            selector = replace(selector, range_ms=span)
        seen: set[str] = set()
        while (token := self._peek()).text in {"offset", "@"}:
            self._take()
            if token.text in seen:
                raise self._wrong(f"{token.text!r} is given twice", token)
            seen.add(token.text)
            if token.text == "offset":
                sign = self._sign()
                selector = replace(selector, offset_ms=sign * self._span(self._take()))
            else:
                selector = replace(selector, at=self._instant())
        return selector

    def _span(self, token: _Token) -> int:
        if token.kind == "number":
            return _bounded_ms(float(token.text) * 1000, token)
        span = read_duration(token.text) if token.kind == "duration" else None
        if span is None:
            raise self._wrong(f"a duration such as 5m should stand here, not {token.text!r}", token)
        return _bounded_ms(span, token)

    def _instant(self) -> int | Literal["start", "end"]:
        sign = self._sign()
        token = self._take()
        if token.kind == "number":
            return sign * _bounded_ms(float(token.text) * 1000, token)
        if token.text in {"start", "end"}:
            self._expect("(")
            self._expect(")")
            return "start" if token.text == "start" else "end"
        raise self._wrong("a time in seconds, start() or end() should follow @", token)

    def _sign(self) -> int:
        return (-1 if self._take().text == "-" else 1) if self._peek().text in {"-", "+"} else 1

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        if token.kind != "end":
            self._next += 1
        return token

    def _expect(self, text: str) -> None:
        token = self._take()
        if token.text != text:
            raise self._wrong(f"{text!r} should stand here, not {token.text!r}", token)

    def _wrong(self, message: str, token: _Token | None = None) -> BadInput:
        return _wrong(message, (token or self._peek()).position)

    def _later(self, what: str, token: _Token) -> BadInput:
        said = f"1:{token.position + 1}: parse error: {what} cannot be answered yet"
        hint = "plain selectors can, with ranges, offset and @; the full language comes later"
        return BadInput(said, hint=hint)


BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 4}
OPERATORS: dict[str, np.ufunc] = {"+": np.add, "-": np.subtract, "*": np.multiply}
OPERATORS |= {"/": np.divide, "%": np.fmod, "^": np.power}
GROUPING = frozenset({"by", "without"})


def _tokens(query: str) -> list[_Token]:
    found: list[_Token] = []
    position = 0
    while position < len(query):
        match = TOKEN.match(query, position)
        if match is None:
            raise _wrong(f"unexpected {query[position : position + 20]!r}", position)
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(_Token(kind, match[0], position))
        position = match.end()
    found.append(_Token("end", "", len(query)))
    return found


def _unquote(text: str) -> str:
    return text[1:-1] if text[0] == "`" else ESCAPE.sub(_unescape, text[1:-1])


def _unescape(match: re.Match[str]) -> str:
    simple, byte, short, long, octal, other = match.groups()
    if simple:
        return ESCAPED.get(simple, simple)
    if other is not None:
        raise BadInput(f"parse error: the escape {match[0]!r} is unknown")
    code = int(octal, 8) if octal else int(byte or short or long, 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise BadInput(f"parse error: the escape {match[0]!r} names no character")
    return chr(code)


def _bounded_ms(span_ms: float, token: _Token) -> int:
    if not span_ms <= LONGEST_MS:
        raise _wrong(f"{token.text} is too long", token.position)
    return round(span_ms)


def _wrong(message: str, position: int) -> BadInput:
    return BadInput(f"1:{position + 1}: parse error: {message}")


def _calculate(operator: str, left: float, right: float) -> float:
    """Calculate as IEEE 754 says, where Python itself would raise."""
    with np.errstate(all="ignore"):
        return float(OPERATORS[operator](np.float64(left), np.float64(right)))
