from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from twinhelm.store.telemetry.log import AppendLog


def opened(directory: Path, first: int = 0) -> tuple[AppendLog, list[tuple[int, int, bytes]]]:
    log = AppendLog(directory, sync_interval_s=0, min_free_bytes=0, free_bytes=lambda: 1 << 40)
    found = [(segment, kind, bytes(data)) for segment, kind, data in log.replay(first)]
    log.start()
    return log, found


APPEND_PAST_THE_LIMIT = """
import resource, sys
from pathlib import Path
from twinhelm.core.errors import StoreFull
from twinhelm.store.telemetry.log import AppendLog

log = AppendLog(Path(sys.argv[1]), sync_interval_s=0, min_free_bytes=0, free_bytes=lambda: 1 << 40)
list(log.replay(0))
log.start()
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
log.append(1, [b"a" * 500])
try:
    log.append(2, [b"b" * 600])
except StoreFull as error:
    sys.stdout.write(str(error))
log.append(3, [b"c" * 100])
log.close()
"""
"""Where no file may grow past 1,000 bytes: a full disk, as far as one file can tell.

The limit holds for a whole process, its standard output included, so a child takes it on.
"""


def test_records_come_back_in_order(tmp_path: Path) -> None:
    log, found = opened(tmp_path)
    assert found == []
    log.append(3, [b"one", b"", b"two"])
    log.append(4, [])
    log.close()
    log, found = opened(tmp_path)
    assert found == [(0, 3, b"onetwo"), (0, 4, b"")]
    log.close()


def test_segments_before_the_position_are_removed(tmp_path: Path) -> None:
    log, _ = opened(tmp_path)
    log.append(1, [b"old"])
    assert log.rotate() == 1
    log.append(1, [b"new"])
    log.close()
    log, found = opened(tmp_path, 1)
    assert found == [(1, 1, b"new")]
    assert log.segment == 2
    assert not (tmp_path / "wal-00000000.log").exists()
    log.close()


def test_a_part_written_for_lack_of_room_is_cut_away(tmp_path: Path) -> None:
    child = [sys.executable, "-c", APPEND_PAST_THE_LIMIT, str(tmp_path)]
    done = subprocess.run(child, capture_output=True, text=True, check=True, timeout=60)
    assert "no room" in done.stdout
    log, found = opened(tmp_path)
    assert [(kind, len(data)) for _, kind, data in found] == [(1, 500), (3, 100)]
    assert log.damage == ()
    log.close()


def test_hundreds_of_parts_are_one_record(tmp_path: Path) -> None:
    log, _ = opened(tmp_path)
    log.append(1, [b"%d," % i for i in range(500)])
    log.close()
    log, found = opened(tmp_path)
    assert found[0][2] == b"".join(b"%d," % i for i in range(500))
    log.close()


@pytest.mark.parametrize("place", [0, 4, 8, 12, 16, 20])
def test_a_flipped_bit_anywhere_is_found(tmp_path: Path, place: int) -> None:
    log, _ = opened(tmp_path)
    for part in (b"first", b"second", b"third"):
        log.append(1, [part])
    log.close()
    file = tmp_path / "wal-00000000.log"
    data = bytearray(file.read_bytes())
    data[16 + 5 + place] ^= 4
    file.write_bytes(data)
    log, found = opened(tmp_path)
    assert [data for _, _, data in found] == [b"first", b"third"]
    assert "22 bytes from byte 21 on" in log.damage[0]
    log.close()
