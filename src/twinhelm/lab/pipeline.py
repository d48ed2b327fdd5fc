"""What sold, at what margin, and what was bought together? The shop's nightly job.

The process lives long and runs the job ``shop/nightly`` 24 times a day of ``day_s``. A run reads
the view ``order_feed`` (what the shop lets others see of its orders), joins finance's table
``product_margins``, writes ``product_features`` anew and trains the recommender's model of what is
bought together. Two tables and the view are made at the process's start where they are missing.

Out go OpenLineage events to the agent, one START and one COMPLETE, FAIL or ABORT per run, with the
rows read and written; and lines on stdout. A run waits for ``pipeline.lock`` in the lab's folder
for as long as somebody else holds it. A failed run changes nothing; the next one tries again.

Wrong about products beyond the popular ones: finance has no margins for them, and they are left
out. Source of the events: OpenLineage 2-0-2, ``RunEvent``, and its facets.
"""

from __future__ import annotations

import math
import secrets
import signal
import threading
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop import POPULAR
from twinhelm.lab.shop.database import connect
from twinhelm.lab.shop.recommender import model_file
from twinhelm.lab.shop.runtime.telemetry import Telemetry
from twinhelm.lab.shop.seed import MODELS, save_model, train
from twinhelm.lab.words import DATABASE, NAMESPACE, LabError, now_s

__all__ = ["FEED", "LOAD_MARGINS", "RUNS_A_DAY", "Nightly", "lock_file", "prepare", "run"]

JOB = "nightly"
RUNS_A_DAY = 24
MODEL = "1.4.0"
"""The version that is trained anew; releases bring their own."""
FEED = (
    "CREATE VIEW order_feed AS SELECT order_lines.order_id, order_lines.product,"
    " order_lines.quantity, order_lines.quantity * order_lines.price_cents AS revenue_cents,"
    " orders.placed_s FROM order_lines JOIN orders ON orders.id = order_lines.order_id"
)
"""The shop's side of the agreement: these columns, by these names."""
MARGINS = (
    "CREATE TABLE IF NOT EXISTS product_margins"
    " (product INTEGER PRIMARY KEY, margin_percent INTEGER NOT NULL)"
)
LOAD_MARGINS = (
    "INSERT INTO product_margins SELECT id, 20 + (id & 15) FROM products"  # noqa: S608 - a constant
    f" WHERE id <= {POPULAR} AND id NOT IN (SELECT product FROM product_margins)"
)
"""Brings the margins that are missing."""
FEATURES = (
    "CREATE TABLE IF NOT EXISTS product_features (product INTEGER PRIMARY KEY,"
    " sold BIGINT NOT NULL, margin_cents BIGINT NOT NULL, computed_s DOUBLE PRECISION NOT NULL)"
)
AGGREGATE = (
    "INSERT INTO product_features SELECT feed.product, sum(feed.quantity),"
    " sum(feed.revenue_cents * margins.margin_percent) / 100, :now_s FROM order_feed AS feed"
    " JOIN product_margins AS margins ON margins.product = feed.product GROUP BY feed.product"
)
BASKETS = (
    "SELECT feed.order_id, feed.product FROM order_feed AS feed"
    " JOIN product_margins AS margins ON margins.product = feed.product ORDER BY feed.order_id"
)
LOOK_S = 0.1
SPEC = "https://openlineage.io/spec"
PRODUCER = "urn:shop:pipeline"
TIMEOUT_S = 2.0


def lock_file(folder: Path) -> Path:
    """Return the file whose presence says that somebody works on the features just now."""
    return folder / "pipeline.lock"


def prepare(connection: Connection) -> None:
    """Make the job's tables and the view where they are missing, and load the margins."""
    for statement in (MARGINS, FEATURES, LOAD_MARGINS, "DROP VIEW IF EXISTS order_feed", FEED):
        connection.execute(text(statement))


class _Told(Exception):
    """The process is told to end in the middle of a run."""


class Nightly:
    """The job; ``told`` is set when the process is to end."""

    def __init__(self, plan: Plan, told: threading.Event) -> None:
        self.period_s = plan.day_s / RUNS_A_DAY
        self._plan = plan
        self._told = told
        self._log = Telemetry(plan, "pipeline", "").log
        self._engine = connect(plan.database_url, name="pipeline")
        self._client = httpx.Client(trust_env=False, timeout=TIMEOUT_S)

    def work(self) -> None:
        """Run at every full period until told to end."""
        with self._engine.begin() as connection:
            prepare(connection)
        self._log.info("job %s runs every %.1f s", JOB, self.period_s)
        while True:
            due_s = (math.floor(now_s() / self.period_s) + 1) * self.period_s
            if self._told.wait(due_s - now_s()):
                return
            self.once(due_s)

    def once(self, due_s: float) -> bool:
        """Run the job that was due at a time (epoch s); tells whether it was done."""
        run = _Run(due_s)
        self._tell(run.event("START"))
        began_s = now_s()
        try:
            self._wait_for_lock(began_s)
            with self._engine.begin() as connection:
                together = self._rebuild(connection, run)
            save_model(model_file(self._plan.folder, MODEL), together, MODELS[MODEL][1])
        except _Told:
            self._tell(run.event("ABORT"))
            return False
        except (SQLAlchemyError, LabError, OSError) as error:
            cause = str(getattr(error, "orig", error)).strip().partition("\n")[0]
            self._log.error("run %s of %s failed: %s", run.id, JOB, cause)
            self._tell(run.event("FAIL", cause))
            return False
        self._log.info(
            "run %s of %s complete: %d rows read, %d products written, %.2f s",
            run.id, JOB, run.rows["order_feed"], run.rows["product_features"], now_s() - began_s,
        )  # fmt: skip
        self._tell(run.event("COMPLETE"))
        return True

    def _wait_for_lock(self, began_s: float) -> None:
        lock, said_s = lock_file(self._plan.folder), 0.0
        while lock.exists():
            if now_s() - said_s >= self.period_s / 5:
                said_s = now_s()
                self._log.warning(
                    "run waits for %s since %.1f s, held by %s",
                    lock.name, said_s - began_s, lock.read_text(errors="replace").strip(),
                )  # fmt: skip
            if self._told.wait(LOOK_S):
                raise _Told

    def _rebuild(self, connection: Connection, run: _Run) -> NDArray[np.float32]:
        """Write the features, count rows into the run, return what is bought together."""
        count = text("SELECT count(*) FROM order_feed")
        run.rows["order_feed"] = connection.execute(count).scalar_one()
        run.rows["product_margins"] = connection.execute(
            text("SELECT count(*) FROM product_margins")
        ).scalar_one()
        sold = [tuple(row) for row in connection.execute(text(BASKETS))]
        orders = [[product for _, product in lines] for _, lines in groupby(sold, itemgetter(0))]
        together = train(orders, MODELS[MODEL][0])
        connection.execute(text("DELETE FROM product_features"))
        run.rows["product_features"] = connection.execute(
            text(AGGREGATE), {"now_s": now_s()}
        ).rowcount
        run.rows["recommender_model"] = len(orders)
        return together

    def _tell(self, event: dict[str, Any]) -> None:
        """Post an event; lineage that does not arrive is no reason for the job to fail."""
        try:
            answer = self._client.post(f"{self._plan.own_url('agent')}/api/v1/lineage", json=event)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            self._log.warning("lineage not sent: %s", error)


class _Run:
    """One run of the job and what it has counted so far."""

    def __init__(self, due_s: float) -> None:
        self.id = str(_uuid7(now_s()))
        self.rows: dict[str, int] = {}
        self._due_s = due_s

    def event(self, kind: str, error: str = "") -> dict[str, Any]:
        """Return an OpenLineage event of this run, of the time it is made."""
        nominal = _facet("NominalTimeRunFacet", nominalStartTime=_instant(self._due_s))
        facets = {"nominalTime": nominal}
        if error:
            facets["errorMessage"] = _facet(
                "ErrorMessageRunFacet", message=error, programmingLanguage="python"
            )
        return {
            "eventTime": _instant(now_s()),
            "eventType": kind,
            "producer": PRODUCER,
            "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": self.id, "facets": facets},
            "job": {"namespace": NAMESPACE, "name": JOB},
            "inputs": [self._dataset("input", name) for name in ("order_feed", "product_margins")],
            "outputs": [
                self._dataset("output", name) for name in ("product_features", "recommender_model")
            ],
        }

    def _dataset(self, way: str, name: str) -> dict[str, Any]:
        dataset: dict[str, Any] = {"namespace": DATABASE, "name": name}
        if name == "recommender_model":
            dataset["namespace"] = NAMESPACE
        if name in self.rows:
            schema = f"{way.title()}Statistics{way.title()}DatasetFacet"
            facet = _facet(schema, rowCount=self.rows[name])
            dataset[f"{way}Facets"] = {f"{way}Statistics": facet}
        return dataset


def _facet(schema: str, **fields: Any) -> dict[str, Any]:
    url = f"{SPEC}/facets/1-0-0/{schema}.json#/$defs/{schema}"
    return {"_producer": PRODUCER, "_schemaURL": url, **fields}


def _instant(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")


def _uuid7(at_s: float) -> UUID:
    """Make a version 7 identity (RFC 9562): the time in ms, then chance."""
    bits = int(at_s * 1000) << 80 | secrets.randbits(80)
    bits = bits & ~(0xF << 76) | 0x7 << 76
    return UUID(int=bits & ~(0x3 << 62) | 0x2 << 62)


def run(plan: Plan, version: str) -> None:
    """Run the job until told to end; ``version`` means nothing here."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: told.set())
    Nightly(plan, told).work()
