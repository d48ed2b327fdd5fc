"""What may be kept: checks that give every implementation the same limits.

A record or journal row that passes here can be written to and read back from memory, SQLite and
PostgreSQL alike. Limits are in UTF-8 bytes: PostgreSQL refuses index entries above about 2,700
bytes, and the widest index here holds kind, parent, time and key.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from twinhelm.core.errors import BadInput, Conflict, Refused, TooLarge
from twinhelm.core.json import MAX_DEPTH, dumps, loads
from twinhelm.core.ports import JournalRow, Record

__all__ = ["body_of", "check_journal_row", "check_record", "moved_on", "must_write", "states_of"]

_MAX_KIND = 64
_MAX_KEY = 1024
_MAX_BODY = 16 << 20
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
    short, long = {"kind": record.kind, "state": record.state}, {"key": record.key}
    return _checked(where, short, long | {"parent": record.parent}, record.time_ms, record.body)


def check_journal_row(row: JournalRow) -> str:
    """Refuse a journal row that could not be read back, and return its body as JSON text."""
    where = f"journal row {row.seq}"
    if row.seq < 1:
        raise BadInput(f"{where}: seq counts from 1")
    long = {"actor": row.actor, "subject": row.subject}
    return _checked(where, {"kind": row.kind}, long, row.time_ms, row.body)


def body_of(text: str) -> dict[str, Any]:
    """Read a stored body back."""
    body: dict[str, Any] = loads(text, what="stored body")
    return body


def moved_on(record: Record, revision: int | None) -> Conflict:
    """Say that a change was made on a revision that is not the stored one (None: gone)."""
    now = "is gone" if revision is None else f"is at revision {revision}"
    return Conflict(
        f"{record.kind} {record.key!r} {now}, the change was made on revision {record.revision}",
        hint="read it again and repeat the change",
    )


def must_write(*, writable: bool) -> None:
    """Raise :class:`Refused` where a transaction was opened to read."""
    if not writable:
        raise Refused("this transaction only reads", hint="open it with writing()")


def states_of(state: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Bring the three ways to ask for a state into one; None asks for any."""
    if state is None:
        return None
    return (state,) if isinstance(state, str) else tuple(state)


def _checked(
    where: str, short: dict[str, str], long: dict[str, str], time_ms: int, body: Mapping[str, Any]
) -> str:
    """Check what records and journal rows have in common; return the body as JSON text."""
    for texts, limit in ((short, _MAX_KIND), (long, _MAX_KEY)):
        for name, text in texts.items():
            _check_text(where, name, text, limit)
    if not -_INT64 <= time_ms < _INT64:
        raise BadInput(f"the time_ms of {where} is {time_ms}, outside 64 bits")
    try:
        raw = dumps(dict(body))
    except TypeError as error:
        raise BadInput(f"the body of {where} cannot be written as JSON: {error}") from error
    if len(raw) > _MAX_BODY:
        raise TooLarge(
            f"the body of {where} has {len(raw)} bytes, the limit is {_MAX_BODY}",
            hint="keep large content in a blob and its name here",
        )
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        loads(raw, what=f"body of {where}")
    return raw.decode()


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
