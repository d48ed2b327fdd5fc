"""Measuring a version, as a durable workflow: opens the model, reads the data, keeps what came out.

Two steps: *examine* asks the model and measures, with progress; *keep* writes the validation and
its event in one transaction. Killed in the first, it begins again with the same randomness and
finds the same; killed after the second, nothing is written twice. A version that cannot be opened
or does not answer fails its validation with the reason; without a product file or hold-out data the
checks are unknown and say what to add.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import count
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from twinhelm.core.clock import Clock
from twinhelm.core.errors import NotFound, Refused, TwinhelmError
from twinhelm.core.ports import Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.products import VersionValidated
from twinhelm.events.workflows import Run, WorkflowPort
from twinhelm.mlops import types as words
from twinhelm.mlops.records import get, load, need, put
from twinhelm.mlops.types import Deployment, Product, ProductVersion, Validation, Verdict
from twinhelm.mlops.validate import Findings, Known, compare_rows, examine, unexamined

__all__ = ["Validations"]

WORKFLOW = "validate"
_FORM = TypeAdapter(Validation)


@dataclass(slots=True)
class Validations:
    """The workflow ``validate``: how to start it, and what it found.

    ``data_of`` gives a product's table by role (train, holdout) and its digest, ``open_scorer`` a
    living model for a while.
    """

    records: Records
    journal: Journal
    clock: Clock
    workflows: WorkflowPort
    spec_of: Callable[[str], words.Spec | None]
    data_of: Callable[[str, str], tuple[words.Table, str]]
    open_scorer: Callable[[str, str], AbstractContextManager[words.Scorer]]

    def register(self) -> None:
        """Make the workflow known; runs that were cut off go on from here."""
        self.workflows.register(WORKFLOW, self._validate)

    def start(self, product: str, version: str, *, by: str) -> str:
        """Begin to validate a version; returns the run's id, the same while it is under way.

        Raises :class:`NotFound` for a version that does not exist.
        """
        known = load(self.records, ProductVersion, f"{product}/{version}")
        name = blake2b(known.ref.encode(), digest_size=8).hexdigest()
        for attempt in count(1):
            key = f"{name}-{attempt}"
            if not self._over(f"{WORKFLOW}-{key}"):
                break
        args = {"product": product, "version": version, "by": by}
        return self.workflows.start(WORKFLOW, args, key=key)

    def latest(self, product: str, version: str) -> Validation | None:
        """Return what was found last, None for a version never validated."""
        with self.records.reading() as unit:
            return get(unit, Validation, f"{product}/{version}")

    def compare(self, product: str, a: str, b: str) -> list[dict[str, Any]]:
        """Lay two versions side by side, from their validations: see :func:`compare_rows`.

        Raises :class:`NotFound` where one was never validated.
        """
        found = []
        for version in (a, b):
            validation = self.latest(product, version)
            if validation is None:
                says = f"version {version} of {product} was never validated"
                raise NotFound(says, hint=f"validate it: twinhelm validate {product} {version}")
            found.append(validation)
        return compare_rows(*found)

    def _over(self, run_id: str) -> bool:
        try:
            return self.workflows.status(run_id).state.over
        except NotFound:
            return False

    def _validate(self, run: Run, args: Mapping[str, Any]) -> dict[str, str]:
        found = run.step("examine", self._examine, run, args["product"], args["version"])
        return run.step("keep", self._keep, found, args["by"])

    def _keep(self, found: Mapping[str, Any], by: str) -> dict[str, str]:
        one = _FORM.validate_python(found)
        failed = [each.name for each in one.checks if each.verdict is Verdict.FAIL]
        verdict = Verdict.PASS if one.passed else Verdict.FAIL if failed else Verdict.UNKNOWN
        with self.journal.writing(by) as write:
            # A crash after the commit does this step again; its event is there already.
            if get(write, Validation, f"{one.product}/{one.version}") != one:
                put(write, one)
                failed = [*dict.fromkeys(failed)]
                write.event(VersionValidated(one.product, one.version, verdict, tuple(failed)))
        return {"verdict": verdict}

    def _examine(self, run: Run, product: str, version: str) -> dict[str, Any]:
        began = self.clock.monotonic_s()
        with self.records.reading() as unit:
            one = need(unit, ProductVersion, f"{product}/{version}")
            deployment, framed = get(unit, Deployment, product), get(unit, Product, product)
        champion = deployment.champion if deployment else ""
        champion = champion or (framed.live if framed else "")
        known = Known(version, against="" if champion == version else champion)
        found, known = self._found(run, one, known)
        validation = Validation(
            product,
            version,
            self.clock.now_ms(),
            found.checks,
            found.measured,
            known.against,
            known.digests,
            found.curves,
            self.clock.monotonic_s() - began,
        )
        kept: dict[str, Any] = _FORM.dump_python(validation, mode="json")
        return kept

    def _found(self, run: Run, one: ProductVersion, known: Known) -> tuple[Findings, Known]:
        spec = self.spec_of(one.product)
        if spec is None:
            says = f"{one.product} has no product file: frame it, with its data and gates"
            return unexamined(None, "product file", says), known
        if not spec.data.holdout:
            says = "there is none: name rows that were never trained on as data.holdout"
            return unexamined(spec, "hold-out data", says), known
        run.progress(0, 100, "reading the data")
        try:
            table, digest = self.data_of(one.product, "holdout")
        except Refused as error:
            return unexamined(spec, "hold-out data", f"it cannot be read: {error}"), known
        digests, train = {"holdout": digest}, None
        if spec.data.train:
            with suppress(Refused):  # the checks that need it are unknown then
                train, digests["train"] = self.data_of(one.product, "train")
        own = {name: value for name, value in one.metrics.items() if name.startswith("cv_")}
        size = {"size_bytes": float(one.size_bytes)} if one.size_bytes else {}
        facts = {**own, **size}
        known = replace(known, train=train, digests=digests, facts=facts)
        with ExitStack() as opened:
            try:
                scorer = opened.enter_context(self.open_scorer(one.product, one.version))
            except TwinhelmError as error:
                says = f"the model cannot be opened: {error}"
                return unexamined(spec, "answers", says, Verdict.FAIL), known
            if known.against:
                with suppress(TwinhelmError):  # its gates are unknown then
                    champion = opened.enter_context(self.open_scorer(one.product, known.against))
                    known = replace(known, champion=champion)
            found = examine(
                scorer,
                table,
                spec,
                known,
                rng=np.random.default_rng([*one.ref.encode()]),
                timer=self.clock.monotonic_s,
                progress=run.progress,
            )
        return found, known
