r"""Work that people did by hand: a shell history or a list of tickets, as CSV.

In: CSV in UTF-8 whose first row names its columns; out: a change of kind ``other`` for each row, of
type ``command`` or ``ticket``. Columns may be called as in :data:`COLUMNS`, in any order and case;
``time`` and ``what`` are needed. How long it took is ``minutes``, or until ``closed``. Times are
ISO 8601 (UTC where no zone is named) or epoch seconds. Pure; secrets are struck out by the intake.

>>> csv = "time,user,host,command\n2026-11-02T10:00:00Z,ann,web-1,systemctl restart shop\n"
>>> decode_chores(csv.encode()).changes[0].title
'systemctl restart shop'
"""

import csv
import io
import re
from datetime import UTC
from hashlib import blake2b

from twinhelm.aiops.collect.development.told import made
from twinhelm.aiops.collect.words import instant_ms
from twinhelm.aiops.types import Received
from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.core.telemetry import Change

__all__ = ["decode_chores"]

COLUMNS = {
    "time": ("time", "timestamp", "date", "opened", "created"),
    "who": ("who", "user", "assignee", "person"),
    "command": ("command", "cmd"),
    "ticket": ("title", "summary", "ticket", "subject"),
    "host": ("host", "hostname"),
    "service": ("service", "component"),
    "minutes": ("minutes", "worked_minutes"),
    "closed": ("closed", "resolved"),
}
MAX_ROWS = 100_000
LONGEST_MINUTES = 24 * 60.0


def decode_chores(body: bytes) -> Received:
    """Decode the rows; raises :class:`BadInput` naming the row, :class:`TooLarge`."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"the file is not UTF-8: {error.reason} at byte {error.start}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = [name.strip().lower() for name in next(reader, [])]
        at = {
            name: next(head.index(one) for one in names if one in head)
            for name, names in COLUMNS.items()
            if any(one in head for one in names)
        }
        if "time" not in at or not {"command", "ticket"} & at.keys():
            hint = "such as time,user,host,command or opened,closed,assignee,title"
            raise BadInput(f"the columns {', '.join(head)[:200]!r} do not do", hint=hint)
        changes = []
        for number, row in enumerate(reader, 2):
            if number > MAX_ROWS:
                raise TooLarge(f"the file has more than {MAX_ROWS:,} rows", hint="split it")
            said = {name: row[n].strip() for name, n in at.items() if n < len(row)}
            if said.get("command") or said.get("ticket"):
                changes.append(_change(said, number))
    except csv.Error as error:
        raise BadInput(f"row {reader.line_num} is not CSV: {error}") from error
    return Received(changes=tuple(changes))


def _change(said: dict[str, str], row: int) -> Change:
    at = _moment(said.get("time", ""), row)
    what = said.get("command") or said["ticket"]
    kind = "command" if said.get("command") else "ticket"
    end = _moment(said["closed"], row) if said.get("closed") else None
    minutes = said.get("minutes", "")
    if minutes and not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", minutes):
        raise BadInput(f"row {row}: {minutes[:40]!r} is no number of minutes")
    if minutes:
        end = at + round(min(float(minutes), LONGEST_MINUTES) * 60_000)
    elif end is not None:
        minutes = f"{max(0.0, min((end - at) / 60_000, LONGEST_MINUTES)):.1f}"
    who, host, service = (said.get(name, "") for name in ("who", "host", "service"))
    entity = f"service:{service}" if service else f"host:{host}" if host else "other:by-hand"
    digest = blake2b("\0".join((str(at), who, host, what)).encode(), digest_size=12).hexdigest()
    return made(f"hand/{digest}", "other", entity, what, at,
                end_ms=end, type=kind, who=who, minutes=minutes)  # fmt: skip


def _moment(text: str, row: int) -> int:
    if re.fullmatch(r"\d{9,10}(\.\d+)?", text):
        return round(float(text) * 1000)
    return instant_ms(text, what=f"time of row {row}", zone=UTC)
