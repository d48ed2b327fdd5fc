"""Train the model of this product. A plain MLflow script: nothing in it knows of twinhelm.

MLFLOW_TRACKING_URI=http://127.0.0.1:9700/mlflow python train.py
"""

import os
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

HERE = Path(__file__).parent


def main() -> None:
    """Fit, log, register."""
    strength = float(os.environ.get("STRENGTH", "0.1"))
    table = pd.read_csv(HERE / "data" / "train.csv")
    x, y = table.drop(columns="digit"), table["digit"].astype(str)
    mlflow.set_experiment("digits")
    with mlflow.start_run():
        mlflow.log_params({"strength": strength, "rows": len(table)})
        model = make_pipeline(MinMaxScaler(), LogisticRegression(C=strength, max_iter=500))
        model.fit(x, y)
        mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(x, model.predict(x)),
            registered_model_name="digits",
            pip_requirements=["scikit-learn", "pandas"],
            serialization_format="cloudpickle",
        )


if __name__ == "__main__":
    main()
