"""Train the two models that are served, the same in every environment: ``python ... OUT``.

A logistic regression and a forest of 200 trees on scikit-learn's breast-cancer data (30 features).
Writes ``OUT/NAME/model.joblib`` for those that read joblib, and where mlflow can be imported
``OUT/NAME/mlflow``, an MLflow model directory.
"""

import sys
import warnings
from pathlib import Path

import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main(out: Path) -> None:
    """Train and write."""
    warnings.simplefilter("ignore")
    x, y = load_breast_cancer(return_X_y=True)
    scale = StandardScaler().fit(x)
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    final = linear[-1]
    # The scaling is folded in, so that a bare logistic regression is what is served.
    final.intercept_ = final.intercept_ - final.coef_ @ (scale.mean_ / scale.scale_)
    final.coef_ = final.coef_ / scale.scale_
    forest = RandomForestClassifier(200, random_state=0, n_jobs=1).fit(x, y)
    for name, model in (("logistic", final), ("forest", forest)):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        joblib.dump(model, folder / "model.joblib")
        try:
            import mlflow.sklearn
            from mlflow.models import infer_signature
        except ImportError:
            continue
        mlflow.sklearn.save_model(
            model,
            folder / "mlflow",
            signature=infer_signature(x, model.predict(x)),
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
