from __future__ import annotations

import numpy as np
import pytest

from twinhelm.aiops.clean.samples import BAD_SERIES, NO_SERIES, Cleaner, admit_history
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import STALE_NAN_BITS, SampleBlock

NOW = 1_700_000_000_000


def block(*rows: tuple[int, int, float]) -> SampleBlock:
    return SampleBlock(
        np.array([r[0] for r in rows], np.uint32),
        np.array([r[1] for r in rows], np.int64),
        np.array([r[2] for r in rows], np.float64),
    )


def rows(some: SampleBlock) -> list[tuple[int, int, float]]:
    return list(zip(some.series.tolist(), some.time_ms.tolist(), some.value.tolist(), strict=True))


@pytest.fixture
def cleaner() -> Cleaner:
    return Cleaner(LimitSettings())


def test_all_fresh_hands_on_the_block_itself(cleaner: Cleaner) -> None:
    some = block((0, NOW, 1.0), (1, NOW, 2.0), (0, NOW + 1, 3.0))
    admission = cleaner.admit(some, NOW)
    assert admission.fresh is some
    assert not len(admission.late)
    assert not admission.rejected


def test_empty_block(cleaner: Cleaner) -> None:
    assert not len(cleaner.admit(SampleBlock.empty(), NOW).fresh)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((0, NOW, 1.0), "duplicate"),
        ((0, NOW, 2.0), "conflicting"),
        ((0, NOW + 700_000, 1.0), "too_far_ahead"),
        ((0, NOW - 500 * 86_400_000, 1.0), "too_old"),
        ((NO_SERIES, NOW, 1.0), "series_limit"),
        ((BAD_SERIES, NOW, 1.0), "bad_labels"),
        ((1 << 30, NOW, 1.0), "series_limit"),
    ],
)
def test_each_reason_is_counted(cleaner: Cleaner, row: tuple[int, int, float], reason: str) -> None:
    admission = cleaner.admit(block((0, NOW, 1.0), row, (5, NOW, 9.0)), NOW)
    assert [(r.reason, r.count) for r in admission.rejected] == [(reason, 1)]
    assert rows(admission.fresh) == [(0, NOW, 1.0), (5, NOW, 9.0)]


def test_gate_examples_are_shown(cleaner: Cleaner) -> None:
    given = cleaner.admit(block((NO_SERIES, NOW, 1.0)), NOW, examples={"series_limit": "{up}"})
    assert given.rejected[0].example == "{up}"


def test_older_than_the_newest_is_late_within_and_across_blocks(cleaner: Cleaner) -> None:
    first = cleaner.admit(block((0, NOW, 1.0), (0, NOW - 5, 2.0)), NOW)
    assert rows(first.late) == [(0, NOW - 5, 2.0)]
    assert rows(cleaner.admit(block((0, NOW - 9, 3.0)), NOW).late) == [(0, NOW - 9, 3.0)]


def test_nan_sent_twice_is_a_duplicate(cleaner: Cleaner) -> None:
    cleaner.admit(block((0, NOW, float("nan"))), NOW)
    again = cleaner.admit(block((0, NOW, float("nan"))), NOW)
    assert again.rejected[0].reason == "duplicate"


def test_stale_marker_is_kept(cleaner: Cleaner) -> None:
    stale = np.array([STALE_NAN_BITS], np.uint64).view(np.float64)
    some = SampleBlock(np.zeros(1, np.uint32), np.array([NOW]), stale)
    assert len(cleaner.admit(some, NOW).fresh) == 1


def test_primed_time_itself_is_late_so_that_the_store_decides(cleaner: Cleaner) -> None:
    cleaner.prime({3: NOW, 5_000: NOW})
    given = cleaner.admit(block((3, NOW, 1.0), (3, NOW + 1, 1.0), (5_000, NOW - 1, 1.0)), NOW)
    assert rows(given.fresh) == [(3, NOW + 1, 1.0)]
    assert len(given.late) == 2
    cleaner.prime({3: NOW - 10})
    assert len(cleaner.admit(block((3, NOW, 1.0)), NOW).late) == 1


def test_after_revert_a_retry_is_fresh_again(cleaner: Cleaner) -> None:
    cleaner.admit(block((0, NOW - 5, 1.0)), NOW)
    failed = block((0, NOW, 2.0), (1, NOW, 2.0))
    cleaner.admit(failed, NOW)
    cleaner.revert(failed.series, {0: NOW - 5})
    assert len(cleaner.admit(failed, NOW).fresh) == 2


def test_read_only_and_strided_input(cleaner: Cleaner) -> None:
    wide = np.arange(20, dtype=np.int64) + NOW
    some = SampleBlock(np.zeros(10, np.uint32), wide[::2], np.ones(10))
    some.series.flags.writeable = False
    assert len(cleaner.admit(some, NOW).fresh) == 10


def test_history_drops_what_stands_already_and_repeats() -> None:
    existing = block((1, 20, 5.0), (0, 10, 5.0))
    incoming = block((1, 30, 1.0), (0, 10, 9.0), (0, 11, 2.0), (1, 30, 7.0), (2, 10, 1.0))
    assert rows(admit_history(existing, incoming)) == [(1, 30, 1.0), (0, 11, 2.0), (2, 10, 1.0)]
    assert not len(admit_history(existing, SampleBlock.empty()))
    assert len(admit_history(SampleBlock.empty(), incoming)) == 4
