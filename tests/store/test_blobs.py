from __future__ import annotations

import stat
from pathlib import Path

import pytest

from peers.memory_blobs import MemoryBlobs
from twinhelm.core.errors import BadInput, Unavailable
from twinhelm.core.ports import Blobs
from twinhelm.store.blobs import FileBlobs


@pytest.fixture(params=["files", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return FileBlobs(tmp_path / "blobs") if request.param == "files" else MemoryBlobs()


def test_gives_back_what_was_put(blobs: Blobs) -> None:
    blobs.put("a/b.bin", b"\0one")
    blobs.put("empty", b"")
    assert blobs.get("a/b.bin") == b"\0one"
    assert blobs.get("empty") == b""


def test_a_put_replaces_the_whole(blobs: Blobs) -> None:
    blobs.put("a", b"long before")
    blobs.put("a", b"new")
    assert blobs.get("a") == b"new"


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    FileBlobs(tmp_path).put("a", b"1")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_what_is_not_there_is_none(blobs: Blobs) -> None:
    assert blobs.get("a") is None
    blobs.put("a", b"1")
    assert blobs.get("a/b") is None


def test_names_are_sorted(blobs: Blobs) -> None:
    for name in ("b/2", "b/10", "a"):
        blobs.put(name, b"")
    assert list(blobs.names()) == ["a", "b/10", "b/2"]


def test_delete_forgets_and_may_be_repeated(blobs: Blobs) -> None:
    blobs.put("a", b"1")
    blobs.delete("a")
    blobs.delete("a")
    assert blobs.get("a") is None
    assert list(blobs.names()) == []


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "../a", "a/../b", ".hidden", "a b", "a~", "ä", "a" * 201]
)
def test_refuses_names_that_could_leave_the_directory(blobs: Blobs, name: str) -> None:
    with pytest.raises(BadInput, match="cannot name a blob"):
        blobs.put(name, b"")


def test_a_put_cut_short_leaves_the_old_bytes_and_is_cleaned_up(tmp_path: Path) -> None:
    FileBlobs(tmp_path).put("a", b"old")
    (tmp_path / "a~").write_bytes(b"hal")
    again = FileBlobs(tmp_path)
    assert again.get("a") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_failed_put_keeps_the_old_bytes(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    blobs.put("a", b"old")
    (tmp_path / "a~").mkdir()
    with pytest.raises((Unavailable, IsADirectoryError)):
        blobs.put("a", b"new")
    (tmp_path / "a~").rmdir()
    assert blobs.get("a") == b"old"


def test_a_directory_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(Unavailable, match="cannot be used"):
        FileBlobs(tmp_path / "x")
