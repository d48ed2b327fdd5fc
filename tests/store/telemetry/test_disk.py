"""What the store on disk does when things go wrong: crashes, damage, no room, bad directories."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import Conflict, NewerFormat, Overloaded, Refused, StoreFull, Unavailable
from twinhelm.core.settings import StoreSettings
from twinhelm.core.telemetry import LogBlock, SampleBlock
from twinhelm.store.telemetry import DuckTelemetry, open_telemetry

NOW = 1_700_000_000_000
DAY_MS = 86_400_000
SETTINGS = StoreSettings(flush_interval_s=3600, min_free_bytes=0, retain_logs_days=1e5)
ONE = np.zeros(1, np.uint32)
KILLS = int(os.environ.get("TWINHELM_KILLS", "5"))


def store_in(directory: Path, settings: StoreSettings = SETTINGS) -> DuckTelemetry:
    return open_telemetry(directory, settings, FakeClock(NOW))


def put(store: DuckTelemetry, first: int, count: int) -> None:
    times = NOW + np.arange(first, first + count)
    store.append_samples(SampleBlock(np.zeros(count, np.uint32), times, times.astype(np.float64)))


def times_in(store: DuckTelemetry) -> list[int]:
    return (store.read_samples(ONE, 0, 2**62).time_ms - NOW).tolist()  # type: ignore[no-any-return]


def with_rows(directory: Path, count: int = 10) -> None:
    store = store_in(directory)
    store.intern([(("__name__", "a"),)], tenant="t")
    put(store, 0, count)
    store.close()


def fill(store: DuckTelemetry) -> int:
    """Put rows until there is no room; return how many were acknowledged."""
    kept = 0
    while True:
        try:
            put(store, kept, 1000)
        except StoreFull:
            return kept
        kept += 1000


def abandon(store: DuckTelemetry) -> None:
    """Let go of the files as a crash would: nothing is flushed."""
    store._upkeep.stop()
    store._append_log.close()
    store._database.close()
    store._home.close()
    store._closed = True


def test_opening_again_finds_everything(tmp_path: Path) -> None:
    with_rows(tmp_path)
    store = store_in(tmp_path)
    assert times_in(store) == list(range(10))
    info = store.series(ONE)[0]
    assert (info.first_ms, info.last_ms, info.tenant) == (NOW, NOW + 9, "t")
    assert store.intern([(("__name__", "a"),), (("__name__", "b"),)], tenant="t").tolist() == [0, 1]
    assert store.stats().samples == 10
    store.close()


def test_what_a_crash_left_in_the_log_is_taken_back_once(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.intern([(("__name__", "a"),)], tenant="t")
    put(store, 0, 5)
    store.flush()
    put(store, 5, 5)
    abandon(store)
    for _ in range(2):
        store = store_in(tmp_path)
        assert times_in(store) == list(range(10))
        abandon(store)
    store = store_in(tmp_path)
    store.flush()
    assert times_in(store) == list(range(10))
    assert store.stats().samples == 10
    store.close()


def test_digests_survive_a_restart(tmp_path: Path) -> None:
    block = LogBlock(
        np.array([1]), np.zeros(1, np.int32), ((),), np.zeros(1, np.uint8), ["x"], [""], [""], [""]
    )
    for end in (abandon, DuckTelemetry.close):
        store = store_in(tmp_path)
        assert store.append_logs(block, tenant="t", digest=end.__name__.encode())
        end(store)
        store = store_in(tmp_path)
        assert not store.append_logs(block, tenant="t", digest=end.__name__.encode())
        store.close()


def test_a_torn_tail_is_cut_and_all_before_it_is_kept(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.intern([(("__name__", "a"),)], tenant="t")
    put(store, 0, 5)
    abandon(store)
    (log,) = tmp_path.glob("wal-*.log")
    whole = log.read_bytes()
    for torn in (whole[:-1], whole + b"TWL1\x03", whole + bytes(100), whole + whole[:20]):
        log.write_bytes(torn)
        store = store_in(tmp_path)
        assert times_in(store) == ([] if len(torn) < len(whole) else list(range(5)))
        assert store.stats().reason == ""
        abandon(store)
        for other in tmp_path.glob("wal-*"):
            if other != log:
                other.unlink()


def test_damage_in_the_middle_is_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.intern([(("__name__", "a"),)], tenant="t")
    for first in range(3):
        put(store, first, 1)
    abandon(store)
    (log,) = tmp_path.glob("wal-*.log")
    data = bytearray(log.read_bytes())
    data[-50] ^= 1
    log.write_bytes(data)
    store = store_in(tmp_path)
    assert times_in(store) == [0, 2]
    assert "is damaged" in store.stats().reason
    assert log.with_suffix(".damaged").read_bytes() == data
    store.close()


def test_samples_whose_series_was_lost_are_left_out(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.intern([(("__name__", "a"),)], tenant="t")
    put(store, 0, 1)
    abandon(store)
    (log,) = tmp_path.glob("wal-*.log")
    data = bytearray(log.read_bytes())
    data[20] ^= 1
    log.write_bytes(data)
    store = store_in(tmp_path)
    assert store.series_count() == 0
    assert len(store.read_samples(ONE, 0, 2**62)) == 0
    store.close()


def test_a_newer_format_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    with_rows(tmp_path)
    (tmp_path / "FORMAT").write_text("99\n")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(NewerFormat, match="format 99, this release knows 1"):
        store_in(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("text", ["", "two", "1.5"])
def test_a_format_that_is_no_number_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "FORMAT").write_text(text)
    with pytest.raises(Refused, match="where a number belongs"):
        store_in(tmp_path)


def test_a_copy_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    with_rows(tmp_path)
    (tmp_path / "FORMAT").unlink()
    with pytest.raises(Refused, match="no FORMAT file"):
        store_in(tmp_path)


def test_a_second_opener_is_told_of_the_first(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    with pytest.raises(Conflict, match="another process uses"):
        store_in(tmp_path)
    store.close()
    store_in(tmp_path).close()


def test_a_directory_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(Unavailable, match="cannot be used"):
        store_in(tmp_path / "x")


def test_a_database_that_is_rubbish_is_told(tmp_path: Path) -> None:
    with_rows(tmp_path)
    (tmp_path / "telemetry.duckdb").write_bytes(b"rubbish" * 1000)
    with pytest.raises(Unavailable, match="cannot be opened"):
        store_in(tmp_path)


def test_a_full_disk_stops_taking_keeps_reading_and_resumes(tmp_path: Path) -> None:
    free, clock = [1 << 30], FakeClock(NOW)
    settings = SETTINGS.model_copy(update={"min_free_bytes": 1 << 20})
    store = open_telemetry(tmp_path, settings, clock, free_bytes=lambda: free[0])
    store.intern([(("__name__", "a"),)], tenant="t")
    put(store, 0, 2)
    free[0] = (1 << 20) - 1
    with pytest.raises(StoreFull, match="telemetry stops below 1 MiB"):
        put(store, 2, 2)
    with pytest.raises(StoreFull):
        store.intern([(("__name__", "b"),)], tenant="t")
    assert times_in(store) == [0, 1]
    assert not store.stats().taking
    assert store.series_count() == 1
    free[0] = 1 << 30
    put(store, 2, 2)
    assert times_in(store) == [0, 1, 2, 3]
    # Whoever looks a little later still sees that something was refused.
    clock.advance(9)
    stats = store.stats()
    assert (stats.taking, stats.reason.startswith("just now ")) == (False, True)
    clock.advance(2)
    assert (store.stats().taking, store.stats().reason) == (True, "")
    store.close()


def test_a_really_full_disk_keeps_every_acknowledged_row(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)], capture_output=True
    )
    if made.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {made.stderr.decode()}")
    try:
        store = store_in(mount)
        store.intern([(("__name__", "a"),)], tenant="t")
        kept = fill(store)
        with pytest.raises((StoreFull, Unavailable)):
            store.flush()
        assert times_in(store) == list(range(kept))
        abandon(store)
        subprocess.run(["mount", "-o", "remount,size=64m", str(mount)], check=True)
        store = store_in(mount)
        put(store, kept, 1000)
        store.flush()
        assert times_in(store) == list(range(kept + 1000))
        store.close()
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_full_disk_that_gets_room_again_needs_no_restart(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)], capture_output=True
    )
    if made.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {made.stderr.decode()}")
    try:
        store = store_in(mount)
        store.intern([(("__name__", "a"),)], tenant="t")
        kept = fill(store)
        with pytest.raises((StoreFull, Unavailable)):
            store.flush()
        subprocess.run(["mount", "-o", "remount,size=64m", str(mount)], check=True)
        put(store, kept, 1000)
        store.flush()
        assert times_in(store) == list(range(kept + 1000))
        assert store.stats().pending_rows == 0
        store.close()
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_flush_that_cannot_keep_up_refuses_more(tmp_path: Path) -> None:
    store = store_in(tmp_path, SETTINGS.model_copy(update={"flush_rows": 10}))
    store.intern([(("__name__", "a"),)], tenant="t")
    with store._flush_lock:
        put(store, 0, 41)
        with pytest.raises(Overloaded, match="41 samples wait"):
            put(store, 41, 1)
    store.flush()
    put(store, 41, 1)
    assert times_in(store) == list(range(42))
    store.close()


def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.intern([(("__name__", "a"),)], tenant="t")
    store.close()
    store.close()
    with pytest.raises(Unavailable, match="closed"):
        put(store, 0, 1)


def test_a_backup_holds_all_that_was_acknowledged(tmp_path: Path) -> None:
    store = store_in(tmp_path / "live")
    store.intern([(("__name__", "a"),)], tenant="t")
    put(store, 0, 5)
    store.flush()
    put(store, 5, 5)
    store.backup(tmp_path / "copy")
    put(store, 10, 5)
    copy = store_in(tmp_path / "copy")
    assert times_in(copy) == list(range(10))
    put(copy, 10, 1)
    copy.close()
    assert times_in(store) == list(range(15))
    with pytest.raises(Conflict, match="not empty"):
        store.backup(tmp_path / "copy")
    store.close()


def test_waiting_for_the_disk_is_shared_between_threads(tmp_path: Path) -> None:
    store = store_in(tmp_path, SETTINGS.model_copy(update={"sync_interval_s": 0}))
    store.intern([(("__name__", "a"),)], tenant="t")
    threads = [
        threading.Thread(target=lambda k=k: [put(store, k * 50 + i, 1) for i in range(50)])
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store._append_log._synced == store._append_log._written
    assert times_in(store) == list(range(200))
    store.close()


def test_readers_see_every_row_once_while_it_moves(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.intern([(("__name__", "a"),)], tenant="t")
    done = threading.Event()
    wrong: list[str] = []

    def read() -> None:
        while not done.is_set():
            before = store.stats().samples
            got = times_in(store)
            if got != list(range(len(got))) or len(got) < before:
                wrong.append(f"{before} acknowledged, {len(got)} read")

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for first in range(0, 3000, 100):
        put(store, first, 100)
        if first % 300 == 0:
            store.flush()
        if first % 1000 == 0:
            store.tidy(NOW + 2 * DAY_MS)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert times_in(store) == list(range(3000))
    store.close()


def test_space_is_used_again(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"retain_samples_days": 3})
    store = store_in(tmp_path, settings)
    ids = store.intern([(("i", str(i)),) for i in range(200)], tenant="t")
    rng = np.random.default_rng(1)
    sizes = []
    for day in range(12):
        for part in range(4):
            times = NOW + day * DAY_MS + part * DAY_MS // 4 + np.arange(100) * 1000
            store.append_samples(
                SampleBlock(np.repeat(ids, 100), np.tile(times, 200), rng.normal(size=20_000))
            )
            store.flush()
        store.tidy(NOW + (day + 1) * DAY_MS)
        sizes.append(store.stats().disk_bytes)
    assert max(sizes[6:]) <= 1.3 * max(sizes[3:6])
    store.close()


WRITER = textwrap.dedent(
    """
    import sys
    import numpy as np
    from pathlib import Path
    from twinhelm.core.clock import SystemClock
    from twinhelm.core.settings import StoreSettings
    from twinhelm.core.telemetry import LogBlock, SampleBlock
    from twinhelm.store.telemetry import open_telemetry

    settings = StoreSettings(
        flush_interval_s=0.03, min_free_bytes=0, retain_logs_days=1e5, retain_samples_days=1e5
    )
    store = open_telemetry(Path(sys.argv[1]), settings, SystemClock())
    at = int(sys.argv[2])
    while True:
        ids = store.intern([(("n", str(at)),), (("n", "shared"),)], tenant="t")
        n = 20
        times = np.arange(at * n, at * n + n)
        values = times.astype(np.float64)
        store.append_samples(SampleBlock(np.full(n, ids[1]), times, values))
        store.append_samples(SampleBlock(np.full(n, ids[0]), times, values))
        block = LogBlock(
            np.array([at]), np.zeros(1, np.int32), ((),), np.zeros(1, np.uint8),
            [str(at)], [""], [""], [""],
        )
        store.append_logs(block, tenant="t", digest=str(at).encode())
        at += 1
        print(at, flush=True)
        if at % 30 == 0:
            store.tidy(SystemClock().now_ms())
    """
)


def test_kill_at_random_moments_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(20)
    done = 0
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(done + 1000)],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            for _ in range(int(rng.integers(1, 150))):
                last = writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            last = (writer.stdout.read().splitlines() or [last.strip()])[-1]
        first, done = done + 1000, int(last)
        store = store_in(tmp_path)
        times, counts = np.unique(
            store.read_samples(
                np.array([i.id for i in store.find_series([])], np.uint32), 0, 2**62
            ).time_ms,
            return_counts=True,
        )
        acknowledged = np.arange(first * 20, done * 20)
        assert np.isin(acknowledged, times).all()
        assert (counts[np.isin(times, acknowledged)] == 2).all()
        assert counts.max() == 2
        bodies = [record.body for record in store.read_logs([], 0, 2**62, limit=10**6)]
        assert len(set(bodies)) == len(bodies)
        assert {str(n) for n in range(first, done)} <= set(bodies)
        abandon(store)
