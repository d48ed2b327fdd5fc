"""What does the page draw of a validation? Small tables of numbers, all of them JSON.

In: answers. Out: ``confusion`` (labels, counts by truth and answer), ``calibration`` (see
:func:`~twinhelm.stats.calibration.reliability`), ``scores`` (how sure the model was, by class) or
``errors`` (answer less truth), each as edges and counts. What cannot be told is absent.
"""

from typing import Any

import numpy as np

from twinhelm.stats.answers import Answers
from twinhelm.stats.calibration import reliability

__all__ = ["curves"]

BARS = 20
MAX_LABELS = 30


def curves(told: Answers) -> dict[str, Any]:
    """Draw what these answers can show."""
    k, drawn = len(told.labels), dict[str, Any]()
    if not k and len(told.kept):
        counts, edges = np.histogram(told.given - told.truth, BARS)
        drawn["errors"] = {"edges": edges.tolist(), "counts": counts.tolist()}
    if 0 < k <= MAX_LABELS:
        cells = np.bincount(told.truth * k + told.given, minlength=k * k).reshape(k, k)
        drawn["confusion"] = {"labels": list(told.labels), "counts": cells.tolist()}
    if told.chance is not None:
        sure, held = told.surest
        one = told.positive
        names = (told.labels[one], told.labels[1 - one]) if one >= 0 else ("right", "wrong")
        edges = np.linspace(0.0, 1.0, BARS + 1)
        parts = zip(names, (held, ~held), strict=True)
        groups = {name: np.histogram(sure[part], edges)[0].tolist() for name, part in parts}
        drawn["scores"] = {"edges": edges.tolist(), "counts": groups}
        drawn["calibration"] = reliability(sure, held)
    return drawn
