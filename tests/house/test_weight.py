"""What the server weighs once installed: every package that it asks for, with what they ask for."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_MB = 800
HEAVY = ("scipy", "scikit-learn", "pandas", "pyarrow", "mlflow")
"""What users' models and clients bring along, and the server does without."""


def locked() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [found[1].lower() for line in lines if (found := re.match(r"([A-Za-z0-9._-]+)==", line))]


def megabytes(name: str) -> float:
    try:
        files = distribution(name).files or ()
    except PackageNotFoundError:  # of another platform
        return 0.0
    places = (Path(str(each.locate())) for each in files)
    return sum(place.stat().st_size for place in places if place.is_file()) / 1e6


def test_the_server_stays_light():
    weights = {name: megabytes(name) for name in locked()}
    heaviest = sorted(weights.items(), key=lambda one: -one[1])[:12]
    assert sum(weights.values()) < MOST_MB, heaviest
    assert sum(weights.values()) > 100, "nothing was weighed"


def test_the_server_asks_for_nothing_that_only_models_need():
    assert not set(HEAVY) & set(locked())
