"""Reads what a ``/metrics`` page says: Prometheus's text format, as its client writes it.

In: the page's text. Out: pairs of a series' text (``name{label="value"}``) and its value, and the
labels of such a text. The texts repeat from scrape to scrape, so whatever is made of them is kept
by them. Source: Prometheus, "Text-based format", without time stamps and exemplars.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["labels_of", "samples_of"]

PAIR = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def samples_of(text: str) -> Iterator[tuple[str, float]]:
    r"""List series and values; a line that is neither is left out.

    >>> list(samples_of('# HELP up\nup{job="a b"} 1\n'))
    [('up{job="a b"}', 1.0)]
    """
    for line in text.split("\n"):
        if not line or line[0] == "#":
            continue
        end = line.rfind("}") + 1 or line.find(" ")
        try:
            yield line[:end], float(line[end:].split()[0])
        except (ValueError, IndexError):
            continue


def labels_of(series: str) -> dict[str, str]:
    r"""Read the labels of a series' text, its name as ``__name__``.

    >>> labels_of('up{job="a\\"b"}')
    {'__name__': 'up', 'job': 'a"b'}
    """
    name, _, inner = series.partition("{")
    found = {"__name__": name}
    for label, value in PAIR.findall(inner):
        found[label] = ESCAPE.sub(_unescape, value) if "\\" in value else value
    return found


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]
