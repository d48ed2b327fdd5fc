"""The shelf: versions for good, sources in their order, a folder that is followed, a policy that
closes where it cannot be read.
"""

from __future__ import annotations

import os
import subprocess

import pytest

from peers.runbooks import RESTART
from twinhelm.aiops.automate.runbook import Level
from twinhelm.aiops.flow.repairs.books import Books
from twinhelm.core.errors import BadInput, Conflict, NotFound

POLICY = "[autonomy]\nearn = 7\n"


@pytest.fixture
def shelf(house, tmp_path):
    """``shelf()``: the books of a house that follow ``folder``; called again, after a restart."""

    def opened():
        return Books(house.records, house.journal, house.clock, house.actors, tmp_path / "books")

    (tmp_path / "books").mkdir()
    opened.folder = tmp_path / "books"
    return opened


def write(folder, name, text):
    """Write a file so that it has another time than before, however fast the test is."""
    file = folder / name
    file.write_text(text)
    write.count += 1
    os.utime(file, ns=(write.count, write.count))


write.count = 10**18


def test_a_version_is_for_good_and_the_same_text_is_none(house):
    first = house.books.add(RESTART, source="api", by="ada")
    assert house.books.add(RESTART, source="api", by="carl") == first
    house.clock.advance(1)
    house.books.add(RESTART.replace("grows.", "grows and grows."), source="api", by="carl")
    versions = house.books.versions("restart")
    assert [(each.version, each.by) for each in versions] == [(2, "carl"), (1, "ada")]
    assert house.books.get("restart", 1) == first
    with pytest.raises(NotFound, match="with a version 3"):
        house.books.get("restart", 3)
    assert house.kinds("runbook/restart") == ["runbook.changed", "runbook.changed"]


def test_a_folder_is_followed(shelf):
    books = shelf()
    write(shelf.folder, "restart.toml", RESTART)
    books.look()
    assert [(each.name, each.source) for each in books.all()] == [("restart", "folder")]
    write(shelf.folder, "restart.toml", RESTART.replace('"ask"', '"act"'))
    books.look()
    assert books.get("restart").version == 2
    (shelf.folder / "restart.toml").unlink()
    books.look()
    assert books.all() == []


def git(folder, *words):
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode().strip()


def test_a_repair_names_the_commit_that_its_runbook_came_from(shelf, house):
    books = house.books = house.judge.books = shelf()
    write(shelf.folder, "restart.toml", RESTART)
    books.look()
    assert books.get("restart").commit is None
    git(shelf.folder, "init", "-q")
    git(shelf.folder, "add", ".")
    git(shelf.folder, "commit", "-q", "-m", "one")
    one = git(shelf.folder, "rev-parse", "HEAD")
    books.look()
    assert (books.get("restart").commit, books.get("restart").version) == (one, 1)
    git(shelf.folder, "commit", "-q", "--allow-empty", "-m", "elsewhere")
    shelf().look()
    assert books.get("restart").commit == one
    house.open(1)
    house.hear()
    assert house.desk.get("1-1").commit == one
    write(shelf.folder, "restart.toml", RESTART + "# better\n")
    books.look()
    assert books.get("restart").commit == git(shelf.folder, "rev-parse", "HEAD") + " with changes"
    git(shelf.folder, "commit", "-q", "-a", "-m", "two")
    books.look()
    two = git(shelf.folder, "rev-parse", "HEAD")
    assert (books.get("restart").commit, books.get("restart").version) == (two, 2)
    kinds = house.kinds("runbook/restart")
    assert kinds == ["runbook.changed"] * 4  # taken, committed, changed, committed


def test_what_went_while_the_house_was_away_is_noticed(shelf):
    write(shelf.folder, "restart.toml", RESTART)
    shelf().look()
    (shelf.folder / "restart.toml").unlink()
    again = shelf()
    again.look()
    assert again.all() == []


def test_a_file_that_cannot_be_read_is_told_and_the_version_before_stays(shelf):
    books = shelf()
    write(shelf.folder, "restart.toml", RESTART)
    books.look()
    write(shelf.folder, "restart.toml", RESTART.replace("doer", "dooer"))
    write(shelf.folder, "other.toml", RESTART.replace('"restart"', '"another"'))
    (shelf.folder / "bytes.toml").write_bytes(b"\xff")
    books.look()
    assert books.get("restart").version == 1
    assert "restart.toml:14:1: nobody knows how to do 'dooer'" in books.wrong["restart.toml"]
    assert "call it another.toml" in books.wrong["other.toml"]
    assert "bytes.toml" in books.wrong
    write(shelf.folder, "restart.toml", RESTART)
    books.look()
    assert "restart.toml" not in books.wrong


def test_a_folder_that_is_away_takes_nothing_out_of_use(shelf):
    write(shelf.folder, "restart.toml", RESTART)
    books = shelf()
    books.look()
    shelf.folder.rename(shelf.folder.with_name("elsewhere"))
    books.look()
    assert [each.name for each in books.all()] == ["restart"]
    assert "cannot be read" in books.wrong[str(shelf.folder)]


def test_until_its_policy_was_read_nothing_begins(shelf):
    books = shelf()
    write(shelf.folder, "policy.toml", "[autonomy]\nearn = -1")
    books.look()
    assert [rule.name for rule in books.policy.rules] == ["closed"]
    write(shelf.folder, "policy.toml", POLICY)
    books.look()
    assert (books.policy.autonomy.earn, books.policy.rules) == (7, ())
    write(shelf.folder, "policy.toml", "nonsense")
    books.look()
    assert books.policy.autonomy.earn == 7  # the one before holds
    (shelf.folder / "policy.toml").unlink()
    books.look()
    assert books.policy.autonomy.earn == 3


def test_a_name_belongs_to_where_it_came_from(shelf):
    books = shelf()
    books.shelve({"restart.toml": RESTART, "bad.toml": "x"})
    assert books.get("restart").source == "library"
    assert "bad.toml" in books.wrong
    books.set_level("restart", Level.ACT, by="grace")
    write(shelf.folder, "restart.toml", RESTART)
    books.look()
    assert (books.get("restart").source, books.get("restart").level) == ("folder", Level.ACT)
    with pytest.raises(Conflict, match="comes from the folder"):
        books.add(RESTART + "\n", source="api", by="carl")
    with pytest.raises(Conflict, match="comes from the folder"):
        books.remove("restart", source="api", by="carl")
    books.shelve({"restart.toml": RESTART})
    assert books.get("restart").source == "folder"


def test_a_text_that_is_wrong_changes_nothing(house):
    with pytest.raises(BadInput, match="for no incident in particular"):
        house.books.add(RESTART.replace('resource = ["memory"]\nentity = ["service:[a-z/-]+"]', ""),
                        source="api", by="ada")  # fmt: skip
    assert house.books.all() == []
