"""Finds secrets in text and says what it looks like without them.

In: log bodies, attribute JSON. Out: the same with each secret replaced by
``[redacted:KIND]``. Kinds: bearer and basic credentials, ``password=`` and its
kin, credentials in URLs, AWS keys, private key blocks, JSON Web Tokens, tokens with well-known
prefixes.

All lines are joined and scanned once for a dozen literal words; only lines that hold one are
looked at with regular expressions, so a clean line costs well below a microsecond. Wrong for
secrets that nothing announces, and it cannot know that a password was harmless.

>>> redacted(["login password=hunter2 ok"])
['login password=[redacted:password] ok']
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

__all__ = ["redacted"]

_WORD = r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|client[_-]?secret)"
_RULES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    (
        ("private key-----",),
        re.compile(
            r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.*?"
            r"(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z)",
            re.DOTALL,
        ),
        "[redacted:private_key]",
    ),
    (
        ("bearer ", "basic "),
        re.compile(r"\b(bearer|basic)(\s+)(?!\[redacted)[a-z0-9._~+/=-]{8,}", re.IGNORECASE),
        r"\1\2[redacted:credentials]",
    ),
    (("eyj",), re.compile(r"\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*"), "[redacted:jwt]"),
    (("akia", "asia"), re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "[redacted:aws_key]"),
    (
        ("ghp_", "gho_", "ghs_", "github_pat_", "xox", "sk_live_", "glpat-"),
        re.compile(r"\b(?:gh[pos]_|github_pat_|xox[abprs]-|sk_live_|glpat-)[\w-]{12,}"),
        "[redacted:token]",
    ),
    (
        ("://",),
        re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,100}:)[^\s/@]{1,200}@", re.IGNORECASE),
        r"\1[redacted:password]@",
    ),
    (
        ("pass", "pwd", "secret", "token", "key"),
        re.compile(
            rf"({_WORD}\\?[\"']?\s{{0,3}}[=:]\s{{0,3}}\\?[\"']?)(?!\[redacted)"
            r"[^\s\"'&,;}\]\\]{1,500}",
            re.IGNORECASE,
        ),
        r"\1[redacted:password]",
    ),
)
"""What announces a secret (lower case), how it looks, and what is put there instead."""


def redacted(lines: Sequence[str]) -> list[str]:
    """Replace each secret; JSON text stays JSON, as replacements end before quotes."""
    result = list(lines)
    if not result:
        return result
    joined = "\n".join(result).lower()
    if len(joined) != sum(map(len, result)) + len(result) - 1:
        joined = "\n".join(line.translate(_ASCII_LOWER) for line in result)
    starts = [0, *accumulate(len(line) + 1 for line in result)]
    for words, pattern, put in _RULES:
        for at in _lines_with(words, joined, starts):
            result[at] = pattern.sub(put, result[at])
    return result


_ASCII_LOWER = {code: code + 32 for code in range(65, 91)}


def _lines_with(words: tuple[str, ...], joined: str, starts: list[int]) -> list[int]:
    found: set[int] = set()
    for word in words:
        at = joined.find(word)
        while at >= 0:
            line = bisect_right(starts, at) - 1
            found.add(line)
            at = joined.find(word, starts[line + 1])
    return sorted(found)
