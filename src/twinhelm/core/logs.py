"""Our own log lines: structured, on standard error, with secrets struck out.

Code says ``log = logging.getLogger(__name__)`` and ``log.info("what happened", extra={...})``;
the extras become fields. Two formats: text for people, JSON (one object a line) for machines.
"""

import logging
import re
import sys
from datetime import UTC, datetime
from typing import TextIO

from twinhelm.core import json
from twinhelm.core.settings import TracingSettings

__all__ = ["configure_logs", "strike_secrets"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_NO_EXTRA = _STANDARD | {"color_message"}
"""Fields that are no extras of ours; the last is uvicorn's message again, with colours."""

_SECRET = re.compile(
    r"(th_[A-Za-z0-9_\-]{8})[A-Za-z0-9_\-]+"
    r"|((?:authorization|password|passwd|secret|token|api[_-]?key)[\"']?\s*[:=]\s*[\"']?(?:bearer\s+)?)"
    r"[^\s\"',;&]+"
    r"|(://[^/\s:@]+:)[^@\s/]+(?=@)",
    re.IGNORECASE,
)


def strike_secrets(text: str) -> str:
    """Replace what looks like a password, token or key by ``***``, keeping what names it.

    >>> strike_secrets("postgresql://ann:hunter2@db/x")
    'postgresql://ann:***@db/x'
    """
    return _SECRET.sub(
        lambda hit: next(part for part in hit.groups() if part is not None) + "***", text
    )


class _Fields(logging.Formatter):
    """Write one record as text or JSON."""

    def __init__(self, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        fields = {key: value for key, value in vars(record).items() if key not in _NO_EXTRA}
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        trouble = self.formatException(record.exc_info) if record.exc_info else ""
        message = strike_secrets(record.getMessage())
        if self._as_json:
            line = {"time": when, "level": record.levelname.lower(), "logger": record.name}
            line["message"] = message
            if trouble:
                line["exception"] = strike_secrets(trouble)
            extras = {key: strike_secrets(str(value)) for key, value in fields.items()}
            return json.dumps({**extras, **line}).decode()
        tail = "".join(f" {key}={strike_secrets(str(value))}" for key, value in fields.items())
        body = f"{when} {record.levelname.lower():7} {record.name}: {message}{tail}"
        return f"{body}\n{strike_secrets(trouble)}" if trouble else body


def configure_logs(settings: TracingSettings, *, stream: TextIO | None = None) -> None:
    """Send all log lines to ``stream`` (standard error), in the form that settings ask for."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Fields(settings.log_format == "json"))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "numba", "asyncio", "dbos", "uvicorn.access", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
