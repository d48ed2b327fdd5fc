"""How is a value written in TOML? As in JSON: its strings, numbers and lists are TOML's too.

>>> table("when", {"entity": ["host:a"], "confidence": 0.5})
['[when]', 'entity = ["host:a"]', 'confidence = 0.5', '']
"""

from collections.abc import Mapping
from typing import Any

from twinhelm.core.json import dumps

__all__ = ["table", "written"]


def written(value: Any) -> str:
    """Write a value; TOML forbids DEL, which JSON does not."""
    return dumps(value).decode().replace("\x7f", "\\u007f")


def table(name: str, values: Mapping[str, Any]) -> list[str]:
    """Write the lines of a table, and an empty one after it."""
    return [f"[{name}]", *(f"{key} = {written(value)}" for key, value in values.items()), ""]
