"""Files of versions are there whole or not at all, and never change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from twinhelm.core.errors import BadInput, TooLarge, Unavailable
from twinhelm.mlops.register.shelf import MODEL, SIGNATURE, Shelf, files_of


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "models")


def put(shelf, source, name="fraud", version="1", sign=lambda _: b"signed"):
    return shelf.add(name, version, source, sign)


def test_a_version_is_copied_read_only_with_its_signature(shelf, model):
    source = model({"code/a/b.py": "x = 1\n"})
    kept = put(shelf, source)
    assert kept == shelf.path("fraud", "1")
    assert shelf.holds("fraud", "1")
    assert (kept / SIGNATURE).read_bytes() == b"signed"
    copies = dict(files_of(kept / MODEL))
    assert {name: path.read_bytes() for name, path in copies.items()} == {
        name: path.read_bytes() for name, path in files_of(source)
    }
    assert all(path.stat().st_mode & 0o777 == 0o400 for path in copies.values())


def test_what_signing_raises_leaves_nothing(shelf, model):
    def sign(_):
        raise BadInput("no")

    with pytest.raises(BadInput):
        put(shelf, model(), sign=sign)
    assert not shelf.holds("fraud", "1")
    assert list(shelf.path("fraud", "1").parent.iterdir()) == []


def test_what_is_signed_is_the_copy(shelf, model):
    source = model()

    def sign(copy):
        (source / "MLmodel").write_text("changed")
        return (copy / "MLmodel").read_bytes()

    kept = put(shelf, source, sign=sign)
    assert (kept / SIGNATURE).read_bytes() == (kept / MODEL / "MLmodel").read_bytes()


def test_deleting_removes_it_and_twice_is_no_error(shelf, model):
    put(shelf, model())
    shelf.delete("fraud", "1")
    shelf.delete("fraud", "1")
    assert not shelf.holds("fraud", "1")


def test_again_replaces(shelf, model):
    put(shelf, model({"old": "1"}))
    kept = put(shelf, model({"new": "1"}))
    assert {name for name, _ in files_of(kept / MODEL)} >= {"new"}
    assert not (kept / MODEL / "old").exists()


def test_leftovers_are_removed_at_start(shelf, model, tmp_path):
    kept = put(shelf, model())
    for left in ("2~", "1~~"):
        (kept.parent / left / MODEL).mkdir(parents=True)
    Shelf(tmp_path / "models")
    assert [each.name for each in kept.parent.iterdir()] == ["1"]


KILLED = """
import os, pathlib, signal, sys
from twinhelm.mlops.register.shelf import Shelf
shelf = Shelf(pathlib.Path(sys.argv[1]))
shelf.add("fraud", "1", pathlib.Path(sys.argv[2]), lambda _: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_killed_half_way_it_is_not_there_and_can_be_added(tmp_path, model):
    source = model()
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "models", source], check=False)
    assert done.returncode == -9
    assert any((tmp_path / "models" / "fraud").iterdir())
    shelf = Shelf(tmp_path / "models")
    assert not shelf.holds("fraud", "1")
    assert list((tmp_path / "models" / "fraud").iterdir()) == []
    assert put(shelf, source).is_dir()


def test_limits_on_bytes_and_files(tmp_path, model):
    source = model({"big": b"x" * 5000})
    with pytest.raises(TooLarge):
        put(Shelf(tmp_path / "a", max_bytes=4000), source)
    with pytest.raises(TooLarge):
        put(Shelf(tmp_path / "b", max_files=3), source)
    assert put(Shelf(tmp_path / "c", max_files=4), source)


@pytest.mark.parametrize("to", ["MLmodel", "/etc", "nowhere"])
def test_links_are_refused(shelf, model, to):
    source = model()
    (source / "link").symlink_to(to)
    with pytest.raises(BadInput, match="link"):
        put(shelf, source)


def test_devices_are_refused(shelf, model):
    source = model()
    os.mkfifo(source / "pipe")
    with pytest.raises(BadInput, match="pipe"):
        put(shelf, source)


def test_names_that_are_not_utf8_are_refused(shelf, model):
    source = model()
    Path(os.fsdecode(os.fsencode(source) + b"/\xff")).touch()
    with pytest.raises(BadInput, match="UTF-8"):
        put(shelf, source)


@pytest.mark.parametrize("name", ["", ".", "..", "../../etc", ".hidden", "x" * 201])
def test_names_that_cannot_be_folders_are_refused(shelf, name):
    with pytest.raises(BadInput):
        shelf.path(name, "1")
    with pytest.raises(BadInput):
        shelf.path("fraud", name)


@pytest.mark.parametrize("name", ["a/../../etc", "a/b", "my model", "modèle", "a~", "a\\b", "a\nb"])
def test_any_other_name_stays_in_the_folder(shelf, tmp_path, name):
    assert shelf.path(name, "1").parent.parent == tmp_path / "models"
    assert not shelf.path(name, "1").parent.name.endswith("~")


def test_what_came_by_git_is_left_out(shelf, model):
    kept = put(shelf, model({".git/config": "x", ".gitignore": "x", "a/.gitignore": "x"}))
    names = {name for name, _ in files_of(kept / MODEL)}
    assert "a/.gitignore" in names
    assert not any(name.startswith(".git") for name in names)


def test_a_folder_that_cannot_be_used_says_so(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unavailable):
        Shelf(tmp_path / "file" / "models")


def test_files_come_in_the_order_of_their_parts(model):
    source = model({"a.b": "1", "a/b": "1", "a/a": "1"})
    names = [name for name, _ in files_of(source)]
    assert names.index("a/a") < names.index("a/b") < names.index("a.b")
