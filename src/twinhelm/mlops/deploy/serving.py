"""Who answers this request? The table of deployments, and the warm processes behind it.

Data path (on the event loop): :meth:`Serving.predict` picks a version by the product's split,
hands the bytes of the request to one of its processes and the bytes of the reply back, mirrors to
shadows after the answer is known, counts, and puts the request into the prediction log. The house
parses nothing of it. A canary that fails, or refuses what the champion takes, costs its caller
nothing: the champion answers, and the canary's failure is counted.

Controls (any thread): :meth:`Serving.hold` makes a version warm, :meth:`Serving.turn` puts a
deployment in force in one assignment. Versions of the product that it does not name, apart from
the last champion, answer what they were asked before, then end. No request is lost by a turn.

The split is a low-discrepancy sequence (multiples of the golden ratio): over n requests a version's
share is right to about log(n) / n. Source: Knuth, "The Art of Computer Programming", 6.4.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from itertools import accumulate, count
from pathlib import Path

from twinhelm.core.clock import Clock
from twinhelm.core.errors import NotFound, TwinhelmError, Unavailable
from twinhelm.core.ports import Prediction, Predictions
from twinhelm.mlops.deploy.log import PredictionLog
from twinhelm.mlops.deploy.measures import Tally
from twinhelm.mlops.deploy.pool import Ended, Pool, Reply
from twinhelm.mlops.deploy.scorer import open_scorer
from twinhelm.mlops.deploy.seeds import Limits, Seeds
from twinhelm.mlops.deploy.steps import rules_of
from twinhelm.mlops.deploy.worker.frames import Form
from twinhelm.mlops.mlmodel import described
from twinhelm.mlops.types import Deployment, Field, Part, Schema, Scorer, Spec

__all__ = ["About", "Serving"]

GOLDEN = 0.6180339887498949
MOST_SHADOWED = 64
"""Requests that a shadow may be behind; further ones are not mirrored."""


@dataclass(frozen=True, slots=True)
class About:
    """What the protocols tell of a model: ``versions`` that answer, of which ``version`` first.

    ``schema`` names the outputs that it really gave when it was made warm, where that is known.
    """

    product: str
    version: str
    versions: tuple[str, ...]
    schema: Schema
    platform: str
    mlflow_version: str
    ready: bool


class _Route:
    """A product's deployment in force; ``at`` walks the split."""

    def __init__(self, deployment: Deployment, spec: Spec | None) -> None:
        self.deployment = deployment
        self.answering = [part for part in deployment.parts if part.role != "shadow"]
        self.shadows = [part for part in deployment.parts if part.role == "shadow"]
        self._edges = list(accumulate(part.share for part in self.answering))
        self._at = self._logged = 0.0
        self._log = spec.monitor.log if spec else 1.0
        columns = spec.data.columns if spec else ()
        self.personal = frozenset(each.name for each in columns if each.personal)

    def next(self) -> Part:
        self._at = (self._at + GOLDEN) % 1.0
        for part, edge in zip(self.answering, self._edges, strict=True):
            if self._at < edge:
                return part
        return self.champion()

    def champion(self) -> Part:
        return self.named(self.deployment.champion)

    def named(self, version: str) -> Part:
        for part in self.answering:
            if part.version == version:
                return part
        live = ", ".join(part.version for part in self.answering) or "none"
        said = f"version {version!r} of {self.deployment.product} does not answer"
        raise NotFound(said, hint=f"these do: {live}")

    def is_logged(self) -> bool:
        self._logged = (self._logged + GOLDEN) % 1.0
        return self._logged < self._log


class Serving:
    """Living models; see the module. Without ``predictions`` none is kept."""

    def __init__(
        self, predictions: Predictions | None, clock: Clock, *, max_rows: int = 100_000
    ) -> None:
        self.log = None if predictions is None else PredictionLog(predictions)
        self._clock, self._max_rows = clock, max_rows
        self._seeds = Seeds()
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str], Pool] = {}
        self._routes: dict[str, _Route] = {}
        self._tallies = defaultdict[tuple[str, str], Tally](Tally)
        self._ids = (f"{prefix}{n:06x}" for prefix in [secrets.token_hex(6)] for n in count())
        self.waits = False
        """True until a start has turned every product to its record."""
        self._shadowing: set[asyncio.Task[None]] = set()

    def hold(
        self, product: str, version: str, folder: Path, limits: Limits, *, wait: bool = True
    ) -> None:
        """Keep a version warm; ``folder`` must have been verified just now.

        Returns when it is warm, or at once without ``wait``. Held already, it changes nothing.
        Raises what :meth:`~twinhelm.mlops.deploy.seeds.Seeds.start` raises.
        """
        with self._lock:
            pool = self._pools.get((product, version))
            if pool is None:
                model = described(folder)
                pool = Pool(product, version, model, limits, self._seeds, self._clock)
                self._pools[product, version] = pool
        if not wait:
            pool.fill_later()
            return
        try:
            pool.fill()
        except TwinhelmError:
            route = self._routes.get(product)
            if route is None or all(p.version != version for p in route.deployment.parts):
                self.release(product, version)
            raise

    def holds(self, product: str, version: str) -> bool:
        """Tell whether a version is kept, warm or on the way there."""
        return (product, version) in self._pools

    def release(self, product: str, version: str) -> None:
        """Let a version go when it has answered what it was asked."""
        with self._lock:
            pool = self._pools.pop((product, version), None)
        if pool is not None:
            pool.drain(pool.limits.timeout_s + 1.0)

    def turn(self, deployment: Deployment, spec: Spec | None) -> None:
        """Put a deployment in force; what it does not name is let go, in the background."""
        product = deployment.product
        if deployment.parts:
            self._routes[product] = _Route(deployment, spec)
        else:
            self._routes.pop(product, None)
        kept = {part.version for part in deployment.parts} | {deployment.before}
        for name, version in list(self._pools):
            if name == product and version not in kept:
                threading.Thread(target=self.release, args=(name, version), daemon=True).start()

    def scorer(self, folder: Path, limits: Limits) -> AbstractContextManager[Scorer]:
        """Open a model for a flow; see :func:`~twinhelm.mlops.deploy.scorer.open_scorer`."""
        return open_scorer(self._seeds, folder, limits)

    def limits(self, spec: Spec | None, python: str = "") -> Limits:
        """Read a version's limits from its product file; ``python`` has its libraries."""
        asked = rules_of(spec)
        mine = self._max_rows, python or sys.executable
        return Limits(asked.memory_mb, asked.timeout_s, asked.workers, *mine)

    async def predict(self, product: str, form: Form, body: bytes, *, version: str = "") -> Reply:
        """Answer one request; an explicit version must be one that answers now.

        Raises :class:`NotFound`, :class:`~twinhelm.core.errors.Overloaded`,
        :class:`~twinhelm.mlops.deploy.pool.TooSlow` (504) or
        :class:`~twinhelm.core.errors.Unavailable`; what is wrong with the request itself comes
        as a reply with its status.
        """
        started_s, name = self._clock.monotonic_s(), next(self._ids)
        while True:
            route = self._route(product)
            part = route.named(version) if version else route.next()
            try:
                if version or part.role == "champion":
                    reply = await self._ask(product, part.version, form, name, body)
                else:
                    reply = await self._tried(route, part, form, name, body)
            except Ended:
                if self._routes.get(product) is route:
                    raise
                continue  # by a turn, between the question and now
            break
        if reply.status == 200:
            role = route.named(reply.version).role
            took_s = self._clock.monotonic_s() - started_s
            self._keep(route, role, form, body, reply, took_s)
            for shadow in route.shadows:
                self._mirror(route, shadow, form, body, reply)
        return reply

    def about(self, product: str, version: str = "") -> About:
        """Describe what answers, or one version of it; raises :class:`NotFound`."""
        route = self._route(product)
        part = route.named(version) if version else route.champion()
        pool = self._pools.get((product, part.version))
        if pool is None:
            raise NotFound(f"version {part.version!r} of {product} is not held")
        versions = tuple(each.version for each in route.answering)
        said, workers = pool.model, pool.workers
        maker = said.facts.get("mlflow_version", "")
        gave = workers[0].about["outputs"] if workers else ()
        outputs = tuple(Field(name, kind, shape=(-1, *shape[1:])) for name, kind, shape in gave)
        schema = Schema(said.schema.inputs, outputs or said.schema.outputs)
        return About(product, part.version, versions, schema, said.flavor, maker, bool(workers))

    def ready(self) -> bool:
        """Tell whether every deployed version is warm, and known after a start."""
        return not self.waits and all(
            (pool := self._pools.get((product, part.version))) is not None and pool.workers
            for product, route in list(self._routes.items())
            for part in route.answering
        )

    def measures(self, product: str, version: str) -> dict[str, float]:
        """Return what was counted of a version since this process began, in words."""
        return self._tallies[product, version].words()

    def tally(self, product: str, version: str) -> Tally:
        """Return what was counted of a version since this process began."""
        return self._tallies[product, version].copy()

    def series(self, now_ms: int) -> Iterator[tuple[str, dict[str, str], int, float]]:
        """Yield name, labels, time and value of what was counted, for those who keep series."""
        for (product, version), tally in list(self._tallies.items()):
            labels = {"product": product, "version": version}
            yield "model_requests_total", labels, now_ms, float(tally.requests)
            yield "model_errors_total", labels, now_ms, float(tally.errors)
            yield "model_rows_total", labels, now_ms, float(tally.rows)
            yield "model_request_seconds_total", labels, now_ms, tally.seconds
            if tally.requests:  # nothing asked has no latency, which is not 0
                yield "model_latency_p99_seconds", labels, now_ms, tally.quantile_s(0.99)
        if self.log is not None:
            yield "model_predictions_not_logged_total", {}, now_ms, float(self.log.dropped)

    def close(self) -> None:
        """End every process and keep what waits for the log."""
        for pool in list(self._pools.values()):
            pool.close()
        self._seeds.close()
        if self.log is not None:
            self.log.close()

    def _route(self, product: str) -> _Route:
        route = self._routes.get(product)
        if route is None and self.waits:
            raise Unavailable("who answers is not known yet", hint="it starts", retry_after_s=1.0)
        if route is None:
            said = f"no version of a product {product!r} is live"
            raise NotFound(said, hint=f"promote one: twinhelm promote {product} VERSION")
        return route

    async def _tried(self, route: _Route, part: Part, form: Form, name: str, body: bytes) -> Reply:
        """Ask a canary; where it fails, ask the champion too."""
        product = route.deployment.product
        reply: Reply | None = None
        with suppress(TwinhelmError):
            reply = await self._ask(product, part.version, form, name, body)
        if reply is not None and reply.status == 200:
            return reply
        usual = await self._ask(product, route.deployment.champion, form, name, body)
        if reply is not None and usual.status == 200 and reply.status < 500:
            self._tallies[product, part.version].errors += 1
        return usual

    async def _ask(
        self, product: str, version: str, form: Form, name: str, body: bytes, beside: bytes = b""
    ) -> Reply:
        pool = self._pools.get((product, version))
        if pool is None:
            raise Ended(f"{product}/{version} answers no more")
        started_s, tally = self._clock.monotonic_s(), self._tallies[product, version]
        try:
            reply = await pool.ask(form, name, body, beside)
        except Ended:
            raise
        except TwinhelmError as error:
            tally.add(error.status, self._clock.monotonic_s() - started_s)
            raise
        tally.add(reply.status, self._clock.monotonic_s() - started_s, reply.rows)
        return reply

    def _mirror(self, route: _Route, part: Part, form: Form, body: bytes, reply: Reply) -> None:
        product = route.deployment.product
        key = product, part.version
        pool, tally = self._pools.get(key), self._tallies[key]
        if pool is None or pool.under_way >= MOST_SHADOWED:
            tally.dropped += 1
            return

        async def shadowed() -> None:
            started_s = self._clock.monotonic_s()
            with suppress(TwinhelmError):
                found = await self._ask(product, part.version, form, reply.id, body, reply.body)
                if found.status == 200:
                    tally.compared += found.rows
                    tally.differing += found.differing
                    took_s = self._clock.monotonic_s() - started_s
                    self._keep(route, "shadow", form, body, found, took_s)
                elif found.status < 500:
                    tally.errors += 1

        task = asyncio.get_running_loop().create_task(shadowed())
        self._shadowing.add(task)
        task.add_done_callback(self._shadowing.discard)

    def _keep(
        self, route: _Route, role: str, form: Form, body: bytes, reply: Reply, took_s: float
    ) -> None:
        if self.log is None or not route.is_logged():
            return
        now_ms, took_us = self._clock.now_ms(), int(took_s * 1e6)
        product, told = route.deployment.product, form.name.lower()
        made = Prediction(
            product, reply.id, reply.version, role, now_ms, took_us, reply.rows, told, body,
            reply.body,
        )  # fmt: skip
        self.log.put(made, route.personal)
