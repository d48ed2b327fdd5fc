"""Train the model of this product. A plain MLflow script: nothing in it knows of twinhelm.

MLFLOW_TRACKING_URI=http://127.0.0.1:9700/mlflow python train.py
"""

import os
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent
TARGET = "diagnosis"


def main() -> None:
    """Fit, cross-validate, log, register."""
    strength = float(os.environ.get("STRENGTH", "1.0"))
    table = pd.read_csv(os.environ.get("TRAIN", HERE / "data" / "train.csv"))
    x, y = table.drop(columns=TARGET), table[TARGET]
    mlflow.set_experiment("breast-cancer")
    with mlflow.start_run():
        mlflow.log_params({"strength": strength, "rows": len(table)})
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
        mlflow.log_metric("cv_accuracy", cross_val_score(model, x, y, cv=5).mean())
        model.fit(x, y)
        mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(x, model.predict(x)),
            registered_model_name="breast-cancer",
            pip_requirements=["scikit-learn", "pandas"],
            serialization_format="cloudpickle",
        )


if __name__ == "__main__":
    main()
