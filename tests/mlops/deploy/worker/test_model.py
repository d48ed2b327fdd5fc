"""How models are opened, each flavor by its own file, and that shortcuts change no answer."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

from mlops.deploy import models
from twinhelm.mlops.deploy.worker.model import kind_of, open_model
from twinhelm.mlops.mlmodel import described


@pytest.fixture(autouse=True)
def usual_settings():
    """Opening an estimator changes scikit-learn's settings, in its own process."""
    import sklearn

    with sklearn.config_context():
        yield


def opened(folder, estimator, **more):
    models.write(folder, pickle.dumps(estimator), **more)
    return open_model(folder, described(folder).flavors)


def data(n=300, k=4, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, k))
    return x, (x[:, 0] + x[:, 1] > 0).astype(int) + (x[:, 2] > 1)


def test_one_question_answers_class_and_probability(tmp_path):
    from sklearn.linear_model import LogisticRegression

    x, y = data()
    made = LogisticRegression().fit(x, y)
    found = opened(tmp_path / "m", made)
    assert found.classes == ("0", "1", "2")
    answer = found.ask(x, {})
    assert np.array_equal(answer["predict"], made.predict(x))
    assert np.allclose(answer["predict_proba"], made.predict_proba(x), rtol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_logistic_regression_is_asked_by_its_arithmetic(tmp_path, classes):
    from sklearn.linear_model import LogisticRegression

    x, y = data()
    made = LogisticRegression().fit(x, np.minimum(y, classes - 1))
    found = opened(tmp_path / "m", made)
    assert "predict_proba" in vars(found._estimator)  # the trial was passed
    assert np.allclose(found.ask(x, {})["predict_proba"], made.predict_proba(x), rtol=1e-12)
    with pytest.raises(ValueError, match="expecting 4 features"):
        found.ask(x[:, :3], {})


@pytest.mark.parametrize("kind", ["RandomForestClassifier", "RandomForestRegressor"])
def test_a_forest_asked_tree_by_tree_answers_as_ever(tmp_path, kind):
    from sklearn import ensemble

    x, y = data()
    made = getattr(ensemble, kind)(20, random_state=0).fit(x, y)
    found = opened(tmp_path / "m", made).ask(x, {})
    assert np.array_equal(found["predict"], made.predict(x))
    missing = x[:2].copy()
    missing[0, 0] = np.nan
    found = opened(tmp_path / "n", made).ask(missing, {})
    assert np.array_equal(found["predict"], made.predict(missing))


def test_missing_values_are_looked_for_as_ever(tmp_path):
    from sklearn.linear_model import LogisticRegression

    found = opened(tmp_path / "m", LogisticRegression().fit(*data()))
    with pytest.raises(ValueError, match="contains NaN"):
        found.ask(np.array([[1.0, np.nan, 0.0, 0.0]]), {})


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_columns_are_put_in_the_order_of_the_fit(tmp_path):
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    x, _ = data(k=3)
    made = LinearRegression().fit(pd.DataFrame(x, columns=list("cab")), x[:, 0] * 2 + x[:, 1])
    found = opened(tmp_path / "m", made)
    given = {"a": x[:, 1], "b": x[:, 2], "c": x[:, 0]}
    assert np.allclose(found.ask(given, {})["predict"], x[:, 0] * 2 + x[:, 1])


def test_a_step_that_looks_at_names_gets_a_frame(tmp_path):
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({"n": [1.0, 2.0, 3.0, 4.0], "s": ["a", "b", "a", "b"]})
    hot = ColumnTransformer([("s", OneHotEncoder(handle_unknown="ignore"), ["s"])])
    made = make_pipeline(hot, LogisticRegression()).fit(frame, ["no", "yes", "no", "yes"])
    found = opened(tmp_path / "m", made)
    given = {"n": np.array([1.0, 2.0]), "s": np.array(["a", "b"], object)}
    assert found.ask(given, {})["predict"].tolist() == ["no", "yes"]


def test_a_lightgbm_booster_is_opened_without_mlflow(tmp_path):
    import lightgbm

    x, y = data()
    made = lightgbm.train({"objective": "regression", "verbose": -1}, lightgbm.Dataset(x, y), 5)
    made.save_model(tmp_path / "model.lgb")
    flavors = {
        "python_function": {"loader_module": "mlflow.lightgbm"},
        "lightgbm": {"data": "model.lgb", "model_class": "lightgbm.basic.Booster"},
    }
    assert kind_of(flavors) == "lightgbm"
    found = open_model(tmp_path, flavors).ask(x, {})
    assert np.allclose(found["predict"], made.predict(x))


@pytest.mark.filterwarnings("ignore")
def test_everything_else_goes_through_mlflow(tmp_path):
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import infer_signature

    class Sum(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input.sum(axis=1) * (params or {}).get("by", 1.0)

    frame = pd.DataFrame({"a": [1.0], "b": [2.0]})
    signature = infer_signature(frame, [3.0], params={"by": 1.0})
    mlflow.pyfunc.save_model(
        tmp_path / "m", python_model=Sum(), signature=signature, pip_requirements=["pandas"]
    )
    told = described(tmp_path / "m")
    assert (kind_of(told.flavors), told.params) == ("pyfunc", ("by",))
    found = open_model(tmp_path / "m", told.flavors)
    given = {"a": np.array([1.0, 5.0]), "b": np.array([2.0, 0.0])}
    assert found.ask(given, {"by": 2.0})["predict"].tolist() == [6.0, 10.0]


@pytest.mark.filterwarnings("ignore")
def test_what_mlflow_saves_of_scikit_learn_is_opened_as_it_lies(tmp_path):
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression

    x, y = data()
    made = LogisticRegression().fit(x, y)
    mlflow.sklearn.save_model(
        made, tmp_path / "m", signature=infer_signature(x, y), input_example=x[:2],
        serialization_format="cloudpickle", pip_requirements=["scikit-learn"],
    )  # fmt: skip
    told = described(tmp_path / "m")
    assert told.schema.inputs[0].shape == (-1, 4)
    assert "inputs" in told.example
    assert kind_of(told.flavors) == "sklearn"
    assert np.array_equal(
        open_model(tmp_path / "m", told.flavors).ask(x, {})["predict"], made.predict(x)
    )


def test_a_models_own_modules_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = models.odd(tmp_path / "m", times=3.0)
    found = open_model(folder, described(folder).flavors)
    assert found.ask(np.array([[2.0, 0.0, 0.0]]), {})["predict"].tolist() == [6.0]
    del sys.modules["odd"]
