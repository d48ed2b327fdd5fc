"""Making versions: what goes in is frozen, the recipe runs, what it registered is collected.

A durable workflow ``build`` of these steps: freeze the inputs (data, code, environment, all by
content); where a version exists that was made with the very same, that is it; run the recipe, once
for each combination of a search; collect the version; record. Killed half-way it goes on at the
step that was lost: a recipe under way begins anew, and what it had logged is marked as killed.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from itertools import product as combinations
from math import inf
from pathlib import Path
from typing import Any

from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, Conflict, Denied, NotFound, TwinhelmError
from twinhelm.core.json import dumps
from twinhelm.core.logs import strike_secrets
from twinhelm.core.ports import Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.products import BuildFinished, BuildStarted
from twinhelm.events.workflows import Run as Job
from twinhelm.events.workflows import RunEnded, WorkflowPort
from twinhelm.mlops import records as rows
from twinhelm.mlops.build import tracked
from twinhelm.mlops.build.data import digest_of, is_query, save
from twinhelm.mlops.build.environment import code, described, interpreter, locked
from twinhelm.mlops.build.recipe import Order, run_recipe
from twinhelm.mlops.build.repeated import compared
from twinhelm.mlops.flow.datasets import keep_reference, look
from twinhelm.mlops.flow.products import ProductDesk
from twinhelm.mlops.types import Product, ProductVersion, Run, Spec, Stage, Table

__all__ = ["Builds"]

HOUSE, ENVIRONMENTS = "twinhelm", ".environments"
ROLES = ("train", "holdout")
MAX_SHOWN_BYTES = 1 << 20


@dataclass(slots=True)
class Builds:
    """Runs of recipes, below ``folder``.

    ``collect(run, id)`` registers what an MLflow run made and returns the version, empty where it
    made none. ``tracking_url`` is where recipes log, ``access`` the variables that let one in by a
    name while it runs, and ``api`` our own client of it. ``opened`` gives a version's files, to
    compare repetitions.
    """

    records: Records
    journal: Journal
    clock: Clock
    workflows: WorkflowPort
    desk: ProductDesk
    folder: Path
    tracking_url: Callable[[], str]
    collect: Callable[[Run, str], str]
    api: tracked.TrackingApi
    access: Callable[[str], AbstractContextManager[Mapping[str, str]]] = lambda _: nullcontext({})
    opened: Callable[[str, str], Path] | None = None
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)

    def register(self) -> None:
        """Make the workflow known; runs that were cut off go on from here."""
        self.workflows.register("build", self._build)

    def start(
        self, name: str, *, by: str, reason: str = "asked", params: Mapping[str, Any] | None = None
    ) -> Run:
        """Begin a run; ``params`` override the file's, and are not searched.

        Raises :class:`Conflict` while one is under way or the product is retired,
        :class:`BadInput` where there is nothing to run.
        """
        spec, product = self._buildable(name)
        kept = {
            key: value for key, value in spec.build.params.items() if key not in spec.build.search
        }
        run = Run(
            product.name, 0, "running", by, 0, reason=reason, recipe=spec.build.recipe,
            seed=spec.build.seed, params={**kept, **(params or {})},
        )  # fmt: skip
        return self._begin(run)

    def again(self, name: str, number: int, *, by: str) -> Run:
        """Repeat a run with the same seed, parameters and threads, and compare what comes out.

        Raises :class:`Conflict` naming what differs where data or code is not what it was.
        """
        spec, product = self._buildable(name)
        old = self._run(name, number)
        if old.state != "done":
            hint = f"`twinhelm product show {name}` tells which are done"
            raise Conflict(f"run {number} of {name} is {old.state}: it made nothing", hint=hint)
        was = {"code": _bare(old.code), **old.data}
        now = {
            role: look(self.journal, self.clock, product, spec, role)[1] for role in _declared(spec)
        } | {"code": _bare(code(Path(product.folder)))}
        if differ := sorted(key for key in was.keys() | now.keys() if was.get(key) != now.get(key)):
            said = f"run {number} of {name} cannot be repeated: changed since: {', '.join(differ)}"
            hint = f"bring back what it was, or start a new run: twinhelm build {name}"
            raise Conflict(said, hint=hint)
        run = Run(
            name, 0, "running", by, 0, reason=f"again {number}", recipe=old.recipe, seed=old.seed,
            params=old.params, environment={"threads": old.environment["threads"]}, again=number,
        )  # fmt: skip
        return self._begin(run)

    def runs(self, name: str) -> list[Run]:
        """List a product's runs, the newest first."""
        with self.records.reading() as unit:
            return sorted(rows.find(unit, Run, product=name), key=lambda run: -run.number)

    def log(self, name: str, number: int) -> str:
        """Return what a run's recipe said, the last of it where it is long, without secrets."""
        self._run(name, number)
        path = self._work(name, number) / "log"
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MAX_SHOWN_BYTES))
            return strike_secrets(file.read().decode("utf-8", "replace"))

    def cancel(self, name: str, number: int, *, by: str) -> None:
        """End a run that is under way; its processes end at once.

        Raises :class:`Conflict` where it is over.
        """
        run = self._run(name, number)
        if run.state != "running":
            said = f"run {number} of {name} is over: {run.state}"
            raise Conflict(said, hint="there is nothing to cancel")
        self._finish(name, number, {"state": "failed", "error": f"cancelled by {by}"}, by)
        with suppress(NotFound):
            self.workflows.cancel(run.job)

    def mend(self) -> None:
        """Take care of runs that a crash left without a job.

        To be called now and then, after the workflows were resumed.
        """
        with self.records.reading() as unit:
            open_ = rows.find(unit, Run, state="running")
        for run in open_:
            try:
                status = self.workflows.status(run.job)
            except NotFound:  # killed between the record and the job
                self._launch(run)
                continue
            if status.state.over:
                error = status.error or f"its job was {status.state}"
                self._finish(run.product, run.number, {"state": "failed", "error": error})

    def table(self, name: str, role: str) -> tuple[Table, str]:
        """Read a product's ``train`` or ``holdout`` data, with its digest.

        Raises :class:`BadInput` where it breaks the contract, :class:`NotFound` where none is
        declared, and what :func:`~twinhelm.mlops.build.data.read` raises.
        """
        product = self.desk.product(name)
        if (spec := self.desk.spec(name)) is None or role not in _declared(spec):
            hint = f"set data.{role} in its product file"
            raise NotFound(f"{name} declares no {role} data", hint=hint)
        return look(self.journal, self.clock, product, spec, role)

    def python_of(self, name: str, version: str) -> str:
        """Name the interpreter of the locked environment of a version; empty for the house's own.

        Raises :class:`NotFound` where that environment is gone.
        """
        with self.records.reading() as unit:
            made = rows.need(unit, ProductVersion, f"{name}/{version}")
            run = rows.get(unit, Run, f"{name}/{made.build}") if made.build else None
        if run is None or run.environment.get("environment") != "locked":
            return ""
        found = interpreter(run.environment, self.folder / ENVIRONMENTS)
        if found is None:
            again = f"`twinhelm run again {name} {run.number}` makes it anew"
            said = f"the locked environment that {made.ref} was built in is gone"
            raise NotFound(said, hint=f"{again}; or restore runs/{ENVIRONMENTS} from a backup")
        return str(found)

    def training_data(self, name: str) -> str:
        """Name a product's training data, as it lies there now, by its content."""
        spec, product = self._buildable(name)
        return digest_of(spec.data.train, Path(product.folder))

    def _buildable(self, name: str) -> tuple[Spec, Product]:
        product, spec = self.desk.product(name), self.desk.spec(name)
        if spec is None or not spec.build.recipe:
            raise BadInput(f"{name} has no recipe", hint="set build.recipe in its product file")
        if not product.folder or not Path(product.folder).is_dir():
            said = f"the folder of {name} ({product.folder or 'none'}) is not here"
            raise BadInput(
                said, hint="frame it on this machine: twinhelm product frame FOLDER/product.toml"
            )
        if product.retired:
            hint = f"take it up again first: twinhelm product retire {name} --undo"
            raise Conflict(f"{name} is retired: {product.retired}", hint=hint)
        return spec, product

    def _begin(self, run: Run) -> Run:
        with self.journal.writing(run.by) as write:
            known = rows.find(write, Run, product=run.product, limit=100_000)
            if under_way := [one.number for one in known if one.state == "running"]:
                said = f"run {under_way[0]} of {run.product} is under way"
                job = f"build-{run.product}/{under_way[0]}"
                raise Conflict(said, hint=f"wait, or cancel it: twinhelm jobs {job} --cancel")
            number = max((one.number for one in known), default=0) + 1
            job = f"build-{run.product}/{number}"
            run = replace(run, number=number, job=job, started_ms=self.clock.now_ms())
            rows.put(write, run)
            write.event(BuildStarted(run.product, number, run.reason))
        # A crash before the next line leaves a run without a job; due() begins it then.
        self._launch(run)
        return run

    def _launch(self, run: Run) -> None:
        args = {"product": run.product, "number": run.number}
        self.workflows.start("build", args, key=f"{run.product}/{run.number}")

    def _build(self, job: Job, args: Mapping[str, Any]) -> dict[str, Any]:
        name, number = args["product"], args["number"]
        try:
            ended = self._walk(job, name, number)
        except TwinhelmError as error:
            ended = {"state": "failed", "error": strike_secrets(str(error))}
        job.step("record", self._finish, name, number, ended)
        return ended

    def _walk(self, job: Job, name: str, number: int) -> dict[str, Any]:
        frozen = job.step("freeze", self._freeze, job, name, number)
        if frozen["version"]:
            return {"state": "cached", "version": frozen["version"], "says": frozen.get("says", "")}
        grid = frozen["grid"]
        tries = [
            job.step(f"run {at}", self._try, job, name, number, frozen, at)
            for at in range(len(grid))
        ]
        return job.step("collect", self._gather, name, number, frozen, tries)

    def _freeze(self, job: Job, name: str, number: int) -> dict[str, Any]:
        """Name everything that the run is made with; where a version has the same, name that."""
        spec, product = self._buildable(name)
        run, work = self._run(name, number), self._work(name, number)
        work.mkdir(parents=True, exist_ok=True)
        data, places = {}, {}
        for role in _declared(spec):
            table, data[role] = look(self.journal, self.clock, product, spec, role)
            source = getattr(spec.data, role)
            places[role] = source if "://" in source else str(Path(product.folder) / source)
            if is_query(source):
                places[role] = str(work / f"{role}.parquet")
                save(table, Path(places[role]))
            if role == "train":
                keep_reference(table, work, seed=run.seed)
            del table  # the recipe needs the memory
        python, facts = "", described()
        if spec.build.environment == "locked":
            needs = Path(product.folder) / (spec.build.requirements or "requirements.txt")
            pinned = self._work(name, run.again) / "log.requirements"
            if run.again and pinned.is_file():  # the very versions of then
                needs = pinned
            cache = self.folder / ENVIRONMENTS
            found, facts = locked(needs, cache, log=work / "log", beat=_beat(job, 0.0))
            python = str(found)
        search = {key: said for key, said in spec.build.search.items() if key not in run.params}
        grid = [dict(zip(search, values, strict=True)) for values in combinations(*search.values())]
        facts = {"threads": str(self.threads), **run.environment, **facts}
        run = replace(run, data=data, code=code(Path(product.folder)), environment=facts)
        wholly = [run.recipe, _bare(run.code), data, facts, run.seed, run.params, grid]
        key = hashlib.sha256(dumps([*wholly, spec.build.best])).hexdigest()
        run = replace(run, key=key if "train" in data else "")
        with self.journal.writing(HOUSE) as write:
            rows.put(write, run)
        version, says = self._earlier(run)
        return {
            "version": version, "says": says, "python": python, "data": places, "grid": grid,
            "best": spec.build.best, "limit_s": spec.build.time_limit_minutes * 60,
        }  # fmt: skip

    def _earlier(self, run: Run) -> tuple[str, str]:
        """Find a version made with the very same that still exists, and what to say of it."""
        same = [one for one in self.runs(run.product) if one.key == run.key and one.version]
        for one in same if run.key and not run.again else ():
            with suppress(NotFound, Denied):
                made = self.desk.version(run.product, one.version)
                if self.opened:  # its files may have been pruned
                    self.opened(run.product, one.version)
                if made.stage == Stage.RETIRED:
                    says = f"it is retired ({made.reason}), and may be asked for again"
                    return made.version, says
                if made.stage != Stage.REFUSED:
                    return made.version, ""
        return "", ""

    def _try(
        self, job: Job, name: str, number: int, frozen: Mapping[str, Any], at: int
    ) -> dict[str, Any]:
        """Run the recipe with one combination of parameters; tells how it ended."""
        run, work = self._run(name, number), self._work(name, number)
        tag, attempt = f"{name}/{number}/{at + 1}", secrets.token_hex(8)
        tracked.close_runs(self.api, tracked.BUILD, tag, end_ms=self.clock.now_ms())
        params = {**run.params, **frozen["grid"][at]}
        with (work / "log").open("ab") as log:
            log.write(b"--- run %d of %d: %s\n" % (at + 1, len(frozen["grid"]), dumps(params)))
        order = Order(
            name, run.recipe, Path(self.desk.product(name).folder), work, self.tracking_url(),
            run.seed, int(run.environment["threads"]), frozen["limit_s"], params=params,
            data=frozen["data"], tags={tracked.BUILD: tag, tracked.ATTEMPT: attempt},
        )  # fmt: skip
        if frozen["python"]:
            order = replace(order, python=Path(frozen["python"]))
        try:
            with self.access(tracked.recipe_name(name, number)) as access:
                order = replace(order, access=access)
                ended = run_recipe(order, _beat(job, order.limit_s))
        except RunEnded:
            with suppress(TwinhelmError):  # the tracking server may be on its way down too
                tracked.close_runs(self.api, tracked.ATTEMPT, attempt, end_ms=self.clock.now_ms())
            raise
        error = ""
        if ended.code is None:
            error = f"{run.recipe} took more than {order.limit_s:g} s (build.time_limit_minutes)"
        elif ended.code:
            error = f"{run.recipe} ended with {ended.code}: {strike_secrets(ended.last_line)}"
        if error:
            tracked.close_runs(self.api, tracked.ATTEMPT, attempt, end_ms=self.clock.now_ms())
            return {"params": params, "error": error, "runs": []}
        found = tracked.logged(self.api, tracked.ATTEMPT, attempt)
        logs = [{"id": one.run_id, "metrics": dict(one.metrics)} for one in found]
        return {"params": params, "error": "", "runs": logs}

    def _gather(
        self, name: str, number: int, frozen: Mapping[str, Any], tries: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """Register what the best try made."""
        good = [one for one in tries if not one["error"]]
        if not good:
            return {"state": "failed", "error": tries[0]["error"]}
        metric = frozen["best"].removeprefix("-")
        sign = 1 if metric == frozen["best"] else -1

        def worth(one: Mapping[str, Any]) -> float:
            logs = [log["metrics"] for log in one["runs"]]
            return max((sign * log[metric] for log in logs if metric in log), default=-inf)

        chosen = max(good, key=worth) if len(tries) > 1 else good[0]
        if len(tries) > 1 and worth(chosen) == -inf:
            error = f"no run logged the metric {metric!r}, by which build.best chooses"
            return {"state": "failed", "error": error}
        failed = len(tries) - len(good)
        run = self._run(name, number)
        for one in chosen["runs"]:
            made = {"run_id": one["id"], "metrics": one["metrics"], "params": chosen["params"]}
            if version := self.collect(replace(run, **made), one["id"]):
                says = f"{failed} of {len(tries)} combinations failed" if failed else ""
                return {"state": "done", "version": version, "says": says, **made}
        what = "registered no model" if chosen["runs"] else "logged no run"
        hint = "call mlflow.start_run and log a model with registered_model_name"
        return {"state": "failed", "error": f"{run.recipe} ended well but {what} ({hint})"}

    def _finish(self, name: str, number: int, ended: Mapping[str, Any], by: str = HOUSE) -> None:
        now = replace(self._run(name, number), **ended, ended_ms=self.clock.now_ms())
        if now.again and now.state == "done":
            old = self._run(name, now.again)
            files = [self.opened(name, each.version) for each in (old, now)] if self.opened else []
            now = replace(now, says=compared(old, now, *files))
        with self.journal.writing(by) as write:
            if rows.need(write, Run, f"{name}/{number}").state != "running":
                return  # cancelled meanwhile, or recorded before a crash
            rows.put(write, now)
            write.event(BuildFinished(name, number, now.state, now.version, now.error))

    def _run(self, name: str, number: int) -> Run:
        return rows.load(self.records, Run, f"{name}/{number}")

    def _work(self, name: str, number: int) -> Path:
        return self.folder / name / str(number)


def _declared(spec: Spec) -> list[str]:
    return [role for role in ROLES if getattr(spec.data, role)]


def _bare(code: str) -> str:
    """Leave the commit away: the same code may lie in another."""
    return code.partition(" ")[0]


def _beat(job: Job, limit_s: float) -> Callable[[float, str], None]:
    return lambda seconds, line: job.progress(int(seconds), int(limit_s), strike_secrets(line))
