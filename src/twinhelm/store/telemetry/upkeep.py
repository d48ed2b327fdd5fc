"""Who moves rows on while nobody asks? Two threads: one flushes, one settles.

In: the store's own flush and settle. Work that fails loses nothing: the rows wait in the append
log, the reason is told (:attr:`Upkeep.reason`) and the work is tried again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from twinhelm.core.errors import TwinhelmError

__all__ = ["Upkeep"]

_SETTLE_S = 60.0
"""How often closed windows are looked for."""

_log = logging.getLogger(__name__)


class Upkeep:
    """The threads of one store, running until :meth:`stop`."""

    def __init__(
        self, flush: Callable[[], None], settle: Callable[[], None], *, flush_interval_s: float
    ) -> None:
        self.reason = ""
        self._flush = flush
        self._settle = settle
        self._flush_interval_s = flush_interval_s
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=f"telemetry-{name}", daemon=True)
            for work, name in ((self._flush_often, "flush"), (self._settle_often, "settle"))
        ]
        for thread in self._threads:
            thread.start()

    def flush_soon(self) -> None:
        """Flush now rather than at the next interval."""
        self._wake.set()

    def stop(self) -> None:
        """End the threads after the work in hand."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join()

    def _flush_often(self) -> None:
        while True:
            self._wake.wait(self._flush_interval_s)
            self._wake.clear()
            if self._stop.is_set():
                return
            self._try(self._flush)

    def _settle_often(self) -> None:
        while not self._stop.wait(_SETTLE_S):
            self._try(self._settle)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
            self.reason = ""
        except TwinhelmError as error:
            if not self.reason:
                _log.warning("telemetry waits in the append log: %s", error)
            self.reason = str(error)
