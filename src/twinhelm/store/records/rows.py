"""What may be kept: checks that give every implementation the same limits.

A record or journal row that passes here can be written to and read back from memory, SQLite and
PostgreSQL alike. Limits are in UTF-8 bytes: PostgreSQL refuses index entries above about 2,700
bytes, and the widest index here holds kind, parent, time and key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.core.json import MAX_DEPTH, dumps, loads
from twinhelm.core.ports import JournalRow, Record

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_KEY_BYTES",
    "MAX_KIND_BYTES",
    "body_of",
    "check_journal_row",
    "check_record",
    "states_of",
]

MAX_KIND_BYTES = 64
MAX_KEY_BYTES = 1024
MAX_BODY_BYTES = 16 << 20
"""The most that :func:`twinhelm.core.json.loads` reads back by default."""

_INT64 = 1 << 63


def check_record(record: Record) -> str:
    """Refuse what could not be read back, and return the body as JSON text.

    Raises :class:`BadInput` for an empty kind or key, a NUL or half a surrogate pair, a time
    outside int64, or a body that is not JSON; :class:`TooLarge` past a limit.
    """
    where = f"record {record.kind[:40]!r}/{record.key[:80]!r}"
    if not record.kind or not record.key:
        raise BadInput(f"{where} needs a kind and a key")
    _check_text(where, "kind", record.kind, MAX_KIND_BYTES)
    _check_text(where, "key", record.key, MAX_KEY_BYTES)
    _check_text(where, "state", record.state, MAX_KIND_BYTES)
    _check_text(where, "parent", record.parent, MAX_KEY_BYTES)
    _check_int(where, "time_ms", record.time_ms)
    return _body_text(where, record.body)


def check_journal_row(row: JournalRow) -> str:
    """Refuse a journal row that could not be read back, and return its body as JSON text."""
    where = f"journal row {row.seq}"
    if row.seq < 1:
        raise BadInput(f"{where}: seq counts from 1")
    _check_text(where, "actor", row.actor, MAX_KEY_BYTES)
    _check_text(where, "kind", row.kind, MAX_KIND_BYTES)
    _check_text(where, "subject", row.subject, MAX_KEY_BYTES)
    _check_int(where, "time_ms", row.time_ms)
    return _body_text(where, row.body)


def body_of(text: str) -> dict[str, Any]:
    """Read a stored body back."""
    body: dict[str, Any] = loads(text, what="stored body")
    return body


def states_of(state: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Bring the three ways to ask for a state into one; None asks for any."""
    if state is None:
        return None
    return (state,) if isinstance(state, str) else tuple(state)


def _check_text(where: str, name: str, value: str, limit: int) -> None:
    if "\x00" in value:
        raise BadInput(f"the {name} of {where} contains a NUL character")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise BadInput(f"the {name} of {where} is not valid Unicode: {error.reason}") from error
    if size > limit:
        raise TooLarge(
            f"the {name} of {where} has {size} bytes, the limit is {limit}",
            hint="use a digest as the key and keep the long text in the body",
        )


def _check_int(where: str, name: str, value: int) -> None:
    if not -_INT64 <= value < _INT64:
        raise BadInput(f"the {name} of {where} is {value}, outside 64 bits")


def _body_text(where: str, body: Mapping[str, Any]) -> str:
    try:
        raw = dumps(dict(body))
    except TypeError as error:
        raise BadInput(f"the body of {where} cannot be written as JSON: {error}") from error
    if len(raw) > MAX_BODY_BYTES:
        raise TooLarge(
            f"the body of {where} has {len(raw)} bytes, the limit is {MAX_BODY_BYTES}",
            hint="keep large content in a blob and its name here",
        )
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        loads(raw, what=f"body of {where}")
    return raw.decode()
