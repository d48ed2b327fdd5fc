"""The chain: each journal row carries a SHA-256 over itself and the hash of the row before.

The hash covers the canonical JSON (sorted keys, no spaces) of the array ``[seq, time_ms, actor,
kind, subject, body, previous]``; the first row's ``previous`` is the empty string. Changing,
removing, inserting or moving a row breaks the chain there. Cutting off the newest rows does not,
so the newest sequence and hash are also kept as the record ``journal/head``, written in the same
transaction. Whoever can rewrite the whole database can rewrite the whole chain: compare the head
hash with one that was written down elsewhere.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from twinhelm.core.json import dumps
from twinhelm.core.ports import JournalRow

__all__ = ["Link", "Verification", "follow", "sealed"]


@dataclass(frozen=True, slots=True)
class Link:
    """Where the chain stands: the newest row's sequence and hash; (0, "") before the first."""

    seq: int = 0
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a walk over the whole journal found.

    ``rows`` were read and ``head_hash`` is the hash of the last good one. Where ``ok`` is false,
    ``first_bad_seq`` and ``reason`` say where the chain breaks and how.
    """

    ok: bool
    rows: int
    head_hash: str
    first_bad_seq: int | None = None
    reason: str = ""


def sealed(row: JournalRow) -> JournalRow:
    """Return the row with its hash filled in from its other fields."""
    content = [row.seq, row.time_ms, row.actor, row.kind, row.subject, row.body, row.previous]
    return replace(row, hash=hashlib.sha256(dumps(content)).hexdigest())


def follow(at: Link, rows: Iterable[JournalRow], *, through: Link) -> tuple[Link, str]:
    """Walk rows from ``at``; return the last good link and what is wrong with the next row.

    The row at ``through.seq`` must be the very one that ``through`` names. The reason is empty
    where every row follows.
    """
    for row in rows:
        if row.seq != at.seq + 1:
            return at, f"row {at.seq + 1} is missing: row {row.seq} comes next"
        if row.previous != at.hash:
            return at, f"row {row.seq} does not continue row {at.seq}: removed, inserted or moved"
        if sealed(row).hash != row.hash:
            return at, f"row {row.seq} was altered: its content does not match its hash"
        if row.seq == through.seq and row.hash != through.hash:
            return at, f"row {row.seq} is not the one that was written"
        at = Link(row.seq, row.hash)
    return at, ""
