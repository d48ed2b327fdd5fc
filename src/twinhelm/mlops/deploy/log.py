"""What is kept of what was asked and answered? A sample, struck of what is personal, in batches.

The event loop only appends to a bounded queue; a thread, four times a second and as soon as there
is much to keep, makes JSON of tensors that came as raw
bytes, strikes out the columns that the product file calls personal, and hands batches to the
:class:`~twinhelm.core.ports.Predictions` port. What finds the queue full, or the store away for
long, is dropped and counted, never waited for. A crash loses what was answered in the last
quarter of a second.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any

from twinhelm.core import json
from twinhelm.core.errors import Refused, TwinhelmError
from twinhelm.core.ports import Prediction, Predictions
from twinhelm.mlops.deploy.worker.tensors import Wrong, plain

__all__ = ["PredictionLog", "struck"]

log = logging.getLogger(__name__)

MOST_BYTES = 64 << 20
MUCH_BYTES = 4 << 20
"""Kept at once: memory that is used again soon costs half of what fresh memory does."""
MOST_JSON = 16 << 20
BATCH = 2000
PAUSE_S = 0.25


class PredictionLog:
    """The queue to the prediction log and its thread; ``dropped`` counts what was not kept."""

    def __init__(self, predictions: Predictions) -> None:
        self.dropped = 0
        self._predictions = predictions
        self._queue: deque[tuple[Prediction, Collection[str]]] = deque()
        self._bytes = 0
        self._over, self._drained = threading.Event(), threading.Event()
        self._much = threading.Event()
        self._thread = threading.Thread(target=self._work, name="twinhelm-predictions", daemon=True)
        self._thread.start()

    def put(self, made: Prediction, personal: Collection[str]) -> None:
        """Take one prediction, of which the columns ``personal`` are not to be kept."""
        size = len(made.request) + len(made.response)
        if self._bytes + size > MOST_BYTES or self._over.is_set():
            self.dropped += 1
            return
        self._bytes += size
        self._drained.clear()
        self._queue.append((made, personal))
        if self._bytes >= MUCH_BYTES > self._bytes - size:
            self._much.set()

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything put so far is kept; False where it took too long."""
        return not self._queue or self._drained.wait(timeout_s)

    def close(self) -> None:
        """Keep what waits, then end."""
        self._over.set()
        self._much.set()
        self._thread.join(10.0)

    def _work(self) -> None:
        while not self._over.is_set():
            self._much.wait(PAUSE_S)
            self._much.clear()
            self._write()
        self._write()

    def _write(self) -> None:
        while self._queue:
            taken = [self._queue[at] for at in range(min(len(self._queue), BATCH))]
            rows = [_kept(made, personal) for made, personal in taken]
            try:
                self._predictions.append(rows)
            except TwinhelmError as error:
                log.warning("predictions not kept", extra={"reason": str(error)})
                if not self._over.is_set():
                    return  # they stay in the queue, which is bounded
                self.dropped += len(rows)
            for made, _ in taken:
                self._queue.popleft()
                self._bytes -= len(made.request) + len(made.response)
        self._drained.set()


def _kept(made: Prediction, personal: Collection[str]) -> Prediction:
    """Make JSON of raw tensors; empty where a worker's own library reads more than ours does.

    So is a request that becomes longer by it than anybody reads.
    """
    try:
        request, response = plain(made.request), plain(made.response)
    except Wrong:
        request = response = b""
    if len(request) > MOST_JSON:
        request = b""
    request = struck(request, personal) if personal else request
    return made._replace(request=request, response=response)


def struck(request: bytes, personal: Collection[str]) -> bytes:
    """Return a request without the values of these columns (null in their place).

    Works on both protocols. What cannot be read, or holds rows whose columns bear no names, is
    not kept at all: empty.
    """
    try:
        body = json.loads(request, max_bytes=len(request))
        if "inputs" in body and isinstance(body["inputs"], list):
            return _struck_v2(body, personal)
        for form in ("dataframe_records", "instances", "inputs"):
            if form in body:
                body[form] = _struck_table(body[form], personal)
        if "dataframe_split" in body:
            split = body["dataframe_split"]
            hidden = [at for at, name in enumerate(split["columns"]) if name in personal]
            for row in split["data"]:
                for at in hidden:
                    row[at] = None
        return json.dumps(body)
    except (Refused, TypeError, KeyError, IndexError, AttributeError):
        return b""


def _struck_v2(body: dict[str, Any], personal: Collection[str]) -> bytes:
    for item in body["inputs"]:
        if item["name"] in personal:
            item["data"] = [None] * len(item["data"])
        elif len(item["shape"]) > 1 and item["shape"][1] > 1:
            return b""
    return json.dumps(body)


def _struck_table(table: Any, personal: Collection[str]) -> Any:
    if isinstance(table, Mapping):
        return {name: None if name in personal else each for name, each in table.items()}
    return [
        {name: None if name in personal else each for name, each in row.items()} for row in table
    ]
