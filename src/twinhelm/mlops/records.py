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
from twinhelm.events.values import Reading, Shelf
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
_PAST = "health_past"
_ORDER = (Verdict.FAIL, Verdict.UNKNOWN)
SHELF = Shelf({
    Product: ("product", lambda one: (one.name, one.tier, "", one.framed_ms)),
    ProductVersion: ("version", lambda one: (one.ref, one.stage, one.product, one.registered_ms)),
    Validation: ("validation", lambda one: (
        f"{one.product}/{one.version}", _verdict(one), one.product, one.time_ms
    )),
    Approval: ("approval", lambda one: (one.id, one.state, one.product, one.asked_ms)),
    Run: ("run", lambda one: (
        f"{one.product}/{one.number}", one.state, one.product, one.started_ms
    )),
    Rollout: ("rollout", lambda one: (one.id, one.state, one.product, one.started_ms)),
    Deployment: ("deployment", lambda one: (one.product, "", "", one.since_ms)),
    Health: ("health", lambda one: (
        f"{one.product}/{one.version}", one.state, one.product, one.end_ms
    )),
    Remark: ("remark", lambda one: (one.id, "", one.product, one.time_ms)),
})  # fmt: skip
get, put = SHELF.get, SHELF.put
_ASK = {
    "product": "product list", "approval": "approvals", "health": "health {0}",
    "rollout": "deployment {0}", "deployment": "deployment {0}",
}  # fmt: skip
"""The command that tells what there is of a kind; of any other, ``product show``."""


def need(unit: Reading, noun: type[T], key: str) -> T:
    """Read one value by its key; raises :class:`NotFound`."""
    found = get(unit, noun, key)
    if found is None:
        kind = SHELF.nouns[noun][0]
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
    return SHELF.find(
        unit, noun, parent=product, state=state, newest_first=newest_first, limit=limit
    )


def load(records: Records, noun: type[T], key: str) -> T:
    """Read one value in a transaction of its own; raises :class:`NotFound`."""
    with records.reading() as unit:
        return need(unit, noun, key)


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


def _verdict(value: Validation) -> Verdict:
    verdicts = {check.verdict for check in value.checks}
    return next((each for each in _ORDER if each in verdicts), Verdict.PASS)
