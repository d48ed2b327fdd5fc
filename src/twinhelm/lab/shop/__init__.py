"""What does the shop sell, and what was bought together? The words and numbers of its stock.

Everything follows by arithmetic from a product's number, so that the seeded database, the
recommender's models and the crowd agree without asking each other. Pure; costs nothing to import.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["CATEGORIES", "MATERIALS", "NOUNS", "POPULAR", "PRODUCTS", "baskets", "price_cents"]

PRODUCTS = 100_000
"""Products have the numbers 1 to this."""
POPULAR = 2_000
"""The seeded orders buy products 1 to this; a crowd should mostly do so too."""
MATERIALS = (
    "oak", "pine", "steel", "glass", "linen", "wool", "cork", "brass", "clay", "felt",
    "birch", "copper", "cotton", "leather", "marble", "bamboo", "rattan", "slate", "teak", "zinc",
)  # fmt: skip
NOUNS = (
    "chair", "table", "lamp", "shelf", "bench", "stool", "desk", "mirror", "clock", "vase",
    "rug", "basket", "bowl", "plate", "mug", "jug", "tray", "candle", "frame", "hook",
    "drawer", "cabinet", "bed", "sofa", "cushion", "blanket", "curtain", "blind", "screen",
    "ladder", "box", "crate", "tin", "jar", "board", "knife", "spoon", "fork", "pan", "pot",
    "kettle", "scale", "towel", "mat", "brush", "broom", "planter", "trellis",
    "lantern", "hammock",
)  # fmt: skip
KINDS = 4
CATEGORIES = tuple(f"{noun}-{kind}" for noun in NOUNS for kind in range(KINDS))
"""Every category's name; each holds 500 products."""
CLUSTER = 40
"""Seeded baskets stay within runs of this many products."""


def price_cents(product: int) -> int:
    """Return a product's price: 3.99 to 202.99."""
    return 399 + (product * 7919) % 200 * 100


def baskets(count: int = 4_000) -> Iterator[tuple[int, ...]]:
    """Yield the seeded orders: each two to four products of one cluster, the first ones most."""
    for order in range(count):
        draw = order * 2_654_435_761 % 4_294_967_296
        cluster = (draw >> 8) % (POPULAR // CLUSTER)
        kinds = 2 + (draw >> 4) % 3
        # Squared, so that a cluster has favourites.
        picks = {((draw >> (5 * n)) % 64) ** 2 * CLUSTER // 4_096 for n in range(kinds)}
        yield tuple(sorted(1 + cluster * CLUSTER + pick for pick in picks))
