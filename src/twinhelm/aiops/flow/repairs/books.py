"""The shelf of runbooks: from the library, from a folder of the user's own, from the API.

A text that differs from the last one of its name is a new version, for good; who took it and
whence stands beside it. A name belongs to where it came from: a folder's runbook takes a library's
place, and one from the API takes neither's, so that what a repository says stays what is done.
A file that cannot be read is told and changes nothing: the version before it stays in use.
"""

import logging
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from twinhelm.aiops.automate.policy import Policy, Said, read_policy
from twinhelm.aiops.automate.runbook import Level, Runbook, read_runbook
from twinhelm.aiops.automate.steps import Actor
from twinhelm.aiops.clean import redacted
from twinhelm.aiops.flow.repairs.kept import SHELF, Book, get_book, put_book
from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, Conflict, TooLarge, TwinhelmError
from twinhelm.core.own.commit import commit_of, last_moved_ns
from twinhelm.core.policy import Verdict
from twinhelm.core.ports import Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.repairs import RunbookChanged, RunbookLevelSet, RunbookRemoved
from twinhelm.events.values import Reading, load

__all__ = ["Books"]

log = logging.getLogger(__name__)

MAX_BOOKS = 1000
POLICY = "policy.toml"
CLOSED = Policy(rules=(Said(
    name="closed", verdict=Verdict.DENY, reason="the policy of the house cannot be read",
),))  # fmt: skip
"""What holds until a folder that was named could be read: no repair begins."""
_RANK = {"library": 0, "api": 1, "folder": 2}
"""A source takes the name of a weaker one, never of a stronger one."""
UNCHANGED = re.compile(r"[0-9a-f]{40,64}")
"""The first commit that holds a text as it is; later ones that hold it too say no more."""


@dataclass(slots=True)
class Books:
    """See the module; ``folder`` is the user's, None for none. May be called by any thread."""

    records: Records
    journal: Journal
    clock: Clock
    actors: Mapping[str, Actor]
    folder: Path | None = None
    environment: str = ""
    """Which one this house is in."""
    policy: Policy = field(default_factory=Policy)
    wrong: dict[str, str] = field(default_factory=dict)
    """What could not be read of the folder, by file."""
    _seen: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _read: dict[str, Runbook] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Let nothing begin before the folder's policy was read."""
        if self.folder is not None:
            self.policy = CLOSED

    def check(self, text: str, where: str = "runbook") -> Runbook:
        """Read a text, changing nothing; raises :class:`BadInput` with all that is wrong."""
        return read_runbook(text, where, self.actors, hidden=redacted)

    def runbook(self, book: Book) -> Runbook:
        """Return what a version says; raises :class:`BadInput` where it holds no longer."""
        if book.digest not in self._read:
            self._read[book.digest] = self.check(book.text, f"{book.name} version {book.version}")
        return self._read[book.digest]

    def add(
        self, text: str, *, source: str, by: str, where: str = "runbook", commit: str | None = None
    ) -> Book:
        """Take a text as the newest version of its runbook; the same text again changes nothing.

        Unless it was committed since. Raises :class:`BadInput`, and :class:`Conflict` where the
        name belongs to another source.
        """
        name = self.check(text, where).name
        digest = sha256(text.encode()).hexdigest()
        with self.journal.writing(by) as write:
            before = SHELF.get(write, Book, name)
            if before is not None and not before.removed:
                if _RANK[before.source] > _RANK[source]:
                    said = f"the runbook {name} comes from the {before.source}"
                    raise Conflict(said, hint="change it there, or take another name")
                if (before.digest, before.source) == (digest, source):
                    if before.commit == commit or UNCHANGED.fullmatch(before.commit or ""):
                        return before
                    made = replace(before, commit=commit)
                    put_book(write, made, new=False)
                    write.event(RunbookChanged(name, made.version, digest, source, commit))
                    return made
            elif before is None and write.count("runbook") >= MAX_BOOKS:
                raise TooLarge(f"there are {MAX_BOOKS} runbooks already")
            version = before.version + 1 if before else 1
            # What somebody may do by the API must not go by what was allowed to another text.
            level = before.level if before and source == "folder" else None
            now = self.clock.now_ms()
            made = Book(name, version, digest, text, source, by, now, level, commit=commit)
            put_book(write, made, new=True)
            write.event(RunbookChanged(name, version, digest, source, commit))
        return made

    def remove(self, name: str, *, source: str, by: str) -> None:
        """Let a runbook be used no more; raises :class:`NotFound`, :class:`Conflict`."""
        with self.journal.writing(by) as write:
            book = get_book(write, name)
            if book.source != source:
                said = f"the runbook {name} comes from the {book.source}"
                raise Conflict(said, hint="remove it there, or set its level to suggest")
            if not book.removed:
                put_book(write, replace(book, removed=True), new=False)
                write.event(RunbookRemoved(name, source))

    def set_level(self, name: str, level: Level | None, *, by: str) -> Book:
        """Say how far a runbook may go by itself at most; None: as its author says."""
        with self.journal.writing(by) as write:
            book = get_book(write, name)
            if book.level != level:
                before, book = book.level or "", replace(book, level=level)
                put_book(write, book, new=False)
                write.event(RunbookLevelSet(name, before, level or ""))
        return book

    def all(self) -> list[Book]:
        """List the runbooks in use, by name."""
        with self.records.reading() as unit:
            return sorted(self.used(unit), key=lambda book: book.name)

    def used(self, unit: Reading) -> list[Book]:
        """List the runbooks in use."""
        return SHELF.find(unit, Book, state="used", limit=MAX_BOOKS)

    def sound(self, unit: Reading) -> list[tuple[Book, Runbook]]:
        """List the runbooks in use that can still be read, with what they say."""
        found = []
        for book in self.used(unit):
            try:
                found.append((book, self.runbook(book)))
            except (BadInput, TooLarge) as error:
                self.wrong[book.name] = str(error)
        return found

    def get(self, name: str, version: int | None = None) -> Book:
        """Return a runbook as it is used now, or one version; raises :class:`NotFound`."""
        with self.records.reading() as unit:
            return get_book(unit, name, version)

    def versions(self, name: str) -> list[Book]:
        """List all versions of a runbook, the newest first."""
        with self.records.reading() as unit:
            rows = unit.find("runbook_past", parent=name, newest_first=True)
        return sorted((load(Book, row) for row in rows), key=lambda book: -book.version)

    def shelve(self, texts: Mapping[str, str]) -> None:
        """Take the library, by file; what the folder or a person put in its place stays."""
        for file, text in texts.items():
            try:
                self.add(text, source="library", by="twinhelm", where=file)
            except Conflict:
                continue
            except TwinhelmError as error:
                self._complain(file, str(error))

    def look(self) -> None:
        """Read what has changed in the folder since the last look, the policy too.

        A file that is gone takes its runbook out of use. The folder itself gone changes nothing.
        """
        if self.folder is None or not self._turn.acquire(blocking=False):
            return
        try:
            self._walk(self.folder)
        finally:
            self._turn.release()

    def _walk(self, folder: Path) -> None:
        try:
            files = sorted(each for each in folder.glob("*.toml") if each.is_file())[:MAX_BOOKS]
            moved = last_moved_ns(folder)
            stats = {each.name: each.stat() for each in files}
            stamps = {name: (at.st_mtime_ns, at.st_size, moved) for name, at in stats.items()}
            next(folder.iterdir(), None)
        except OSError as error:
            self._complain(str(folder), f"it cannot be read: {error.strerror}")
            return
        self.wrong.pop(str(folder), None)
        first = not self._seen
        if POLICY not in stamps:
            self.policy = Policy()
        for file in files:
            if self._seen.get(file.name) != stamps[file.name]:
                self._take(file)
                self._seen[file.name] = stamps[file.name]
        gone = self._seen.keys() - stamps.keys()
        names = {Path(name).stem for name in stamps}
        for book in self.all() if gone or first else ():
            if book.source == "folder" and book.name not in names:
                self.remove(book.name, source="folder", by="twinhelm")
        for name in gone:
            del self._seen[name]
            self.wrong.pop(name, None)

    def _take(self, file: Path) -> None:
        try:
            text = file.read_text(encoding="utf-8")
            if file.name == POLICY:
                self.policy = read_policy(text, file.name)
            elif (name := self.check(text, file.name).name) != file.stem:
                raise BadInput(f"{file.name} holds the runbook {name}", hint=f"call it {name}.toml")
            else:
                commit = commit_of(file.parent, file.name)
                self.add(text, source="folder", by="twinhelm", where=file.name, commit=commit)
        except (TwinhelmError, OSError, UnicodeDecodeError) as error:
            self._complain(file.name, str(error))
        else:
            self.wrong.pop(file.name, None)

    def _complain(self, what: str, why: str) -> None:
        if self.wrong.get(what) != why:
            log.error("a runbook is not taken", extra={"file": what, "reason": why})
        self.wrong[what] = why
