"""How DBOS writes our values down: as JSON, errors included, so that nothing is unpickled."""

from typing import Any

from dbos import Serializer

from twinhelm.core.errors import TwinhelmError
from twinhelm.core.json import dumps, loads

__all__ = ["JsonSerializer"]

_ERROR = "$error"
_MAX_BYTES = 64 << 20


class JsonSerializer(Serializer):
    """JSON for values; an error keeps its words, and comes back as :class:`TwinhelmError`."""

    def serialize(self, data: Any) -> str:
        """Write a value or an error down."""
        if isinstance(data, BaseException):
            data = {_ERROR: str(data) or type(data).__name__}
        return dumps(data).decode()

    def deserialize(self, serialized_data: str) -> Any:
        """Read a value or an error back."""
        value = loads(serialized_data, max_bytes=_MAX_BYTES, what="workflow value")
        if isinstance(value, dict) and value.keys() == {_ERROR}:
            return TwinhelmError(value[_ERROR])
        return value

    def name(self) -> str:
        """Name the format in the database."""
        return "twinhelm_json"
