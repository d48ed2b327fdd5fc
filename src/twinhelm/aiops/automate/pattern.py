r"""Which characters may a value have that comes from outside? Patterns that name them.

In: a pattern as a runbook's author wrote it, and text that anybody may have sent (an entity's
name, a label). Out: the value, or None. A pattern is a regular expression of which only so much
is allowed that it names the characters it takes, matches the whole, and cannot be made to run
for long: no ``.``, no ``[^...]``, no ``\S``, ``\W``, ``\D``, ``\s``, no repeated group, no
look-around, no back-reference. A group with a bar, or that is optional, is fine; the first
group, if there is any, is the value.

>>> taken("service:(?:shop/)?([a-z][a-z0-9-]{0,40})", "service:shop/cart")
'cart'
>>> taken("[a-z]+", "cart; reboot") is None
True
"""

import re
from functools import lru_cache

__all__ = ["fault_of", "literal", "taken"]

MAX_PATTERN = 300
MAX_TEXT = 500
"""Characters; longer texts match nothing."""

_PIECE = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\(\?:|\(|\)[*+{]?|[^\\\[()]", re.DOTALL)
_ALLOWED = re.compile(r"\\[dwbAZ]|\\[^a-zA-Z0-9\s]")
_CLASS = re.compile(r"\[\^|\\[^dw\W_]|\\\s|\[\[|&&|--|\|\||~~")


def fault_of(pattern: str) -> str:
    """Say what is wrong with a pattern, or nothing."""
    if len(pattern) > MAX_PATTERN:
        return f"it has {len(pattern)} characters, the limit is {MAX_PATTERN}"
    for piece in _PIECE.findall(pattern):
        if piece == ".":
            return "it has a `.`, which takes anything; name the characters, such as [a-z0-9-]"
        if piece[0] == "[" and _CLASS.search(piece):
            return f"{piece} does not name its characters; write such as [a-z0-9-]"
        if piece[0] == "\\" and not _ALLOWED.fullmatch(piece):
            return f"{piece} is not allowed; name the characters, such as [a-z0-9-]"
        if piece[0] == ")" and len(piece) > 1:
            return "a group is repeated, which may take for ever; repeat characters only"
    if re.search(r"\(\?(?!:)", pattern):
        return "of groups that begin with (? only (?: is allowed"
    if re.search(r"[*+}][*+]", pattern):
        return "a repetition is repeated"
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        return f"it is no pattern: {error}"
    return ""


def taken(pattern: str, text: str) -> str | None:
    """Return what a pattern takes of a text: its first group, else the whole; None for nothing."""
    hit = _compiled(pattern).fullmatch(text) if len(text) <= MAX_TEXT else None
    if hit is None:
        return None
    return (hit[1] if hit.re.groups else hit[0]) or None


def literal(text: str) -> str:
    """Write a pattern that matches a text alone."""
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", text)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)
