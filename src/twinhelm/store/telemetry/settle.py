"""How do samples come to rest? Fresh pages of a closed window of time are sorted into one run.

A flush writes pages that hold a little of every series: quick to write, slow to ask about. Once
a window is over (10 minutes, then 2 hours, then a day), its pages are read, sorted by series
and time, and written again: asking for one series then touches one page or two. Each sample is
rewritten at most three times. Late samples make fresh pages in closed windows; those are merged
once they are a tenth of the window, or many.

In: the database (:mod:`.database`) and the time. Out: the same samples, in fewer bytes. Each
window is one transaction: a crash leaves it as it was or settled. Memory is bounded by
``_BATCH_ROWS``, whatever the window holds.
"""

from collections.abc import Callable

import numpy as np

from twinhelm.core.arrays import I64, Array
from twinhelm.core.settings import StoreSettings
from twinhelm.core.telemetry import SampleBlock
from twinhelm.store.telemetry.database import Database, Reading, insert, page_columns
from twinhelm.store.telemetry.pages import encode_pages, sort_rows

__all__ = ["drop_old", "insert_samples", "settle"]

_WINDOWS_MS = (600_000, 7_200_000, 86_400_000)
"""Ten minutes, two hours, a day; a window of tier ``i + 1`` holds whole windows of tier ``i``."""

_LATE_MS = 60_000
"""A window counts as over this long after its end: most late samples have come by then."""

_BATCH_ROWS = 1_000_000
_LOOSE_PAGES = 256
_DAY_MS = 86_400_000
_FOREVER = (-(2**63), 2**63 - 1)
_ALL_SERIES = (0, 2**32 - 1)

Ids = Callable[[int], int]
"""Reserve this many page ids; return the first."""


def insert_samples(reading: Reading, block: SampleBlock, ids: Ids, now_ms: int) -> None:
    """Write fresh pages, none of which crosses a window that a later merge may take alone."""
    if not len(block):
        return
    window = _windows(block.time_ms, now_ms)
    series_count = int(block.series.max()) + 1
    if window[0] == window[-1] and (window == window[0]).all():
        _write(reading, sort_rows(block, series_count), 0, ids)
        return
    order = np.argsort(window, kind="stable")
    edges = np.flatnonzero(np.diff(window[order])) + 1
    for rows in np.split(order, edges):
        _write(reading, sort_rows(block.rows(rows), series_count), 0, ids)


def settle(database: Database, ids: Ids, now_ms: int) -> None:
    """Merge the pages of every closed window that has loose ones."""
    with database.reading() as reading:
        found = reading.pages(*_FOREVER, *_ALL_SERIES)
    for tier, chosen in _due(found, now_ms):
        with database.writing() as reading:
            _merge(reading, {name: array[chosen] for name, array in found.items()}, tier, ids)


def drop_old(database: Database, settings: StoreSettings, now_ms: int) -> None:
    """Drop what retention says is over; samples go page by page, all else row by row."""
    with database.writing() as reading:
        for table, column, days, unit in (
            ("pages", "end_ms", settings.retain_samples_days, 1),
            ("logs", "time_ns", settings.retain_logs_days, 1_000_000),
            ("spans", "start_ns", settings.retain_spans_days, 1_000_000),
            ("changes", "time_ms", settings.retain_changes_days, 1),
        ):
            reading.cursor.execute(
                f"DELETE FROM {table} WHERE {column} < ?",  # noqa: S608 - names from above
                [(now_ms - int(days * _DAY_MS)) * unit],
            )


def _windows(times: I64, now_ms: int) -> I64:
    """Give each time a key: the largest closed window it lies in, or the smallest open one."""
    key = times // _WINDOWS_MS[0] * 4
    if int(times.min()) // _WINDOWS_MS[1] == (now_ms - _LATE_MS) // _WINDOWS_MS[1]:
        return key
    for tier, width in enumerate(_WINDOWS_MS[1:], 1):
        number = times // width
        closed = (number + 1) * width + _LATE_MS <= now_ms
        key[closed] = number[closed] * (width // _WINDOWS_MS[0]) * 4 + tier
    return key


def _due(found: dict[str, Array], now_ms: int) -> list[tuple[int, I64]]:
    """List (tier, places in ``found``) of the windows to merge now."""
    due = []
    left = np.ones(len(found["id"]), np.bool_)
    for tier in range(len(_WINDOWS_MS), 0, -1):
        width = _WINDOWS_MS[tier - 1]
        number = found["start_ms"] // width
        closed = left & ((number + 1) * width + _LATE_MS <= now_ms)
        left &= ~closed
        places = np.flatnonzero(closed & (found["tier"] <= tier))
        places = places[np.argsort(number[places], kind="stable")]
        edges = np.flatnonzero(np.diff(number[places])) + 1
        for chosen in np.split(places, edges):
            loose = chosen[found["tier"][chosen] < tier]
            rows = int(found["row_count"][chosen].sum())
            late = int(found["row_count"][loose].sum())
            if len(loose) and (late * 10 >= rows or len(loose) >= _LOOSE_PAGES):
                due.append((tier, chosen))
    return due


def _merge(reading: Reading, found: dict[str, Array], tier: int, ids: Ids) -> None:
    by_end = np.argsort(found["hi"], kind="stable")
    reached = np.cumsum(found["row_count"][by_end].astype(np.int64))
    batches = int(reached[-1]) // _BATCH_ROWS + 1
    cuts = np.searchsorted(reached, np.arange(1, batches) * (reached[-1] // batches))
    ends = np.unique(np.append(found["hi"][by_end][cuts], found["hi"].max()))
    first = 0
    for end in ends.tolist():
        touched = (found["hi"] >= first) & (found["lo"] <= end)
        wanted = np.arange(first, end + 1, dtype=np.uint32)
        block = reading.decode(found["id"][touched], wanted, *_FOREVER)
        if len(block):
            local = block.series - np.uint32(first)
            order = sort_rows(SampleBlock(local, block.time_ms, block.value), end - first + 1)
            series = order.series + np.uint32(first)
            _write(reading, SampleBlock(series, order.time_ms, order.value), tier, ids)
        first = end + 1
    reading.cursor.register("gone", {"id": found["id"]})
    reading.cursor.execute("DELETE FROM pages WHERE id IN (SELECT id FROM gone)")
    reading.cursor.unregister("gone")


def _write(reading: Reading, block: SampleBlock, tier: int, ids: Ids) -> None:
    pages = encode_pages(block)
    insert(reading.cursor, "pages", page_columns(pages, ids(len(pages)), tier))
