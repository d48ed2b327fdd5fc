"""The desk where products are framed, looked up, talked about, held and retired.

Every change is a record and an event in one transaction. What is asked for again and holds
already is no event.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, Conflict, Denied
from twinhelm.core.ports import Records
from twinhelm.events.event import Event
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.products import (
    HoldChanged,
    ProductFramed,
    ProductRetired,
    RemarkMade,
    WatchersChanged,
)
from twinhelm.mlops import records as rows
from twinhelm.mlops.frame import read_spec
from twinhelm.mlops.types import Product, ProductVersion, Remark, Spec, Tier

__all__ = ["ProductDesk"]

OURS = "twinhelm"
"""The owner of the algorithms that twinhelm itself is made of."""
MAX_TEXT = 10_000
_MENTION = re.compile(r"(?<![\w@.])@([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")


@dataclass(slots=True)
class ProductDesk:
    """The products by name; raises :class:`NotFound` for a name that stands for none."""

    records: Records
    journal: Journal
    clock: Clock
    withdraw: Callable[..., None] | None = None
    """Lets nobody answer for a product any more: (product, by=, reason=)."""
    _specs: dict[str, tuple[str, Spec]] = field(default_factory=dict)

    def frame(self, text: str, *, folder: str, by: str) -> Product:
        """Take a product file that lies in ``folder`` here (empty: nowhere, or where it was).

        Raises :class:`BadInput` for what is wrong with it, by line and column;
        :class:`Conflict` for the name of one of twinhelm's own products; :class:`Denied` where
        it lowers the risk tier and ``by`` is none of the reviewers, or, without any, the owner.
        """
        spec = read_spec(text)
        if folder and not (Path(folder).is_absolute() and Path(folder).is_dir()):
            raise BadInput(f"there is no folder {folder!r} here", hint="give its whole path")
        made, digest = spec.product, hashlib.sha256(text.encode()).hexdigest()
        body = spec.model_dump(mode="json")
        with self.journal.writing(by) as write:
            known = rows.get(write, Product, made.name)
            if known and known.owner == OURS:
                hint = "choose another name"
                raise Conflict(f"{made.name} is one of twinhelm's own products", hint=hint)
            if known and known.spec:
                _may_lower(known, made.tier, by)
            before = known or Product(made.name, "", "", "")
            now = replace(
                before,
                decides=made.decides,
                owner=made.owner,
                tier=made.tier.value,
                spec=body,
                folder=folder or before.folder,
                digest=digest,
                framed_ms=self.clock.now_ms(),
            )
            if not before.spec:
                first = {*before.watchers, made.owner, *made.reviewers}
                now = replace(now, watchers=tuple(sorted(first)))
            if replace(now, framed_ms=before.framed_ms) == before:
                return before
            rows.put(write, now)
            changed = tuple(_changed(before.spec, body)) if before.spec else ()
            write.event(ProductFramed(made.name, now.tier, now.owner, digest, changed))
        return now

    def all(self) -> list[Product]:
        """List every product by name, twinhelm's own too."""
        with self.records.reading() as unit:
            found = rows.find(unit, Product, limit=10_000)
        return sorted(found, key=lambda product: product.name)

    def product(self, name: str) -> Product:
        """Return one product."""
        return rows.load(self.records, Product, name)

    def spec(self, name: str) -> Spec | None:
        """Return what a product's file says; None where it was registered without one."""
        product = self.product(name)
        if not product.spec:
            return None
        kept = self._specs.get(name)
        if kept is None or kept[0] != product.digest:
            kept = product.digest, Spec.model_validate(dict(product.spec))
            self._specs[name] = kept
        return kept[1]

    def versions(self, name: str) -> list[ProductVersion]:
        """List a product's versions, the newest first."""
        with self.records.reading() as unit:
            return rows.find(unit, ProductVersion, product=name, newest_first=True)

    def version(self, name: str, version: str) -> ProductVersion:
        """Return one version; raises :class:`NotFound`."""
        return rows.load(self.records, ProductVersion, f"{name}/{version}")

    def retire(self, name: str, reason: str, *, by: str) -> None:
        """Let a product answer no more, or, with an empty reason, take it up again.

        Raises :class:`Conflict` while a version of it answers and nobody can end that.
        """
        product = self.product(name)
        if reason and product.live:
            if self.withdraw is None:
                raise Conflict(f"version {product.live} of {name} answers still")
            self.withdraw(name, by=by, reason=reason)
        self._change(name, by, ProductRetired(name, reason), retired=_short(reason))

    def hold(self, name: str, reason: str, *, by: str) -> None:
        """Begin a legal hold, under which nothing of it is deleted; an empty reason ends it."""
        self._change(name, by, HoldChanged(name, reason), hold=_short(reason))

    def watch(self, name: str, *, by: str, on: bool = True) -> None:
        """Be told of what happens to a product, or no longer."""
        watchers = {*self.product(name).watchers, by} - (set() if on else {by})
        told = tuple(sorted(watchers))
        self._change(name, by, WatchersChanged(name, told), watchers=told)

    def remark(self, name: str, text: str, *, about: str = "", by: str) -> Remark:
        """Say something about a product; ``@name`` in it mentions somebody."""
        text = _short(text.strip())
        if not text:
            raise BadInput("the remark is empty", hint="say something")
        with self.journal.writing(by) as write:
            rows.need(write, Product, name)
            said = rows.find(write, Remark, product=name, newest_first=True, limit=1)
            number = int(said[0].id.rpartition("/")[2]) + 1 if said else 1
            while rows.get(write, Remark, f"{name}/{number}"):  # several in one millisecond
                number += 1
            mentions = tuple(dict.fromkeys(_MENTION.findall(text)))
            now_ms = self.clock.now_ms()
            remark = Remark(f"{name}/{number}", name, about, by, now_ms, text, mentions)
            rows.put(write, remark)
            write.event(RemarkMade(name, about, text, mentions))
        return remark

    def remarks(self, name: str) -> list[Remark]:
        """List what was said of a product, the oldest first."""
        with self.records.reading() as unit:
            found = rows.find(unit, Remark, product=name)
        return sorted(found, key=lambda one: (one.time_ms, int(one.id.rpartition("/")[2])))

    def _change(self, name: str, by: str, event: Event, **values: Any) -> None:
        with self.journal.writing(by) as write:
            product = rows.need(write, Product, name)
            if product.owner == OURS and "watchers" not in values:
                raise Conflict(f"{name} is one of twinhelm's own products and stays as it is")
            now = replace(product, **values)
            if now != product:
                rows.put(write, now)
                write.event(event)


def _may_lower(known: Product, tier: Tier, by: str) -> None:
    """Refuse that one person alone takes away what protects others."""
    order = list(Tier)
    reviewers = known.spec["product"].get("reviewers", ())
    may = by in reviewers if reviewers else by != known.owner
    if order.index(tier) < order.index(Tier(known.tier)) and not may:
        who = f"a reviewer ({', '.join(reviewers)})" if reviewers else "somebody but the owner"
        said = f"{by} may not lower the risk tier of {known.name} from {known.tier} to {tier}"
        raise Denied(said, hint=f"{who} frames it")


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Name the keys that say something else: ``product.tier``, ``gates``."""
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
            yield from (f"{name}.{key}" for key in keys)
        elif old != new:
            yield name


def _short(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise BadInput(f"{len(text)} characters, the limit is {MAX_TEXT}", hint="say less")
    return text
