"""Models of a few lines and the data that they are asked about: two columns tell a class."""

import numpy as np

from twinhelm.core.errors import BadInput
from twinhelm.mlops.types import Schema, Scored, Spec
from twinhelm.mlops.types.product import Field


class Model:
    """Answers by a weighted sum of two columns; bad in one way if told to."""

    def __init__(self, weights=(1.0, 1.0), fault=None, inputs=("x", "z")):
        self.weights, self.fault = weights, fault
        self.schema = Schema(tuple(Field(name, "double") for name in inputs))
        self.asked = 0

    def odds(self, table):
        return sum(w * table[name] for w, name in zip(self.weights, ("x", "z"), strict=True))

    def score(self, table):
        self.asked += len(next(iter(table.values())))
        if self.fault:
            return self.fault(self, table)
        odds = self.odds(table)
        if np.isnan(odds).any():
            raise BadInput("the model takes no NaN")
        p = 1 / (1 + np.exp(-odds))
        said = np.where(p >= 0.5, "yes", "no").astype(object)
        return Scored(said, np.column_stack([1 - p, p]), ("no", "yes"))


class Numbers(Model):
    """The same sum as a number."""

    def score(self, table):
        return Scored(self.odds(table))


def people(n=600, seed=1):
    """A table in which x and z tell the target, with a group that tells nothing."""
    rng = np.random.default_rng(seed)
    x, z = rng.standard_normal(n), rng.standard_normal(n)
    yes = rng.random(n) < 1 / (1 + np.exp(-2 * (x + z)))
    return {
        "x": x,
        "z": z,
        "count": rng.integers(0, 50, n),
        "sex": rng.choice(["f", "m"], n).astype(object),
        "bought": np.where(yes, "yes", "no").astype(object),
        "worth": 2 * (x + z) + rng.standard_normal(n),
    }


def spec(*gates, slices=(), task="classification", **data):
    """A product file of the table above."""
    target = "bought" if task == "classification" else "worth"
    columns = [
        {"name": "x", "type": "number"},
        {"name": "z", "type": "number"},
        {"name": "sex", "type": "category", "role": "slice"},
        {"name": target, "type": "category" if target == "bought" else "number", "role": "target"},
    ]
    product = {"name": "p", "use_case": "u", "decides": "d", "owner": "ada", "tier": "low"}
    return Spec.model_validate(
        {
            "product": product,
            "data": {
                "task": task,
                "columns": columns,
                "holdout": "h.csv",
                "train": "t.csv",
                **data,
            },
            "slices": slices,
            "gates": [dict(each) for each in gates],
        }
    )
