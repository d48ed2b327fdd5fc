"""What else would this customer like? A model of what was bought together, and a watch on it.

``GET /recommend?user=&items=1,2&price=&n=`` ranks products for what the customer looked at;
``POST /clicks`` brings the label later: one of the products shown was clicked. Over the last 100
requests it publishes what a model monitor needs: means of the inputs, of the scores, clicks.

The model comes from ``models/recommender-VERSION.npz`` and is read again when the file changes.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

# One request at a time is enough, and the shop's processes share the machine. Before numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import anyio.to_thread
import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop import price_cents
from twinhelm.lab.shop.runtime import Service, answer

__all__ = ["Model", "Monitor", "Seen", "model_file", "run"]

WINDOW = 100
RESTART = 0.5
PRICE_WEIGHT = 0.05


def model_file(folder: Path, version: str) -> Path:
    """Return where a version's model lies in the lab's folder."""
    return folder / "models" / f"recommender-{version}.npz"


class Model:
    """How often products are bought together, asked by a walk that starts at what was seen."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            self._together: NDArray[np.float32] = file["together"]
            self._steps = int(file["steps"])
        self._prices = np.array(
            [price_cents(product) / 100 for product in range(1, len(self._together) + 1)]
        )

    @property
    def items(self) -> int:
        """How many products it knows: 1 to this."""
        return len(self._together)

    def rank(self, seen: Sequence[int], price: float, n: int) -> tuple[list[int], float]:
        """Return the ``n`` best products and the mean of their scores.

        Scores grow with what was bought together with ``seen`` and with a likeness to ``price``,
        in the shop's currency.
        """
        known = [product - 1 for product in seen if 1 <= product <= self.items]
        start = np.zeros(self.items, np.float32)
        start[known] = 1.0 / max(1, len(known))
        walk = start
        for _ in range(self._steps):
            walk = RESTART * start + (1 - RESTART) * (self._together @ walk)
        walk = walk.copy()
        walk[known] = 0.0
        likeness = np.exp(-np.abs(np.log(self._prices / max(price, 0.01))))
        scores = walk + PRICE_WEIGHT * likeness
        scores[known] = -1.0
        best = np.argsort(-scores, kind="stable")[:n]
        return [int(item) + 1 for item in best], float(scores[best].mean())


@dataclass
class Seen:
    """One request, as the monitor remembers it."""

    user: int
    shown: list[int]
    inputs: dict[str, float]
    score: float
    clicked: bool = False


@dataclass
class Monitor:
    """The last requests to the model."""

    requests: deque[Seen] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def click(self, user: int, product: int) -> bool:
        """Label the newest request that showed a product to a user; tells whether one did."""
        for seen in reversed(self.requests):
            if seen.user == user and product in seen.shown:
                seen.clicked = True
                return True
        return False

    def input_means(self) -> dict[str, float]:
        """Return each input's mean; nothing before the first request."""
        if not self.requests:
            return {}
        return {
            name: math.fsum(seen.inputs[name] for seen in self.requests) / len(self.requests)
            for name in self.requests[0].inputs
        }

    def score_mean(self) -> float:
        """Return the mean score, NaN before the first request."""
        return self._mean([seen.score for seen in self.requests])

    def click_ratio(self) -> float:
        """Return the share of requests with a click, NaN before the first request."""
        return self._mean([float(seen.clicked) for seen in self.requests])

    @staticmethod
    def _mean(values: Sequence[float]) -> float:
        return math.fsum(values) / len(values) if values else math.nan


def run(plan: Plan, version: str) -> None:
    """Serve until told to end."""
    service = Service("recommender", plan, version)
    path = model_file(plan.folder, version)
    model = Model(path)
    read_ns = path.stat().st_mtime_ns
    monitor = Monitor()
    made = service.instruments
    made.gauge("recommender.input.mean", "Mean of an input", monitor.input_means, "feature")
    made.gauge("recommender.score.mean", "Mean score", monitor.score_mean)
    made.gauge("recommender.click.ratio", "Requests with a click", monitor.click_ratio)
    made.gauge("recommender.model.items", "Products the model knows", lambda: model.items)
    alone = anyio.CapacityLimiter(1)

    def refresh() -> None:
        nonlocal model, read_ns
        changed_ns = path.stat().st_mtime_ns
        if changed_ns != read_ns:
            model, read_ns = Model(path), changed_ns
            service.log.info("model %s read again, %d products", path.name, model.items)

    async def recommend(request: Request) -> Response:
        asked = request.query_params
        seen = [int(item) for item in asked.get("items", "").split(",") if item]
        price, n = float(asked.get("price", "50")), min(24, int(asked.get("n", "6")))
        refresh()
        shown, score = await anyio.to_thread.run_sync(model.rank, seen, price, n, limiter=alone)
        inputs = {
            "items": float(len(seen)),
            "price": price,
            "known": sum(item <= model.items for item in seen) / max(1, len(seen)),
        }
        monitor.requests.append(Seen(int(asked.get("user", "0")), shown, inputs, score))
        return answer({"products": shown, "model": version})

    async def click(request: Request) -> Response:
        label = orjson.loads(await request.body())
        matched = monitor.click(label["user"], label["product"])
        return answer({"matched": matched}, 202)

    service.serve([Route("/recommend", recommend), Route("/clicks", click, methods=["POST"])])
