"""A flow asks a model: tables in, answers out, and errors that say which rows."""

from __future__ import annotations

import numpy as np
import pytest

from mlops.deploy import models
from twinhelm.core.errors import BadInput, Unavailable
from twinhelm.mlops.deploy import Limits, open_scorer


def table(n=10, seed=0):
    x, _ = models.rows(n, seed)
    return {name: x[:, at] for at, name in enumerate(models.FEATURES)}


def test_a_classifier_gives_labels_and_probabilities(seeds, tmp_path):
    folder = models.logistic(tmp_path / "m")
    given = table(9000)
    with open_scorer(seeds, folder, Limits(max_rows=4000)) as scorer:
        assert [field.name for field in scorer.schema.inputs] == ["a", "b", "c"]
        scored = scorer.score({**given, "target": np.zeros(9000)})
    wanted = np.where(sum(given.values()) > 0, "yes", "no")
    assert scored.classes == ("no", "yes")
    assert np.mean(scored.prediction == wanted) > 0.95
    assert scored.probability.shape == (9000, 2)
    assert np.allclose(scored.probability.sum(axis=1), 1)


def test_a_regression_gives_numbers(seeds, tmp_path):
    with open_scorer(seeds, models.odd(tmp_path / "m", times=2.0), Limits()) as scorer:
        scored = scorer.score(table(3))
        assert np.allclose(scored.prediction, table(3)["a"] * 2)
        assert (scored.probability, scored.classes) == (None, ())
        assert len(scorer.score(table(0)).prediction) == 0


def test_a_table_that_does_not_fit_is_told(seeds, tmp_path):
    with open_scorer(seeds, models.logistic(tmp_path / "m"), Limits()) as scorer:
        with pytest.raises(BadInput, match="the table lacks 'c'"):
            scorer.score({"a": np.ones(2), "b": np.ones(2)})
        with pytest.raises(BadInput, match="'a' takes double, not strings"):
            scorer.score({**table(2), "a": np.array(["x", "y"], object)})
        assert len(scorer.score(table(2)).prediction) == 2


def test_missing_numbers_reach_the_model_as_they_are(seeds, tmp_path):
    folder = models.odd(tmp_path / "m", "x = np.nan_to_num(x, nan=5.0)")
    with open_scorer(seeds, folder, Limits()) as scorer:
        assert scorer.score({**table(1), "a": np.array([np.nan])}).prediction.tolist() == [5.0]


def test_a_tensor_takes_the_columns_in_order(seeds, tmp_path):
    folder = models.logistic(tmp_path / "m", inputs=models.tensor(-1, 3))
    with open_scorer(seeds, folder, Limits()) as scorer:
        assert len(scorer.score(table(7)).prediction) == 7


def test_a_model_that_dies_or_hangs_is_told(seeds, tmp_path):
    for name, body in (("dies", "os._exit(1)"), ("hangs", "time.sleep(600)")):
        folder = models.odd(tmp_path / name, f"if x[0, 0]: {body}")
        with (
            open_scorer(seeds, folder, Limits(timeout_s=0.5)) as scorer,
            pytest.raises(Unavailable, match="did not answer rows 0 to"),
        ):
            scorer.score(table(2))
