"""Brings what another MLflow server holds into ours: experiments, runs, registered models.

In: the address of a server, read through its REST API; out: the same experiments, runs
(parameters, every metric value, tags, files) and model versions here, each bearing in the tag
``twinhelm.origin`` where it came from. That tag makes it safe to do again: what is here whole is
left alone, what was cut off half-way is completed. Numbers are MLflow's to give: a version may
have another number here, and its old one stands in ``twinhelm.version``.

Aliases come along but for the protected ones, and no stages: nothing goes live by being copied.
Files that the other server does not hand out (kept in an object store that its clients ask
themselves) stay there, and the report says whose.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twinhelm.core.errors import NotFound, Refused
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.products import ModelImported
from twinhelm.events.workflows import Run, WorkflowFunction
from twinhelm.mlops.tracking.client import Client, check_address
from twinhelm.mlops.tracking.rules import PROTECTED

__all__ = ["import_workflow"]

ORIGIN, NUMBER = "twinhelm.origin", "twinhelm.version"
PARENT = "mlflow.parentRunId"
PARAMS_AT_ONCE, METRICS_AT_ONCE = 100, 1000
"""What MLflow takes in one batch."""

METRIC = ("key", "value", "timestamp", "step")
PAGE = 200
Json = dict[str, Any]


def import_workflow(
    target: Client,
    journal: Journal,
    registered: Callable[[str, str, str], object],
    *,
    max_bytes: int,
    source: Callable[..., Client] = Client,
) -> WorkflowFunction:
    """Make the workflow function; ``registered`` hears of each new product, version and ``by``.

    It takes the arguments ``url``, ``by`` and, as a secret, ``headers`` for the other server. It
    returns how many experiments, runs and versions it copied, the ``models``, and in ``left``
    what stayed behind and why. ``max_bytes`` bounds the files of one run or version.
    """

    def work(run: Run, args: Mapping[str, Any]) -> Json:
        url, by = str(args["url"]).rstrip("/"), str(args["by"])
        check_address(url)
        with source(url, headers=args.get("headers")) as other:
            copy = _Copy(other, target, url, by, registered, max_bytes)
            experiments = run.step("experiments", copy.experiments)
            models = run.step("models", copy.models)
            runs = versions = 0
            left: list[str] = []
            for name, ids in experiments:
                done, stayed = run.step(f"experiment {name}", copy.runs, ids, run.progress)
                runs, left = runs + done, [*left, *stayed]
            for model in models:
                done, stayed = run.step(f"model {model}", copy.versions, model, run.progress)
                versions, left = versions + done, [*left, *stayed]

        def note() -> None:
            with journal.writing(by) as write:
                write.event(ModelImported(url, tuple(models), versions))

        run.step("journal", note)
        told = {"experiments": len(experiments), "runs": runs, "versions": versions}
        return {**told, "models": models, "left": left}

    return work


@dataclass(frozen=True, slots=True)
class _Copy:
    """One import: from where, to where, for whom."""

    other: Client
    here: Client
    url: str
    by: str
    registered: Callable[[str, str, str], object]
    max_bytes: int

    def experiments(self) -> list[tuple[str, list[str]]]:
        """Make the experiments that are not here; returns names, with the id there and here."""
        found = []
        for each in self.other.pages("experiments/search", "experiments", max_results=PAGE):
            name = each["name"]
            try:
                mine = self.here.get("experiments/get-by-name", experiment_name=name)["experiment"]
            except NotFound:
                mine = self.here.post("experiments/create", name=name, tags=each.get("tags", []))
            found.append((name, [each["experiment_id"], mine["experiment_id"]]))
        return found

    def models(self) -> list[str]:
        """Make the registered models that are not here; returns their names."""
        names = []
        for each in self.other.pages("registered-models/search", "registered_models"):
            names.append(each["name"])
            try:
                self.here.get("registered-models/get", name=each["name"])
            except NotFound:
                fields = {"description": each.get("description", ""), "tags": each.get("tags", [])}
                self.here.post("registered-models/create", name=each["name"], **fields)
        return names

    def runs(self, ids: Sequence[str], tell: Callable[..., None]) -> tuple[int, list[str]]:
        """Copy an experiment's runs, parents first; returns how many are here, and what is not."""
        there, here = ids
        asked = {"experiment_ids": [there], "order_by": ["attributes.start_time ASC"]}
        left: list[str] = []
        done = 0
        for done, each in enumerate(self._runs(self.other, asked), 1):
            left += self._run(each, here)
            tell(done, 0, each["info"].get("run_name", ""))
        return done, left

    def versions(self, name: str, tell: Callable[..., None]) -> tuple[int, list[str]]:
        """Copy a model's versions, oldest first; returns how many are here, and what is not."""
        asked = {"filter": f"name = '{name}'"}
        kept = self.here.pages("model-versions/search", "model_versions", **asked)
        known = {tags[ORIGIN]: each["version"] for each in kept if ORIGIN in (tags := _tags(each))}
        found = list(self.other.pages("model-versions/search", "model_versions", **asked))
        left: list[str] = []
        for done, each in enumerate(sorted(found, key=lambda each: int(each["version"])), 1):
            origin = f"{self.url}#models/{name}/{each['version']}"
            try:
                number = known.get(origin) or self._version(name, each, origin)
                for alias in set(each.get("aliases", ())) - PROTECTED:
                    self.here.set_alias(name, alias, number)
            except Refused as error:
                left.append(f"{name}/{each['version']}: {error.message}")
            tell(done, len(found), f"{name}/{each['version']}")
        return len(found) - len(left), left

    def _runs(self, client: Client, asked: Json) -> Iterator[Json]:
        fields = {"run_view_type": "ACTIVE_ONLY", "max_results": PAGE, **asked}
        return client.pages("runs/search", "runs", **fields)

    def _known(self, experiment: str, run_id: str) -> Json | None:
        asked = {
            "experiment_ids": [experiment],
            "filter": f"tags.`{ORIGIN}` = '{self._of(run_id)}'",
        }
        return next(self._runs(self.here, asked), None)

    def _of(self, run_id: str) -> str:
        return f"{self.url}#runs/{run_id}"

    def _run(self, there: Json, experiment: str) -> list[str]:
        """Copy one run, or complete it: its end is written last."""
        info, data = there["info"], there.get("data", {})
        mine = self._known(experiment, info["run_id"])
        if mine is not None and mine["info"]["status"] == info["status"] != "RUNNING":
            return []
        if mine is None:
            tags = {**_tags(data), ORIGIN: self._of(info["run_id"])}
            parent = tags.get(PARENT) and self._known(experiment, tags[PARENT])
            if parent:
                tags[PARENT] = parent["info"]["run_id"]
            mine = self.here.post(
                "runs/create",
                experiment_id=experiment,
                run_name=info.get("run_name", ""),
                start_time=info.get("start_time", 0),
                tags=[{"key": key, "value": value} for key, value in tags.items()],
            )["run"]
        run_id = mine["info"]["run_id"]
        for params in _parts(data.get("params", []), PARAMS_AT_ONCE):
            self.here.post("runs/log-batch", run_id=run_id, params=params)
        for key in {each["key"] for each in data.get("metrics", ())}:
            asked = {"run_id": info["run_id"], "metric_key": key}
            history = self.other.pages("metrics/get-history", "metrics", **asked)
            values = [{name: each[name] for name in METRIC if name in each} for each in history]
            for metrics in _parts(values, METRICS_AT_ONCE):
                self.here.post("runs/log-batch", run_id=run_id, metrics=metrics)
        left = []
        try:
            self._files(info["artifact_uri"], mine["info"]["artifact_uri"])
        except NotFound:
            pass  # it logged no files
        except Refused as error:
            left.append(f"run {info['run_id']}: {error.message}")
        ended = {"end_time": info["end_time"]} if "end_time" in info else {}
        self.here.post("runs/update", run_id=run_id, status=info["status"], **ended)
        return left

    def _version(self, name: str, each: Json, origin: str) -> str:
        """Copy one version: its files lie in the copy of its run, or apart where it has none."""
        number = each["version"]
        mine: Json | None = None
        if each.get("run_id"):
            experiment = self._experiment(each["run_id"])
            mine = self._known(experiment, each["run_id"]) if experiment else None
        root = mine["info"]["artifact_uri"] if mine else "mlflow-artifacts:/imported"
        goal = f"{root}/registered/{name}/{number}"
        self._files(f"models:/{name}/{number}", goal)
        tags = {**_tags(each), ORIGIN: origin, NUMBER: number}
        made: Json = self.here.post(
            "model-versions/create",
            name=name,
            source=goal,
            description=each.get("description", ""),
            tags=[{"key": key, "value": value} for key, value in tags.items()],
            **({"run_id": mine["info"]["run_id"]} if mine else {}),
        )["model_version"]
        self.registered(name, made["version"], self.by)
        return str(made["version"])

    def _experiment(self, run_id: str) -> str:
        """Return the id of our experiment that holds the copy of a run there; empty for none."""
        try:
            there = self.other.run(run_id)["info"]["experiment_id"]
            name = self.other.get("experiments/get", experiment_id=there)["experiment"]["name"]
            mine = self.here.get("experiments/get-by-name", experiment_name=name)["experiment"]
        except NotFound:
            return ""
        return str(mine["experiment_id"])

    def _files(self, source: str, goal: str) -> None:
        place = self.here.place(goal)
        with tempfile.TemporaryDirectory(prefix="twinhelm-import-") as folder:
            self.other.download(source, Path(folder), max_bytes=self.max_bytes)
            for file in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
                self.here.upload(file, f"{place}/{file.relative_to(folder).as_posix()}")


def _tags(each: Json) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in each.get("tags", ())}


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
