from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twinhelm.aiops.clean.cardinality import SeriesGate
from twinhelm.aiops.clean.rejections import MAX_ROWS, Reason, RejectionBook
from twinhelm.aiops.clean.samples import BAD_SERIES, NO_SERIES
from twinhelm.aiops.types import Rejected
from twinhelm.core.arrays import U32
from twinhelm.core.clock import FakeClock
from twinhelm.core.labels import Labels, Matcher
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import SeriesInfo


class Index:
    def __init__(self) -> None:
        self.ids: dict[tuple[str, Labels], int] = {}

    def intern(self, labels: Sequence[Labels], *, tenant: str) -> U32:
        return np.array(
            [self.ids.setdefault((tenant, one), len(self.ids)) for one in labels], np.uint32
        )

    def series_count(self, tenant: str | None = None) -> int:
        return sum(1 for t, _ in self.ids if t == tenant)

    def find_series(
        self,
        matchers: Sequence[Matcher],
        *,
        tenant: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 10_000,
    ) -> list[SeriesInfo]:
        return [
            SeriesInfo(i, labels, t, 0, 0) for (t, labels), i in self.ids.items() if t == tenant
        ][:limit]


def named(*names: str) -> list[Labels]:
    return [(("__name__", name),) for name in names]


def test_new_series_past_the_limit_are_refused_and_known_ones_flow() -> None:
    gate = SeriesGate(Index(), LimitSettings(max_series_per_tenant=2))
    assert gate.intern(named("a"), tenant="t").tolist() == [0]
    got = gate.intern(named("a", "b", "c"), tenant="t").tolist()
    assert got == [0, 1, NO_SERIES]
    assert "the limit is 2" in gate.examples[Reason.SERIES_LIMIT]
    assert gate.intern(named("b", "d"), tenant="t").tolist() == [1, NO_SERIES]
    assert gate.intern(named("d"), tenant="other").tolist() == [2]


def test_bad_labels_are_refused_and_their_neighbours_not() -> None:
    gate = SeriesGate(Index(), LimitSettings(max_labels=2))
    bad = (("a", "1"), ("b", "2"), ("c", "3"))
    repeated = (("a", "1"), ("a", "2"))
    got = gate.intern([bad, *named("x"), repeated], tenant="t").tolist()
    assert got == [BAD_SERIES, 0, BAD_SERIES]
    assert "repeated" in gate.examples[Reason.BAD_LABELS]


def test_book_adds_up_and_keeps_the_newest_example() -> None:
    clock = FakeClock(1000)
    book = RejectionBook(clock)
    book.add("push", "t", (Rejected("late", 2, "one"),))
    clock.advance(1)
    book.add("push", "t", (Rejected("late", 3, "two"), Rejected("late", 0, "none")))
    (row,) = book.snapshot()
    assert (row.count, row.example, row.first_ms, row.last_ms) == (5, "two", 1000, 2000)


def test_book_is_bounded_and_loses_no_count() -> None:
    book = RejectionBook(FakeClock())
    for i in range(MAX_ROWS + 50):
        book.add("push", f"t{i}", (Rejected("late", 1, ""),))
    assert len(book.snapshot()) == MAX_ROWS + 1
    assert sum(row.count for row in book.snapshot()) == MAX_ROWS + 50


def test_restored_counts_go_on() -> None:
    first = RejectionBook(FakeClock(1000))
    first.add("push", "t", (Rejected("late", 2, "one"),))
    second = RejectionBook(FakeClock(9000))
    second.add("push", "t", (Rejected("late", 1, "new"),))
    second.restore(first.snapshot())
    (row,) = second.snapshot()
    assert (row.count, row.example, row.first_ms) == (3, "new", 1000)


def test_every_reason_has_its_sentence() -> None:
    assert all(reason.meaning.endswith(".") for reason in Reason)
