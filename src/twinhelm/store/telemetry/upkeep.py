"""Who moves rows on while nobody asks? Two threads: one flushes, one settles.

In: the store's own flush and settle. Work that fails loses nothing: the rows wait in the append
log, the reason is told (:attr:`Upkeep.reason`) and the work is tried again.
"""

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
        self._wakes = threading.Event(), threading.Event()
        self._stopping = False
        often = zip((flush, settle), self._wakes, (flush_interval_s, _SETTLE_S), strict=True)
        self._threads = [
            threading.Thread(target=self._repeat, args=args, name="telemetry-upkeep", daemon=True)
            for args in often
        ]
        for thread in self._threads:
            thread.start()

    def flush_soon(self) -> None:
        """Flush now rather than at the next interval."""
        self._wakes[0].set()

    def stop(self) -> None:
        """End the threads after the work in hand."""
        self._stopping = True
        for wake in self._wakes:
            wake.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, work: Callable[[], None], wake: threading.Event, interval_s: float) -> None:
        while True:
            wake.wait(interval_s)
            wake.clear()
            if self._stopping:
                return
            try:
                work()
                self.reason = ""
            except TwinhelmError as error:
                if not self.reason:
                    _log.warning("telemetry waits in the append log: %s", error)
                self.reason = str(error)
