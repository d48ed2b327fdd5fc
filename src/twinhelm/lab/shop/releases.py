"""Which bugs does a release ship with? A bad deploy is a restart with another version.

Each release names the defects that are on from its start; see :mod:`.runtime.defects`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["INITIAL", "RELEASES"]

INITIAL = {"catalog": "3.1.4", "checkout": "2.0.3", "recommender": "1.4.0"}
"""What runs at first; every other service is at 1.0.0."""

RELEASES: Mapping[tuple[str, str], Mapping[str, Mapping[str, Any]]] = {
    # Gold customers (three in ten) get a discount from a table that lacks their row.
    ("checkout", "2.1.0"): {"gold_discount": {}},
    # Only search ranks its finds anew, by asking slowly.
    ("catalog", "3.2.0"): {"slow": {"ms": 400, "route": "/search"}},
    # Slow by its model file alone, which holds a larger matrix and asks for many more steps.
    ("recommender", "2.0.0"): {},
}
"""Defects, with their arguments, by service and version."""
