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
    if said.ndim != 1 or held.ndim != 1 or len(said) != len(held):
        raise BadInput(
            f"the truth has shape {held.shape} and the answers {said.shape}",
            hint="the model must give one answer per row",
        )
    n = len(held)
    if task == "regression":
        truths, numbers = _numbers(held, "the truth"), _numbers(said, "the model's answer")
        kept = np.flatnonzero(np.isfinite(truths) & np.isfinite(numbers))
        return Answers(truths[kept], numbers[kept], kept, n)
    if probability is not None and probability.shape != (n, len(classes)):
        raise BadInput(
            f"the probabilities have shape {probability.shape}, not ({n}, {len(classes)})",
            hint="give one column per class and one row per row asked",
        )
    book: dict[str, int] = {}
    truths = codes_of(held, book)
    if probability is None and len(book) <= 2 and _are_chances(said):
        low, high = _two(book)
        classes, probability = (low, high), np.column_stack([1.0 - said, said])
        missing = np.isnan(said)
        said = np.where(said >= 0.5, high, low).astype(object)
        said[missing] = None
    given = codes_of(said, book)
    columns = codes_of(np.array([*classes], object), book)
    if len(book) > MAX_CLASSES:
        raise BadInput(
            f"there are {len(book)} different labels, the limit is {MAX_CLASSES}",
            hint="a number that is predicted is task 'regression'",
        )
    labels = _in_order(book)
    place = np.empty(len(book) + 1, np.int64)
    place[[book[name] for name in labels]] = np.arange(len(labels))
    place[-1] = -1
    known = (truths >= 0) & (given >= 0)
    chance = None
    if probability is not None:
        chance = np.zeros((n, len(labels)))
        chance[:, place[columns]] = probability
        known &= np.isfinite(chance).all(axis=1)
    kept = np.flatnonzero(known)
    return Answers(
        place[truths[kept]],
        place[given[kept]],
        kept,
        n,
        labels,
        _looked_for(labels, name_of(positive) if positive else ""),
        None if chance is None else chance[kept],
    )


def codes_of(values: Array, book: dict[str, int]) -> I64:
    """Look up values (n,) by name in ``book``, which grows; -1 for missing."""
    return np.fromiter(
        (
            -1 if value is None or value != value else book.setdefault(name_of(value), len(book))
            for value in np.asarray(values).tolist()
        ),
        np.int64,
        len(values),
    )


def name_of(value: Any) -> str:
    """Name a class: whole numbers lose their point, everything else is its text."""
    name = str(value)
    return name[:-2] if name.endswith(".0") and name[:-2].lstrip("-").isdigit() else name


def _numbers(values: Array, what: str) -> F64:
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{what} is no number: {error}", hint="is it a classification?") from error


def _are_chances(said: Array) -> bool:
    """Tell whether answers can only be probabilities: within 0 and 1, and not all whole."""
    if said.dtype.kind != "f":
        return False
    there = said[~np.isnan(said)]
    return bool(((there >= 0) & (there <= 1)).all() and (there % 1 != 0).any())


def _two(book: dict[str, int]) -> tuple[str, str]:
    """Name both classes, the larger last; 0 and 1 where the truth shows fewer."""
    names = _in_order(book)
    return (names[0], names[1]) if len(names) == 2 else ("0", "1")


def _in_order(book: dict[str, int]) -> tuple[str, ...]:
    try:
        return tuple(sorted(book, key=float))
    except ValueError:
        return tuple(sorted(book))


def _looked_for(labels: tuple[str, ...], positive: str) -> int:
    if len(labels) != 2:
        return -1
    if positive and positive not in labels:
        raise BadInput(
            f"the positive class {positive!r} is none of {', '.join(labels)}",
            hint="name one of them as data.positive",
        )
    return labels.index(positive) if positive else 1
