"""The one door for JSON: bounded in size and depth, NaN written as null.

orjson refuses nothing but what is not JSON; a body nested 100,000 deep costs nothing to refuse
here, before it is parsed.
"""

from __future__ import annotations

from typing import Any

import orjson

from twinhelm.core.errors import BadInput, TooLarge

__all__ = ["MAX_DEPTH", "dumps", "loads"]

MAX_DEPTH = 64
"""No payload that the field speaks nests deeper than about twenty."""


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
    """Count an upper bound of the nesting; brackets inside strings only make it stricter."""
    opens = raw.count(b"{") + raw.count(b"[")
    if opens <= MAX_DEPTH:
        return opens
    deepest = depth = 0
    in_string = escaped = False
    for byte in raw:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in (0x7B, 0x5B):
            depth += 1
            deepest = max(deepest, depth)
            if deepest > MAX_DEPTH:
                return deepest
        elif byte in (0x7D, 0x5D):
            depth -= 1
    return deepest
