"""The label volume: quota and housekeeping."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from twinhelm.lab.shop.shipping import LABEL_BYTES, LabelVolume

LABEL = bytes(LABEL_BYTES)


def test_the_quota_is_a_full_disk(tmp_path: Path) -> None:
    volume = LabelVolume(tmp_path, limit_bytes=10 * LABEL_BYTES)
    (tmp_path / "archive.old").write_bytes(bytes(9 * LABEL_BYTES + 1))
    with pytest.raises(OSError, match="No space left") as caught:
        volume.write("1.label", LABEL)
    assert caught.value.errno == errno.ENOSPC
    (tmp_path / "archive.old").unlink()
    volume.write("1.label", LABEL)
    assert volume.used_bytes() == LABEL_BYTES


def test_the_oldest_labels_make_room(tmp_path: Path) -> None:
    volume = LabelVolume(tmp_path, limit_bytes=10 * LABEL_BYTES)
    for number in range(30):
        volume.write(f"{number:04d}.label", LABEL)
    assert volume.used_bytes() == 5 * LABEL_BYTES
    assert (tmp_path / "0029.label").exists()
    assert not (tmp_path / "0000.label").exists()


def test_a_full_volume_is_full_however_many_labels_there_are(tmp_path: Path) -> None:
    volume = LabelVolume(tmp_path, limit_bytes=10 * LABEL_BYTES)
    for number in range(30):
        volume.write(f"{number:04d}.label", LABEL)
    (tmp_path / "archive.old").write_bytes(bytes(volume.limit_bytes - volume.used_bytes()))
    with pytest.raises(OSError, match="No space left"):
        volume.write("0030.label", LABEL)
