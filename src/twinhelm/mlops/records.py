"""How the words of the MLOps wing rest in the records: one kind of record per noun.

| kind | key | state | parent | time_ms |
| --- | --- | --- | --- | --- |
| product | name | tier | | framed |
| version | product/version | stage | product | registered |
| validation | product/version | pass, fail, unknown | product | when |
| approval | id: product/version/n | open, approved, ... | product | asked |
| run | product/number | running, done, failed, cached | product | started |
| rollout | id: product/version/n | running, done, ... | product | started |
| deployment | product | | | since |
| health | product/version | good, drifted, failing, unknown | product | end |
| health_past | product/version/end | as health | product | end |
| remark | id: product/n | | product | when |
| data | digest | | product | when seen first |
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TypeVar

from twinhelm.core.errors import NotFound
from twinhelm.core.ports import Record, Records
from twinhelm.events import values
from twinhelm.events.journal import JournalWriter
from twinhelm.events.values import Reading
from twinhelm.mlops.types import (
    Approval,
    Deployment,
    Health,
    Product,
    ProductVersion,
    Remark,
    Rollout,
    Run,
    Validation,
    Verdict,
)

__all__ = ["find", "get", "keep_past", "load", "need", "past", "put"]

T = TypeVar("T")
Noun = (
    Product | ProductVersion | Validation | Approval | Run | Rollout | Deployment | Health | Remark
)

_PAST = "health_past"
_KINDS: dict[type, str] = {
    Product: "product",
    ProductVersion: "version",
    Validation: "validation",
    Approval: "approval",
    Run: "run",
    Rollout: "rollout",
    Deployment: "deployment",
    Health: "health",
    Remark: "remark",
}
_ASK = {
    "product": "product list", "approval": "approvals", "health": "health {0}",
    "rollout": "deployment {0}", "deployment": "deployment {0}",
}  # fmt: skip
"""The command that tells what there is of a kind; of any other, ``product show``."""


def get(unit: Reading, noun: type[T], key: str) -> T | None:
    """Read one value by its key, or None."""
    record = unit.get(_KINDS[noun], key)
    return None if record is None else values.load(noun, record)


def need(unit: Reading, noun: type[T], key: str) -> T:
    """Read one value by its key; raises :class:`NotFound`."""
    found = get(unit, noun, key)
    if found is None:
        kind = _KINDS[noun]
        how = _ASK.get(kind, "product show {0}").format(key.partition("/")[0])
        raise NotFound(f"there is no {kind} {key!r}", hint=f"`twinhelm {how}` tells what there is")
    return found


def find(
    unit: Reading,
    noun: type[T],
    *,
    product: str | None = None,
    state: str | Sequence[str] | None = None,
    newest_first: bool = False,
    limit: int = 1000,
) -> list[T]:
    """Find values of one kind, by product and state, in order of time."""
    rows = unit.find(
        _KINDS[noun], parent=product, state=state, newest_first=newest_first, limit=limit
    )
    return [values.load(noun, row) for row in rows]


def load(records: Records, noun: type[T], key: str) -> T:
    """Read one value in a transaction of its own; raises :class:`NotFound`."""
    with records.reading() as unit:
        return need(unit, noun, key)


def put(write: JournalWriter, value: Noun) -> None:
    """Write a value under its own key, replacing what was there."""
    key, state, parent, time_ms = _place(value)
    write.put(Record(_KINDS[type(value)], key, asdict(value), state, parent, time_ms))


def keep_past(write: JournalWriter, value: Health, *, most: int) -> None:
    """Keep how a version fared beside the latest; of a product the newest ``most`` stay."""
    key = f"{value.product}/{value.version}/{value.end_ms:014d}"
    write.put(Record(_PAST, key, asdict(value), value.state, value.product, value.end_ms))
    kept = write.find(_PAST, parent=value.product, newest_first=True, limit=most + 100)
    for old in kept[most:]:
        write.delete(_PAST, old.key)


def past(
    unit: Reading, product: str, *, state: str | None = None, limit: int = 100
) -> list[Health]:
    """Read how a product's versions fared, the newest first."""
    rows = unit.find(_PAST, parent=product, state=state, newest_first=True, limit=limit)
    return [values.load(Health, row) for row in rows]


def _place(value: Noun) -> tuple[str, str, str, int]:
    match value:
        case Product():
            return value.name, value.tier, "", value.framed_ms
        case ProductVersion():
            return value.ref, value.stage, value.product, value.registered_ms
        case Validation():
            verdicts = {check.verdict for check in value.checks}
            order = (Verdict.FAIL, Verdict.UNKNOWN)
            state = next((each for each in order if each in verdicts), Verdict.PASS)
            return f"{value.product}/{value.version}", state, value.product, value.time_ms
        case Approval():
            return value.id, value.state, value.product, value.asked_ms
        case Run():
            return f"{value.product}/{value.number}", value.state, value.product, value.started_ms
        case Rollout():
            return value.id, value.state, value.product, value.started_ms
        case Deployment():
            return value.product, "", "", value.since_ms
        case Health():
            key = f"{value.product}/{value.version}"
            return key, value.state, value.product, value.end_ms
        case Remark():
            return value.id, "", value.product, value.time_ms
