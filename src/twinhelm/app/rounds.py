"""One deed of a round that comes again: what fails is told, and tried again the next time."""

from __future__ import annotations

import logging
from collections.abc import Callable

from twinhelm.core.errors import TwinhelmError

__all__ = ["attempt"]

log = logging.getLogger(__name__)


def attempt(what: str, deed: Callable[[], object]) -> None:
    """Do it; whatever it raises goes into the log under ``what`` and ends nothing."""
    try:
        deed()
    except TwinhelmError as error:
        log.warning("%s must wait", what, extra={"reason": str(error)})
    except Exception:
        log.exception("%s failed", what)
