"""The one door for JSON: bounded in size and depth, NaN written as null.

Depth is counted before parsing, so that a body nested 100,000 deep costs next to nothing.
"""

import re
from typing import Any

import numpy as np
import orjson

from twinhelm.core.errors import BadInput, TooLarge

__all__ = ["MAX_DEPTH", "dumps", "loads"]

MAX_DEPTH = 64
"""No payload that the field speaks nests deeper than about twenty."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_STEPS = np.zeros(256, np.int8)
_STEPS[[ord("{"), ord("[")]] = 1
_STEPS[[ord("}"), ord("]")]] = -1


def loads(data: bytes | str, *, max_bytes: int = 16 << 20, what: str = "body") -> Any:
    """Parse JSON, refusing what is too large, too deep or not JSON.

    ``what`` names the thing in the message. Raises :class:`TooLarge` past ``max_bytes`` or
    ``MAX_DEPTH``, :class:`BadInput` with the position where parsing stopped.
    """
    raw = data.encode() if isinstance(data, str) else data
    if len(raw) > max_bytes:
        raise TooLarge(
            f"the {what} has {len(raw)} bytes of JSON, the limit is {max_bytes}",
            hint="send it in smaller parts",
        )
    if _depth(raw) > MAX_DEPTH:
        raise TooLarge(f"the {what} nests deeper than {MAX_DEPTH} levels", hint="flatten it")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"the {what} is not JSON: {error}") from error


def dumps(value: Any, *, indent: bool = False) -> bytes:
    """Write JSON with sorted keys, so that equal values give equal bytes."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(value, option=options | (orjson.OPT_INDENT_2 if indent else 0))


def _depth(raw: bytes) -> int:
    """Count how deep brackets nest, outside strings; vectorised, about 3 ms a megabyte."""
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return 0
    bare = np.frombuffer(_STRING.sub(b"", raw), np.uint8)
    steps = _STEPS[bare]
    return int(np.cumsum(steps[steps != 0], dtype=np.int64).max(initial=0))
