"""What a user of MLflow does, with the client as it is installed; not a test but run by one.

``python mlflow_story.py URL`` walks through the whole client and prints a JSON report. Assertions
that hold of any MLflow server are made here; what is ours is reported, and judged by the test.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import mlflow
import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient


def main(url: str) -> None:
    mlflow.set_tracking_uri(url)
    client = MlflowClient()
    report = {"mlflow": mlflow.__version__}
    report |= tracking(client)
    report |= learning(client)
    report |= registry(client)
    report |= asking(client)
    sys.stdout.write(f"REPORT {json.dumps(report)}\n")


def tracking(client: MlflowClient) -> dict:
    mlflow.set_experiment("bare")
    with mlflow.start_run(run_name="outer") as outer, tempfile.TemporaryDirectory() as folder:
        mlflow.log_params({f"p{number}": number for number in range(50)})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"nan": float("nan"), "inf": float("inf")})
        mlflow.set_tags({"team": "ops", "é": "ü"})
        file = Path(folder) / "a fïle (1) + 2.txt"
        file.write_text("hello")
        mlflow.log_artifact(str(file), "texts/deep")
        mlflow.log_dict({"a": [1, 2]}, "shape.json")
        mlflow.log_input(mlflow.data.from_numpy(np.eye(3), name="eye"), context="training")
        with mlflow.start_run(run_name="inner", nested=True) as inner:
            mlflow.log_metric("loss", 0.5)
    run = client.get_run(outer.info.run_id)
    assert len(run.data.params) == 50
    assert run.data.metrics["loss"] == 0.2
    assert np.isnan(run.data.metrics["nan"])
    assert run.data.tags["é"] == "ü"
    assert run.inputs.dataset_inputs[0].dataset.name == "eye"
    assert [each.step for each in client.get_metric_history(run.info.run_id, "loss")] == [
        0, 1, 2, 3, 4,
    ]  # fmt: skip
    listed = [each.path for each in client.list_artifacts(run.info.run_id, "texts/deep")]
    assert listed == ["texts/deep/a fïle (1) + 2.txt"]
    with tempfile.TemporaryDirectory() as folder:
        got = client.download_artifacts(run.info.run_id, listed[0], folder)
        assert Path(got).read_text() == "hello"
        assert (
            Path(client.download_artifacts(run.info.run_id, "", folder)) / "shape.json"
        ).exists()
    assert client.get_run(inner.info.run_id).data.tags["mlflow.parentRunId"] == run.info.run_id
    found = client.search_runs([run.info.experiment_id], "params.p7 = '7' and metrics.loss < 0.3")
    assert [each.info.run_id for each in found] == [run.info.run_id]
    many = [mlflow.entities.Metric("m", step, 1_700_000_000_000, step) for step in range(1000)]
    bare = client.create_run(run.info.experiment_id)
    client.log_batch(bare.info.run_id, metrics=many)
    client.set_terminated(bare.info.run_id)
    assert client.get_run(bare.info.run_id).data.metrics["m"] == 999
    client.delete_run(inner.info.run_id)
    assert client.get_run(inner.info.run_id).info.lifecycle_stage == "deleted"
    client.restore_run(inner.info.run_id)
    try:
        client.get_run("0" * 32)
    except MlflowException as error:
        missing = error.error_code
    return {
        "bare_user": client.get_run(bare.info.run_id).data.tags.get("mlflow.user"),
        "outer_user": run.data.tags.get("mlflow.user"),
        "missing": missing,
    }


def learning(client: MlflowClient) -> dict:
    import lightgbm
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    mlflow.set_experiment("learning")
    features, target = load_iris(return_X_y=True, as_frame=True)
    mlflow.sklearn.autolog(log_datasets=False, max_tuning_runs=2)
    with mlflow.start_run() as simple:
        LogisticRegression(max_iter=200).fit(features, target)
    GridSearchCV(LogisticRegression(max_iter=200), {"C": [0.1, 1.0]}, cv=2).fit(features, target)
    mlflow.sklearn.autolog(disable=True)
    mlflow.lightgbm.autolog()
    with mlflow.start_run() as boosted:
        lightgbm.train(
            {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1},
            lightgbm.Dataset(features, target),
            num_boost_round=2,
        )
    mlflow.lightgbm.autolog(disable=True)
    run = client.get_run(simple.info.run_id)
    assert "training_accuracy_score" in run.data.metrics
    assert run.data.params["max_iter"] == "200"
    assert client.get_run(boosted.info.run_id).data.params["num_class"] == "3"
    children = client.search_runs(
        [run.info.experiment_id], "tags.`mlflow.parentRunId` != 'x'", max_results=50
    )
    loaded = mlflow.pyfunc.load_model(f"runs:/{simple.info.run_id}/model")
    assert len(loaded.predict(features[:3])) == 3
    booster = mlflow.lightgbm.load_model(f"runs:/{boosted.info.run_id}/model")
    assert booster.predict(features[:3]).shape == (3, 3)
    with mlflow.start_run() as logged:
        model = LogisticRegression(max_iter=200).fit(features, target)
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="cloudpickle",
            input_example=features[:2],
            registered_model_name="iris",
        )
    return {
        "children": len(children),
        "run": logged.info.run_id,
        "simple": simple.info.run_id,
        "model_uri": info.model_uri,
        "signature": str(info.signature),
    }


def registry(client: MlflowClient) -> dict:
    first = client.get_model_version("iris", "1")
    run_id = first.run_id
    again = mlflow.register_model(f"runs:/{run_id}/model", "iris")
    assert again.version in {2, "2"}
    client.set_model_version_tag("iris", "2", "checked", "yes")
    assert client.get_model_version("iris", "2").tags["checked"] == "yes"
    client.update_model_version("iris", "2", description="the second")
    client.set_registered_model_alias("iris", "try", "2")
    assert client.get_model_version_by_alias("iris", "try").description == "the second"
    client.transition_model_version_stage("iris", "2", "Staging")
    found = client.search_model_versions("name = 'iris'")
    assert {each.version for each in found} in ({1, 2}, {"1", "2"})
    assert [each.name for each in client.search_registered_models()] == ["iris"]
    loaded = mlflow.pyfunc.load_model("models:/iris@try")
    assert loaded.metadata.signature is not None
    client.delete_registered_model_alias("iris", "try")
    assert "try" not in client.get_registered_model("iris").aliases
    return {"stage": client.get_model_version("iris", "2").current_stage, "source": first.source}


def asking(client: MlflowClient) -> dict:
    """Ask for what the house decides: 1 is refused, 2 waits, 3 is live."""
    mlflow.register_model(client.get_model_version("iris", "1").source, "iris")
    asked = {
        "alias_refused": lambda: client.set_registered_model_alias("iris", "champion", "1"),
        "alias_pending": lambda: client.set_registered_model_alias("iris", "champion", "2"),
        "alias_live": lambda: client.set_registered_model_alias("iris", "champion", "3"),
        "stage_refused": lambda: client.transition_model_version_stage("iris", "1", "Production"),
        "stage_live": lambda: client.transition_model_version_stage("iris", "3", "Production"),
        "archive_live": lambda: client.transition_model_version_stage("iris", "3", "Archived"),
        "alias_gone": lambda: client.delete_registered_model_alias("iris", "champion"),
        "version_gone": lambda: client.delete_model_version("iris", "3"),
        "model_gone": lambda: client.delete_registered_model("iris"),
        "renamed": lambda: client.rename_registered_model("iris", "rosi"),
        "elsewhere": lambda: client.create_experiment("far", "file:///etc"),
        "other_gone": lambda: client.delete_model_version("iris", "2"),
    }
    return {name: said(ask) for name, ask in asked.items()}


def said(ask) -> list:
    try:
        ask()
    except MlflowException as error:
        return [error.error_code, error.message]
    except Exception as error:  # noqa: BLE001 - whatever the client makes of it is the report
        return [type(error).__name__, str(error)]
    return ["done", ""]


if __name__ == "__main__":
    main(sys.argv[1])
