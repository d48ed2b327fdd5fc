"""Which series carry which labels? Label sets to dense ids, and matchers to ids.

In: label sets (:mod:`twinhelm.core.labels`) with their tenant. Out: ids, from 0, never reused;
and the bytes that make new ones durable (:meth:`LabelIndex.plan`), which the append log and
the database keep and :meth:`LabelIndex.apply` takes back.

Every string is kept once; a series is a row of 64-bit pairs (name << 32 | value), about 8 bytes
a label. The tenant is the pair whose name is the empty string. Known sets are found in an
open-addressing hash table; matchers are answered from posting lists (pair to ascending ids),
built when first asked for, in two parts, a large one and one for what came since. A regular
expression is tried once per distinct value. All methods may be called from any thread.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from twinhelm.core.arrays import BOOL, I64, U32, U64, Array
from twinhelm.core.errors import NotFound
from twinhelm.core.labels import Labels, Matcher
from twinhelm.store.telemetry.bits import Number

__all__ = ["LabelIndex"]

_TAIL = 4096
"""Up to this many new series are kept in the small posting list before the two are merged."""


@dataclass(frozen=True, slots=True)
class _Postings:
    """Posting lists of the series ``first <= id < last``: ``ids[begin[i]:begin[i + 1]]``."""

    first: int
    last: int
    pairs: U64
    begin: I64
    ids: U32

    def of_pairs(self, keep: Iterable[int]) -> BOOL:
        """Mark the series that carry one of the pairs at these positions."""
        hit = np.zeros(self.last - self.first, np.bool_)
        for place in keep:
            hit[self.ids[self.begin[place] : self.begin[place + 1]] - np.uint32(self.first)] = True
        return hit

    def range_of(self, name: int) -> range:
        """Return the positions of all pairs with this name."""
        bounds = np.array([name << 32, (name + 1) << 32], np.uint64)
        begin, end = np.searchsorted(self.pairs, bounds)
        return range(int(begin), int(end))


class LabelIndex:
    """Label sets and their ids.

    >>> index = LabelIndex()
    >>> ids, new = index.plan([(("job", "api"),)], tenant="default")
    >>> index.apply(new)
    True
    >>> ids.tolist(), index.labels(0)
    ([0], ('default', (('job', 'api'),)))
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._symbols: dict[str, int] = {"": 0}
        self._texts: list[str] = [""]
        self._count = 0
        self._begin = np.zeros(1024, np.int64)
        self._pairs = np.zeros(8192, np.uint64)
        self._slots = np.zeros(2048, np.uint32)
        self._large = self._postings(0, 0)
        self._small = self._large

    def __len__(self) -> int:
        return self._count

    def plan(self, sets: Sequence[Labels], *, tenant: str) -> tuple[U32, bytes]:
        """Return the id of each label set, and what to make durable before :meth:`apply`.

        Nothing changes yet; the bytes are empty where every set is known. The caller holds off
        other planners until it has applied.
        """
        with self._lock:
            symbols = self._symbols
            fresh: dict[str, int] = {}

            def symbol(text: str) -> int:
                known = symbols.get(text)
                return fresh.setdefault(text, len(symbols) + len(fresh)) if known is None else known

            flat: list[int] = []
            begin = np.zeros(len(sets) + 1, np.int64)
            owner = symbol(tenant)
            for i, labels in enumerate(sets):
                flat.append(owner)
                for name, value in labels:
                    flat.append(symbol(name) << 32 | symbol(value))
                begin[i + 1] = len(flat)
            pairs = np.array(flat, np.uint64)
            known = _find(self._slots, self._begin, self._pairs, begin, pairs)
            ids = known.astype(np.uint32)
            news: dict[bytes, int] = {}
            rows: list[U64] = []
            for i in np.flatnonzero(known < 0).tolist():
                row = pairs[begin[i] : begin[i + 1]]
                place = news.setdefault(row.tobytes(), len(news))
                if place == len(rows):
                    rows.append(row)
                ids[i] = self._count + place
            if not rows:
                return ids, b""
            return ids, _pack(self._count, len(symbols), list(fresh), rows)

    def apply(self, new: bytes) -> bool:
        """Take in what :meth:`plan` made; False where it does not follow what is here.

        What is here already is skipped, so that replaying twice is harmless.
        """
        if not new:
            return True
        with self._lock:
            count, symbols, texts, lengths, pairs = _unpack(new)
            if count < self._count and count + len(lengths) <= self._count:
                return True
            if count != self._count or symbols > len(self._texts):
                return False
            for text in texts[len(self._texts) - symbols :]:
                self._symbols[text] = len(self._texts)
                self._texts.append(text)
            total = self._count + len(lengths)
            used = int(self._begin[self._count])
            self._begin = _grown(self._begin, total + 1)
            self._pairs = _grown(self._pairs, used + len(pairs))
            self._begin[self._count + 1 : total + 1] = used + np.cumsum(lengths, dtype=np.int64)
            self._pairs[used : used + len(pairs)] = pairs
            if total * 2 > len(self._slots):
                self._slots = np.zeros(1 << (total * 3).bit_length(), np.uint32)
                _enter(self._slots, self._begin, self._pairs, 0, total)
            else:
                _enter(self._slots, self._begin, self._pairs, self._count, total)
            self._count = total
            return True

    def dump(self) -> bytes:
        """Return all of it as one piece for :meth:`apply` on an empty index."""
        with self._lock:
            if not self._count:
                return b""
            rows = np.split(self._pairs[: self._begin[self._count]], self._begin[1 : self._count])
            return _pack(0, 1, self._texts[1:], rows)

    def labels(self, series: int) -> tuple[str, Labels]:
        """Return (tenant, labels) of one id; raises :class:`NotFound` for an unknown one."""
        if not 0 <= series < self._count:
            raise NotFound(f"there is no series {series}, ids end at {self._count - 1}")
        row = self._pairs[self._begin[series] : self._begin[series + 1]].tolist()
        texts = self._texts
        pairs = tuple((texts[pair >> 32], texts[pair & 0xFFFFFFFF]) for pair in row[1:])
        return texts[row[0]], pairs

    def select(self, matchers: Sequence[Matcher], *, tenant: str | None = None) -> U32:
        """Return the ids that satisfy all matchers, ascending."""
        parts = self._parts()
        return np.concatenate([self._select(part, matchers, tenant) for part in parts])

    def names(self, ids: U32 | None = None) -> list[str]:
        """Return the label names on these series (None = all), sorted."""
        used = np.unique(self._pairs_of(ids) >> np.uint64(32))
        return sorted(self._texts[name] for name in used.tolist() if name)

    def values(self, name: str, ids: U32 | None = None) -> list[str]:
        """Return the values of one label on these series (None = all), sorted."""
        number = self._symbols.get(name)
        if not number:
            return []
        pairs = self._pairs_of(ids)
        used = np.unique(pairs[pairs >> np.uint64(32) == number] & np.uint64(0xFFFFFFFF))
        return sorted(self._texts[value] for value in used.tolist())

    def count_of(self, tenant: str | None) -> int:
        """Count the series of one tenant, or all."""
        return self._count if tenant is None else len(self.select((), tenant=tenant))

    def _pairs_of(self, ids: U32 | None) -> U64:
        """Return every label pair on these series at least once (None = all)."""
        if ids is None:
            return np.concatenate([part.pairs for part in self._parts()])
        return _gather(self._begin, self._pairs, ids)

    def _parts(self) -> tuple[_Postings, _Postings]:
        """Return posting lists that cover every series."""
        with self._lock:
            if self._small.last < self._count:
                if self._count - self._large.last > max(_TAIL, self._large.last // 8):
                    self._large = self._postings(0, self._count)
                self._small = self._postings(self._large.last, self._count)
            return self._large, self._small

    def _postings(self, first: int, last: int) -> _Postings:
        pairs = self._pairs[self._begin[first] : self._begin[last]]
        ids = np.repeat(
            np.arange(first, last, dtype=np.uint32), np.diff(self._begin[first : last + 1])
        )
        order = np.argsort(pairs, kind="stable")
        unique, begin = np.unique(pairs[order], return_index=True)
        ends = np.append(begin, len(pairs)).astype(np.int64)
        return _Postings(first, last, unique, ends, ids[order])

    def _select(self, part: _Postings, matchers: Sequence[Matcher], tenant: str | None) -> U32:
        hit = np.ones(part.last - part.first, np.bool_)
        if tenant is not None:
            owner = self._symbols.get(tenant, -1)
            hit &= part.of_pairs(p for p in part.range_of(0) if part.pairs[p] == owner)
        for matcher in matchers:
            hit &= self._matching(part, matcher)
        return (np.flatnonzero(hit) + part.first).astype(np.uint32)

    def _matching(self, part: _Postings, matcher: Matcher) -> BOOL:
        number = self._symbols.get(matcher.name)
        places = part.range_of(number) if number else range(0)
        texts = self._texts
        pairs = part.pairs[places.start : places.stop] & np.uint64(0xFFFFFFFF)
        absent = matcher.matches("")
        hit = part.of_pairs(
            place
            for place, value in zip(places, pairs.tolist(), strict=True)
            if matcher.matches(texts[value]) != absent
        )
        return ~hit if absent else hit


def _grown(array: Array, size: int) -> Array:
    if size <= len(array):
        return array
    larger = np.zeros(max(size, len(array) * 3 // 2), array.dtype)
    larger[: len(array)] = array
    return larger


def _pack(count: int, symbols: int, texts: list[str], rows: Sequence[U64]) -> bytes:
    encoded = [text.encode("utf-8", "replace") for text in texts]
    return b"".join(
        (
            np.array([count, symbols, len(encoded), len(rows)], "<u4").tobytes(),
            np.fromiter(map(len, rows), "<u4", len(rows)).tobytes(),
            np.fromiter(map(len, encoded), "<u4", len(encoded)).tobytes(),
            np.concatenate(rows).astype("<u8").tobytes(),
            *encoded,
        )
    )


def _unpack(new: bytes) -> tuple[int, int, list[str], U32, U64]:
    count, symbols, n_texts, n_rows = np.frombuffer(new, "<u4", 4).tolist()
    lengths = np.frombuffer(new, "<u4", n_rows, 16)
    sizes = np.frombuffer(new, "<u4", n_texts, 16 + 4 * n_rows).tolist()
    at = 16 + 4 * (n_rows + n_texts)
    pairs = np.frombuffer(new, "<u8", int(lengths.sum()), at)
    at += 8 * len(pairs)
    texts = []
    for size in sizes:
        texts.append(new[at : at + size].decode())
        at += size
    return count, symbols, texts, lengths, pairs


@njit(cache=True, nogil=True)
def _hash(pairs: U64, first: int, last: int) -> Number:
    mixed: Number = np.uint64(0x9E3779B97F4A7C15)
    for i in range(first, last):
        mixed = (mixed ^ pairs[i]) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(29)
    return mixed


@njit(cache=True, nogil=True)
def _enter(slots: U32, begin: I64, pairs: U64, first: int, last: int) -> None:
    """Put series ``first <= id < last`` into the table (slot = id + 1, 0 = free)."""
    mask = np.uint64(len(slots) - 1)
    for series in range(first, last):
        slot = _hash(pairs, begin[series], begin[series + 1]) & mask
        while slots[slot]:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = series + 1


@njit(cache=True, nogil=True)
def _find(slots: U32, begin: I64, pairs: U64, sets_begin: I64, sets: U64) -> I64:
    """Look label sets up; -1 where unknown."""
    found = np.full(len(sets_begin) - 1, -1, np.int64)
    mask = np.uint64(len(slots) - 1)
    for i in range(len(found)):
        first = sets_begin[i]
        size = sets_begin[i + 1] - first
        slot = _hash(sets, first, first + size) & mask
        while slots[slot]:
            series = np.int64(slots[slot]) - 1
            at = begin[series]
            same = begin[series + 1] - at == size
            k = 0
            while same and k < size:
                same = pairs[at + k] == sets[first + k]
                k += 1
            if same:
                found[i] = series
                break
            slot = (slot + np.uint64(1)) & mask
    return found


@njit(cache=True, nogil=True)
def _gather(begin: I64, pairs: U64, ids: U32) -> U64:
    """Return the label pairs of these series, one after the other, without tenants."""
    total = 0
    for series in ids:
        total += begin[series + 1] - begin[series] - 1
    out = np.empty(total, np.uint64)
    at = 0
    for series in ids:
        for k in range(begin[series] + 1, begin[series + 1]):
            out[at] = pairs[k]
            at += 1
    return out
