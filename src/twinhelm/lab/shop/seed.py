"""What is there before the shop opens? Tables with products, stock and orders, and two models.

Run once by the stage before the services start; doing it again changes nothing. The models follow
from the seeded orders, not from chance.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop import baskets
from twinhelm.lab.shop.database import prepare

__all__ = ["MODELS", "prepare_models", "run", "save_model", "train"]

MODELS = {"1.4.0": (500, 2), "2.0.0": (1_500, 1_500)}
"""Products known and steps of the walk, by version."""


def run(plan: Plan, version: str) -> None:
    """Prepare the database and the models; ``version`` means nothing here."""
    prepare(plan.database_url)
    prepare_models(plan.folder)


def prepare_models(folder: Path) -> None:
    """Train what is missing in ``folder/models``."""
    for version, (items, steps) in MODELS.items():
        path = folder / "models" / f"recommender-{version}.npz"
        if not path.exists():
            save_model(path, train(baskets(), items), steps)


def train(orders: Iterable[Iterable[int]], items: int) -> NDArray[np.float32]:
    """Return how products 1 to ``items`` are bought together, shape (items, items).

    Column j holds where a walk goes from product j, and sums to at most one. Products that were
    never bought with others have zeros.
    """
    together = np.zeros((items, items), np.float32)
    for order in orders:
        known = [product - 1 for product in order if 1 <= product <= items]
        for product in known:
            for other in known:
                if other != product:
                    together[other, product] += 1.0
    sums = together.sum(axis=0)
    np.divide(together, sums, out=together, where=sums > 0)
    return together


def save_model(path: Path, together: NDArray[np.float32], steps: int) -> None:
    """Write a model in one step, so that who reads it sees the old or the new one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new.npz")
    np.savez(fresh, together=together, steps=steps)
    fresh.replace(path)
