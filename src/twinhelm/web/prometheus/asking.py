"""Read the parameters of a Prometheus API request, from its address and its form body alike.

Times are seconds or RFC 3339, durations seconds or ``1h30m``; both become ms. What cannot be
read raises :class:`BadInput` that names the parameter, as Prometheus words it.

    >>> Asking({"step": ["15s"]}).duration_ms("step")
    15000
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request

from twinhelm.core.errors import BadInput
from twinhelm.core.labels import DEFAULT_TENANT
from twinhelm.web.frame import fields_of, tenant_of
from twinhelm.web.prometheus.selector import read_duration

__all__ = ["Asking"]

MAX_FIELDS = 1000
MAX_MS = 1 << 53
"""Beyond this a float of milliseconds is no longer exact; some 285,000 years."""

KINDS = {
    "timestamp": "seconds since 1970 or RFC 3339",
    "duration": "seconds, or a text such as 15s or 1h30m",
}


@dataclass(frozen=True, slots=True)
class Asking:
    """The parameters, each with all its values; the tenant; the label that the path names."""

    fields: Mapping[str, list[str]]
    tenant: str = DEFAULT_TENANT
    label: str = ""

    @staticmethod
    async def of(request: Request) -> Asking:
        """Read them; the form body counts before the address, as in Go."""
        fields = await fields_of(request, most=MAX_FIELDS, query=request.url.query)
        tenant = tenant_of(request.headers.get("x-scope-orgid"))
        return Asking(fields, tenant, request.path_params.get("name", ""))

    def text(self, name: str, default: str = "") -> str:
        """Return the first value of a parameter."""
        return self.fields.get(name, [default])[0]

    def needed(self, name: str) -> str:
        """Return the first value, or raise where it is missing or empty."""
        said = self.text(name)
        if not said:
            raise BadInput(f'invalid parameter "{name}": it is missing')
        return said

    def time_ms(self, name: str, default: int | None = None) -> int:
        """Read a time; without a default it must be there."""
        said = self.text(name)
        if not said and default is not None:
            return default
        found = _seconds(said)
        return self._found(name, _rfc3339(said) if found is None else found, "timestamp")

    def duration_ms(self, name: str) -> int:
        """Read a duration that must be there."""
        said = self.needed(name)
        found = _seconds(said)
        return self._found(name, read_duration(said) if found is None else found, "duration")

    def _found(self, name: str, found: int | None, kind: str) -> int:
        if found is None:
            said = self.text(name)[:100]
            told = f'invalid parameter "{name}": cannot parse "{said}" to a valid {kind}'
            raise BadInput(told, hint=f"give {KINDS[kind]}")
        return found

    def limit(self) -> int | None:
        """Read how many items to return at most; None for all of them."""
        said = self.text("limit", "0")
        if not said.isascii() or not said.isdigit():
            raise BadInput(f'invalid parameter "limit": cannot parse "{said[:100]}"')
        return int(said[:18]) or None


def _seconds(text: str) -> int | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    if not math.isfinite(seconds) or abs(seconds) * 1000 > MAX_MS:
        return None
    return round(seconds * 1000)


def _rfc3339(text: str) -> int | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        return None
    whole = when.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (whole.days * 86_400 + whole.seconds) * 1000 + whole.microseconds // 1000
