"""How do log lines reach OTLP? A handler of :mod:`logging` on OpenTelemetry's logs SDK.

The SDK's own handler is deprecated in favour of a package that need not be here.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

__all__ = ["Forward", "otlp_handler"]

EVERY_MS = 1_000
SEVERITIES = {
    logging.DEBUG: SeverityNumber.DEBUG,
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
    logging.CRITICAL: SeverityNumber.FATAL,
}


def otlp_handler(
    address: str, resource: Resource, timeout_s: float
) -> tuple[logging.Handler, Callable[[], object]]:
    """Return the handler, and what sends the rest and ends it."""
    provider = LoggerProvider(resource=resource)
    provider.add_log_record_processor(
        BatchLogRecordProcessor(
            OTLPLogExporter(address, timeout=timeout_s), schedule_delay_millis=EVERY_MS
        )
    )
    return Forward(provider), provider.shutdown


class Forward(logging.Handler):
    """Turns each record into OpenTelemetry's, in the trace of the moment."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._logger = provider.get_logger("shop")

    def emit(self, record: logging.LogRecord) -> None:
        """See :meth:`logging.Handler.emit`."""
        attributes: dict[str, str] = {}
        if record.exc_info and record.exc_info[0]:
            attributes = {
                "exception.type": record.exc_info[0].__name__,
                "exception.message": str(record.exc_info[1]),
                "exception.stacktrace": "".join(traceback.format_exception(*record.exc_info)),
            }
        self._logger.emit(
            LogRecord(
                timestamp=int(record.created * 1e9),
                severity_text="WARN" if record.levelname == "WARNING" else record.levelname,
                severity_number=SEVERITIES.get(record.levelno, SeverityNumber.INFO),
                body=record.getMessage(),
                attributes=attributes,
            )
        )
