"""How runbooks stand in this house: how far each goes by itself, and what became of its repairs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from twinhelm.aiops.automate.limits import Autonomy, autonomy_of
from twinhelm.aiops.automate.repair import OPEN, UNDER_WAY, Repair
from twinhelm.aiops.automate.runbook import Level, Runbook
from twinhelm.aiops.flow.repairs.books import Books
from twinhelm.aiops.flow.repairs.kept import Book, find_repairs, get_book
from twinhelm.aiops.records import find_answers
from twinhelm.core.errors import TwinhelmError
from twinhelm.events.values import Reading

__all__ = ["Past", "Shelved", "autonomy", "past_of", "shelf"]

PAST = 500
"""So many of the newest repairs are looked at; more than a week of a house at its limits."""


@dataclass(frozen=True, slots=True)
class Past:
    """The repairs that limits look at, and what people said of them, by id."""

    repairs: list[Repair]
    spoken: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shelved:
    """A runbook with its repairs, the newest first; ``fault`` says why it can be used no more."""

    book: Book
    says: str = ""
    owner: str = ""
    dangerous: bool = False
    autonomy: Autonomy | None = None
    repairs: tuple[Repair, ...] = ()
    fault: str = ""


def past_of(unit: Reading) -> Past:
    """Read the newest repairs, whatever is not over, and what people said of them."""
    found = [*find_repairs(unit, limit=PAST), *find_repairs(unit, states=[*OPEN, *UNDER_WAY])]
    said = {each.about.removeprefix("repair/"): each.right for each in find_answers(unit)
            if each.of == "action"}  # fmt: skip
    return Past(list({each.id: each for each in found}.values()), said)


def autonomy(books: Books, book: Book, runbook: Runbook, past: Past) -> Autonomy:
    """Say how far a runbook goes by itself here.

    What its author says counts as far as "ask", in a folder, where it was reviewed, whole.
    """
    said = runbook.runbook.level
    if book.level is not None:
        said = book.level
    elif book.source != "folder" and said is Level.ACT:
        said = Level.ASK
    told = said, books.environment, books.policy, past.repairs, past.spoken
    return autonomy_of(runbook, book.digest, *told)


def shelf(books: Books, name: str = "") -> list[Shelved]:
    """Say how the runbooks in use stand, by name, or one whether in use or not.

    Raises :class:`NotFound`.
    """
    with books.records.reading() as unit:
        past = past_of(unit)
        used = [get_book(unit, name)] if name else books.used(unit)
    return [_shelved(books, each, past) for each in sorted(used, key=lambda one: one.name)]


def _shelved(books: Books, book: Book, past: Past) -> Shelved:
    own = [one for one in past.repairs if one.runbook == book.name]
    repairs = tuple(sorted(own, key=lambda one: -one.asked_ms))
    try:
        read = books.runbook(book)
    except TwinhelmError as error:
        return Shelved(book, repairs=repairs, fault=str(error))
    head, level = read.runbook, autonomy(books, book, read, past)
    return Shelved(book, head.says, head.owner, head.dangerous, level, repairs)
