"""Labels: what names a series, a log stream or a resource.

Labels are a tuple of (name, value) pairs sorted by name, without empty values (an empty value
means "absent", Prometheus data model). The metric name is the label ``__name__``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import re2

from twinhelm.core.errors import BadInput, TooLarge

__all__ = [
    "DEFAULT_TENANT", "METRIC", "LabelLimits", "Labels", "MatchKind", "Matcher", "check_labels",
    "labels_of", "metric_name",
]  # fmt: skip

Labels = tuple[tuple[str, str], ...]
METRIC = "__name__"
DEFAULT_TENANT = "default"


def labels_of(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> Labels:
    """Sort pairs into canonical labels and drop empty values.

    >>> labels_of({"b": "2", "a": "1", "c": ""})
    (('a', '1'), ('b', '2'))
    """
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return tuple(sorted((name, value) for name, value in items if value != ""))


def metric_name(labels: Labels) -> str:
    """Return the value of ``__name__``, or the empty string."""
    for name, value in labels:
        if name == METRIC:
            return value
    return ""


@dataclass(frozen=True, slots=True)
class LabelLimits:
    """How much one label set may carry; what passes a limit is refused, never cut."""

    max_labels: int = 64
    max_name_bytes: int = 256
    max_value_bytes: int = 4096


def check_labels(labels: Labels, limits: LabelLimits) -> None:
    """Refuse label sets that are too large, repeated, or badly named.

    Raises :class:`TooLarge` past a limit and :class:`BadInput` for a repeated or empty name.
    """
    if len(labels) > limits.max_labels:
        raise TooLarge(
            f"{metric_name(labels) or 'a series'} has {len(labels)} labels, "
            f"the limit is {limits.max_labels}",
            hint="drop labels at the source or raise limits.max_labels",
        )
    seen = ""
    for name, value in labels:
        if not name:
            raise BadInput(f"{metric_name(labels) or 'a series'} has a label without a name")
        if name == seen:
            raise BadInput(f"label {name!r} is repeated on {metric_name(labels) or 'a series'}")
        seen = name
        if len(name) > limits.max_name_bytes or len(value) > limits.max_value_bytes:
            raise TooLarge(
                f"label {name[:40]!r} of {metric_name(labels)[:60] or 'a series'} has a name of "
                f"{len(name)} and a value of {len(value)} characters, the limits are "
                f"{limits.max_name_bytes} and {limits.max_value_bytes}",
                hint="shorten it at the source or raise limits.max_label_value_bytes",
            )


class MatchKind(StrEnum):
    """How a matcher compares; regular expressions are anchored, as in Prometheus."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; an absent label counts as the empty string.

    Regular expressions are RE2's, as in Prometheus: matching takes time linear in the text, so
    no expression that a stranger sends can hold the server up. Raises :class:`BadInput` for one
    that cannot be parsed.
    """

    name: str
    kind: MatchKind
    value: str

    def __post_init__(self) -> None:
        """Refuse a regular expression that is none."""
        if self.kind in (MatchKind.REGEX, MatchKind.NOT_REGEX):
            _pattern(self.value)

    def matches(self, actual: str) -> bool:
        """Tell whether one value (empty for an absent label) satisfies this condition."""
        if self.kind is MatchKind.EQUAL:
            return actual == self.value
        if self.kind is MatchKind.NOT_EQUAL:
            return actual != self.value
        hit = _pattern(self.value).fullmatch(actual) is not None
        return hit if self.kind is MatchKind.REGEX else not hit


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        return re2.compile(text, options)
    except re2.error as error:
        said = error.args[0]
        reason = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise BadInput(
            f"the regular expression {text[:80]!r} cannot be read: {reason}",
            hint="the syntax is RE2's, as in Prometheus",
        ) from error
