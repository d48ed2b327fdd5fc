"""What did a model say, beside what was true? Rows of both, put into one form for all metrics.

In: a truth and answers per row, as numbers, text or booleans, in whatever form data and models
bring them. Out: :class:`Answers`, to :mod:`twinhelm.stats.metrics`. Classes are compared by name
(:func:`name_of`), so that 1, 1.0 and "1" are one class; they are sorted as numbers where all are
numbers, else as text. NaN rule: rows without a truth or without a whole answer are left out, and
``kept`` tells which stayed. Pure; a dictionary look-up per row.

Where a classifier gives no probabilities but plain numbers between 0 and 1 for two classes, those
are taken as the probability of the larger class, as boosters answer.

>>> told = answers([1, 0, 1], ["1", "0", "0"], task="classification")
>>> told.labels, told.truth.tolist(), told.given.tolist()
(('0', '1'), [1, 0, 1], [1, 0, 0])
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from twinhelm.core.arrays import BOOL, F64, I64, Array
from twinhelm.core.errors import BadInput

__all__ = ["MAX_CLASSES", "Answers", "answers", "codes_of", "name_of"]

MAX_CLASSES = 200
"""More different labels than this are no classes: somebody meant a number, or a name."""


@dataclass(frozen=True)
class Answers:
    """m rows with a truth and an answer, of the ``of`` rows that were asked.

    ``truth`` and ``given`` are (m,): float64, or positions in ``labels`` for classes. ``chance``
    is (m, k), the probability of each label, None where the model gives none. ``positive`` is the
    position of the class that is looked for, -1 unless there are two. ``kept`` is (m,): which of
    the asked rows these are, ascending.
    """

    truth: Array
    given: Array
    kept: I64
    of: int
    labels: tuple[str, ...] = ()
    positive: int = -1
    chance: F64 | None = None

    @cached_property
    def orders(self) -> dict[int, tuple[I64, I64]]:
        """Keep, by class, the rows by ascending probability and where each distinct one begins."""
        return {}

    @property
    def surest(self) -> tuple[F64, BOOL]:
        """How likely the positive class (of many: the answer) was said to be, and whether it was.

        Both (m,); empty where the model gives no probabilities.
        """
        if self.chance is None:
            return np.empty(0), np.empty(0, np.bool_)
        column = self.positive if self.positive >= 0 else self.given
        return self.chance[np.arange(len(self.kept)), column], self.truth == column

    def among(self, rows: BOOL) -> "Answers":
        """Return what belongs to some of the asked rows; ``rows`` is (of,)."""
        mine = rows[self.kept]
        chance = None if self.chance is None else self.chance[mine]
        return replace(
            self,
            truth=self.truth[mine],
            given=self.given[mine],
            kept=self.kept[mine],
            chance=chance,
        )


def answers(
    truth: Array | Sequence[Any],
    prediction: Array | Sequence[Any],
    *,
    task: str,
    probability: F64 | None = None,
    classes: Sequence[str] = (),
    positive: str = "",
) -> Answers:
    """Put ``truth`` and ``prediction`` (n,) of a classification or regression side by side.

    ``probability`` is (n, k) in the order of ``classes``; ``positive`` names the class that is
    looked for where there are two, the larger one if empty. Raises :class:`BadInput` for columns
    of unequal length, text where a number is due, more than 200 classes, or a ``positive`` that
    is none of the two.
    """
    said, held = np.asarray(prediction), np.asarray(truth)
    shapes = [held.shape, said.shape, (len(held), len(classes))]
    n = len(held)
    if said.shape != (n,) or (probability is not None and probability.shape != shapes[2]):
        shapes[2] = () if probability is None else probability.shape
        told = "truths {}, answers {}, probabilities {}".format(*shapes)
        raise BadInput(f"the shapes do not fit: {told}", hint="give one answer to each row")
    if task == "regression":
        try:
            truths, numbers = held.astype(np.float64), said.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise BadInput(f"a regression needs numbers: {error}", hint="classify them") from error
        kept = np.flatnonzero(np.isfinite(truths) & np.isfinite(numbers))
        return Answers(truths[kept], numbers[kept], kept, n)
    book: dict[str, int] = {}
    codes = codes_of(held, book)
    if probability is None and len(book) <= 2 and _are_chances(said):
        classes = _in_order(book) if len(book) == 2 else ("0", "1")
        probability = np.column_stack([1.0 - said, said])
        said = np.array(classes, object)[(said >= 0.5).astype(int)]
    given, columns = codes_of(said, book), codes_of(np.array([*classes], object), book)
    if len(book) > MAX_CLASSES:
        told = f"there are {len(book)} different labels, the limit is {MAX_CLASSES}"
        raise BadInput(told, hint="a number that is predicted is task 'regression'")
    labels = _in_order(book)
    wanted, at = name_of(positive or labels[-1]) if labels else "", -1
    if len(labels) == 2:
        if wanted not in labels:
            told = f"the positive class {positive!r} is none of {', '.join(labels)}"
            raise BadInput(told, hint="name one of them as data.positive")
        at = labels.index(wanted)
    place = np.full(len(book) + 1, -1)
    place[[book[name] for name in labels]] = np.arange(len(labels))
    known = (codes >= 0) & (given >= 0)
    chance = np.zeros((n, len(labels)))
    if probability is not None:
        chance[:, place[columns]] = probability
        known &= np.isfinite(chance).all(axis=1)
    kept = np.flatnonzero(known)
    sure = None if probability is None else chance[kept]
    return Answers(place[codes[kept]], place[given[kept]], kept, n, labels, at, sure)


def codes_of(values: Array, book: dict[str, int]) -> I64:
    """Look up values (n,) by name in ``book``, which grows; -1 for missing."""
    raw = np.asarray(values).tolist()
    known = {
        value: -1 if value is None or value != value else book.setdefault(name_of(value), len(book))
        for value in dict.fromkeys(raw)
    }
    return np.fromiter(map(known.__getitem__, raw), np.int64, len(raw))


def name_of(value: Any) -> str:
    """Name a class: whole numbers lose their point, everything else is its text."""
    name = str(value)
    return name[:-2] if name.endswith(".0") and name[:-2].lstrip("-").isdigit() else name


def _are_chances(said: Array) -> bool:
    """Tell whether answers can only be probabilities: within 0 and 1, and not all whole."""
    if said.dtype.kind != "f":
        return False
    there = said[~np.isnan(said)]
    return bool(((there >= 0) & (there <= 1)).all() and (there % 1 != 0).any())


def _in_order(book: dict[str, int]) -> tuple[str, ...]:
    try:
        return tuple(sorted(book, key=float))
    except ValueError:
        return tuple(sorted(book))
