"""What is configured just now? A JSON file that somebody may rewrite at any time.

Comes in: the file's path. Goes out: its values, at most half a second old. Costs one ``stat``
per half second of use and nothing when nobody asks. A file that is not JSON keeps the last values.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from twinhelm.lab.words import LabError, read_json

__all__ = ["Live"]

LOOK_S = 0.5
log = logging.getLogger("shop.live")


class Live:
    """The values of one live file; without the file, there are none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._looked_s = float("-inf")
        self._mtime_ns = -1
        self._values: dict[str, Any] = {}

    def get(self, key: str, otherwise: Any) -> Any:
        """Return what the file says of a key, or else the value given."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self._look()
        return self._values.get(key, otherwise)

    def _look(self) -> None:
        try:
            mtime_ns = self.path.stat().st_mtime_ns
        except FileNotFoundError:
            if self._values:
                log.info("configuration %s removed, back to defaults", self.path.name)
            self._values, self._mtime_ns = {}, -1
            return
        if mtime_ns == self._mtime_ns:
            return
        try:
            values = read_json(self.path)
        except LabError as error:
            log.error("configuration not read: %s", error)
            return
        self._mtime_ns, self._values = mtime_ns, values if isinstance(values, dict) else {}
        log.info("configuration %s read: %s", self.path.name, self._values)
