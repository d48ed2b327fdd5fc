"""How is a model opened and asked? The file of its flavor directly, or through mlflow.

scikit-learn's and LightGBM's files are loaded without mlflow and pandas, which saves seconds and
a hundred megabytes a process; everything else goes through ``mlflow.pyfunc``. An estimator that
was fitted on a data frame is given bare arrays (in its own order of columns) where none of its
steps looks at names; else a frame. For few rows, scikit-learn spends most of its time around the
model: logistic regressions and forests are asked by the arithmetic itself, a tree after the other
instead of through joblib, where a trial shows that the answer is the same.

Out of :meth:`Model.ask`: arrays (n,) or (n, m) by output: ``predict``, for classifiers that know
them ``predict_proba`` (n, k) in the order of ``classes``; a frame's columns by name.

Opening runs code of the model: only what was verified may be opened, in a process of its own.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .asked import Given

__all__ = ["PRELOADED", "Model", "Outputs", "kind_of", "open_model"]

Outputs = dict[str, NDArray[Any]]

PRELOADED = {
    "sklearn": ("sklearn.ensemble", "sklearn.linear_model", "sklearn.pipeline"),
    "lightgbm": ("lightgbm", "sklearn.pipeline"),
    "pyfunc": ("pandas", "mlflow.pyfunc"),
}
"""What a process is made ready with before it becomes a model's, by kind."""

LOOKING_AT_NAMES = frozenset({"ColumnTransformer", "FunctionTransformer", "TableVectorizer"})
ARGMAX = frozenset({
    "LogisticRegression", "RandomForestClassifier", "ExtraTreesClassifier", "LGBMClassifier",
    "DecisionTreeClassifier", "HistGradientBoostingClassifier", "GaussianNB", "MLPClassifier",
})  # fmt: skip
"""Classifiers whose prediction is the likeliest class, so that one question answers both."""


class Model(Protocol):
    """An opened model; ``classes`` is empty where it gives no probabilities."""

    classes: tuple[str, ...]

    def ask(self, given: Given, params: Mapping[str, Any]) -> Outputs:
        """Answer rows, in order."""
        ...


def kind_of(flavors: Mapping[str, Any]) -> str:
    """Say how a model with these flavors is opened: a key of ``PRELOADED``."""
    loader = flavors.get("python_function", {}).get("loader_module", "")
    kind = str(loader).removeprefix("mlflow.")
    return kind if kind in ("sklearn", "lightgbm") and kind in flavors else "pyfunc"


def open_model(folder: Path, flavors: Mapping[str, Any]) -> Model:
    """Open a model directory whose flavors are given; raises what opening raises."""
    kind = kind_of(flavors)
    about, function = flavors.get(kind, {}), flavors.get("python_function", {})
    if function.get("code"):
        sys.path.insert(0, str(folder / function["code"]))
    if kind == "pyfunc":
        return _Pyfunc(folder)
    file = folder / str(about.get("pickled_model") or about.get("data"))
    if kind == "lightgbm" and str(about.get("model_class", "")).endswith("Booster"):
        return _Booster(file)
    how = about.get("serialization_format")
    if how == "skops":
        trusted = about.get("skops_trusted_types")
        return _Estimator(import_module("skops.io").load(file, trusted=trusted), function)
    with file.open("rb") as opened:
        return _Estimator(pickle.load(opened), function)  # noqa: S301 - that is what this process is for


class _Estimator:
    """A scikit-learn estimator, or what behaves like one."""

    def __init__(self, estimator: Any, function: Mapping[str, Any]) -> None:
        method = str(function.get("predict_fn") or "predict")
        last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        # Those that answer by arithmetic look at every value themselves.
        self._looks = _shorten(last) and last is estimator
        self._estimator, self._ask = estimator, getattr(estimator, method)
        classes = getattr(estimator, "classes_", None)
        known = isinstance(classes, np.ndarray) and hasattr(estimator, "predict_proba")
        self._labels = classes if known and method == "predict" else None
        self.classes = () if self._labels is None else tuple(map(str, self._labels.tolist()))
        names = getattr(estimator, "feature_names_in_", None)
        self._names = None if names is None else [str(name) for name in names]
        self._bare = names is None or _blind(estimator)
        self._argmax = type(last).__name__ in ARGMAX
        self._context: Any = None
        if "sklearn" in sys.modules:
            # Rows without a missing value need not be looked through once more.
            sklearn = import_module("sklearn")
            sklearn.set_config(assume_finite=True)
            self._context = sklearn.config_context

    def ask(self, given: Given, params: Mapping[str, Any]) -> Outputs:
        """See :meth:`Model.ask`; estimators take no parameters."""
        x = self._shaped(given)
        if self._looks or self._context is None or _finite(x):
            return self._answer(x)
        with self._context(assume_finite=False):
            return self._answer(x)

    def _answer(self, x: Any) -> Outputs:
        if self._labels is None:
            return _outputs(self._ask(x))
        likely = np.asarray(self._estimator.predict_proba(x))
        if self._argmax:
            return {"predict": self._labels[likely.argmax(axis=1)], "predict_proba": likely}
        return {**_outputs(self._ask(x)), "predict_proba": likely}

    def _shaped(self, given: Given) -> Any:
        names = self._names
        if not isinstance(given, dict):
            return given if self._bare or names is None else _frame(given, names)
        ordered = {name: given[name] for name in names} if names else given
        return np.column_stack(list(ordered.values())) if self._bare else _frame(ordered)


class _Booster:
    """A LightGBM booster in its own text format; one thread."""

    classes: tuple[str, ...] = ()

    def __init__(self, file: Path) -> None:
        self._booster = import_module("lightgbm").Booster(model_file=str(file))

    def ask(self, given: Given, params: Mapping[str, Any]) -> Outputs:
        """See :meth:`Model.ask`; boosters take no parameters."""
        x = np.column_stack(list(given.values())) if isinstance(given, dict) else given
        return _outputs(self._booster.predict(x, num_threads=1))


class _Pyfunc:
    """Whatever mlflow can open."""

    classes: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        self._model = import_module("mlflow.pyfunc").load_model(str(folder))
        schema = self._model.metadata.get_input_schema()
        self._names = None if schema is None or schema.is_tensor_spec() else schema.input_names()
        self._tensors = schema is not None and schema.is_tensor_spec()

    def ask(self, given: Given, params: Mapping[str, Any]) -> Outputs:
        """See :meth:`Model.ask`."""
        x = given if self._tensors else _frame(given, self._names)
        return _outputs(self._model.predict(x, params=dict(params) or None))


def _frame(given: Given, names: list[str] | None = None) -> Any:
    return import_module("pandas").DataFrame(given, columns=names)


def _outputs(found: Any) -> Outputs:
    """Make arrays by name of what a model returned."""
    if hasattr(found, "columns"):
        return {str(name): _plain(found[name].to_numpy()) for name in found.columns}
    if isinstance(found, dict):
        return {str(name): _plain(each) for name, each in found.items()}
    return {"predict": _plain(found)}


def _plain(found: Any) -> NDArray[Any]:
    try:
        made = np.asarray(found)
    except ValueError:  # ragged, such as lists of tokens
        made = np.empty(len(found), object)
        made[:] = found
    return made.astype(object) if made.dtype.kind == "U" else made


def _blind(estimator: Any) -> bool:
    """Tell whether an estimator and all it is made of take columns by their place alone."""
    parts = [estimator]
    if hasattr(estimator, "get_params"):
        parts += [each for each in estimator.get_params(deep=True).values() if hasattr(each, "fit")]
    return all(
        type(each).__module__.partition(".")[0] in ("sklearn", "lightgbm", "xgboost")
        and type(each).__name__ not in LOOKING_AT_NAMES
        for each in parts
    )


def _finite(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f" and isfinite(x.sum())


def _shorten(estimator: Any) -> bool:
    """Let an estimator answer by plain arithmetic where a trial shows that it is the same.

    Tells whether it does so from now on.
    """
    plain = {"sklearn.ensemble._forest": _forest, "sklearn.linear_model._logistic": _logistic}.get(
        type(estimator).__module__
    )
    if plain is None or not isinstance(getattr(estimator, "classes_", np.empty(0)), np.ndarray):
        return False  # none is known, or there are several outputs
    name = "predict_proba" if hasattr(estimator, "classes_") else "predict"
    usual: Callable[[Any], Any] = getattr(estimator, name)
    width, straight = estimator.n_features_in_, plain(estimator)

    def short(x: Any) -> Any:
        if _finite(x) and x.dtype == np.float64 and x.ndim == 2 and x.shape[1] == width:
            return straight(x)
        with import_module("sklearn").config_context(assume_finite=False):
            return usual(x)  # which looks closer, and says what is wrong

    trial = np.random.default_rng(0).normal(size=(32, width))
    trial = np.vstack([trial, trial * 100.0, np.zeros((1, width))])
    wanted, found = np.asarray(usual(trial)), straight(trial)
    same = found.shape == wanted.shape and np.allclose(found, wanted, rtol=1e-12, atol=1e-15)
    if same:
        setattr(estimator, name, short)
    return same


def _forest(forest: Any) -> Callable[[NDArray[Any]], NDArray[Any]]:
    trees = [each.tree_ for each in forest.estimators_]

    def straight(x: NDArray[Any]) -> NDArray[Any]:
        block = np.ascontiguousarray(x, np.float32)
        if not np.isfinite(block.sum()):
            raise ValueError("a value is too large for dtype('float32')")
        total: NDArray[Any] = trees[0].predict(block)
        for tree in trees[1:]:
            total = total + tree.predict(block)
        total = total / len(trees)
        return total if hasattr(forest, "classes_") else total.reshape(len(block), -1)[:, 0]

    return straight


def _logistic(model: Any) -> Callable[[NDArray[Any]], NDArray[Any]]:
    weights, bias = np.ascontiguousarray(model.coef_.T), model.intercept_
    expit = import_module("scipy.special").expit
    two = weights.shape[1] == 1
    if two:
        weights, bias = np.hstack([-weights, weights]), np.hstack([-bias, bias])

    def straight(x: NDArray[Any]) -> NDArray[Any]:
        score: NDArray[Any] = x @ weights
        score += bias
        if two:
            return np.asarray(expit(score, out=score))
        score = np.exp(score - score.max(axis=1, keepdims=True))
        return np.asarray(score / score.sum(axis=1, keepdims=True))

    return straight
