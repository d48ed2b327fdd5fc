"""A score of one repeat, as documents hold it."""

from __future__ import annotations

import pytest

from twinhelm.lab.score import Opening, Tally, Trial
from twinhelm.lab.words import Truth


def trial(fault, start, file=None, **truth):
    said = Truth(**({"service": "cart"} | truth))
    return Trial(fault, f"<b>{fault}</b>", said, 1, start, start + 50, file, True)


def file(number, *entities):
    claims = [{"subject": entity, "facts": {"kind": "service"}} for entity in entities]
    return {"incident": {"id": number, "verdict": "conclusive"}, "claims": claims}


@pytest.fixture
def tally():
    """Five faults: found, found third, found wrongly, missed, and one that is none."""
    found = Tally(1, quiet_s=900.0, failed={"odd": "it <broke>"}, left_out=["late"], complete=False)
    found.trials = [
        trial("first", 0, file(1, "service:shop/cart")),
        trial("third", 100, file(2, "host:a", "host:b", "service:shop/cart")),
        trial("wrong", 200, file(3, "service:shop/gateway")),
        trial("missed", 300),
        trial("surge", 400, blame=False),
    ]
    found.openings = [Opening(number, 0, 100.0 * number - 90, "x") for number in (1, 2, 3)]
    found.openings.append(Opening(9, 0, 380.0, "nothing & nobody"))
    return found
