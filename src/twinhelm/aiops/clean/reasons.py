"""Why telemetry was not kept: every reason that a rejection may carry, a sentence each.

Decoders, :class:`~twinhelm.aiops.clean.samples.Cleaner` and the doors all use these words; a
reason that does not stand here is a defect.

>>> Reason("late").meaning
'Older than the newest sample of its series and already in the store.'
"""

from enum import StrEnum

__all__ = ["Reason"]


class Reason(StrEnum):
    """Why something was not kept; ``meaning`` says it in a sentence."""

    DUPLICATE = "duplicate"
    CONFLICTING = "conflicting"
    LATE = "late"
    TOO_FAR_AHEAD = "too_far_ahead"
    TOO_OLD = "too_old"
    SERIES_LIMIT = "series_limit"
    BAD_LABELS = "bad_labels"
    NATIVE_HISTOGRAM = "native_histogram"
    EXEMPLAR = "exemplar"
    DELTA_TEMPORALITY = "delta_temporality"
    NO_TIME = "no_time"
    BAD_VALUE = "bad_value"
    LINE_TOO_LONG = "line_too_long"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"

    @property
    def meaning(self) -> str:
        """Say in a sentence what was wrong."""
        return _MEANINGS[self]


_MEANINGS = {
    Reason.DUPLICATE: "The same time and value was sent again; nothing is lost.",
    Reason.CONFLICTING: "Another value already stands at that time; the first one is kept.",
    Reason.LATE: "Older than the newest sample of its series and already in the store.",
    Reason.TOO_FAR_AHEAD: "Further ahead of this machine's clock than limits.max_future_s.",
    Reason.TOO_OLD: "Further back than limits.max_past_days.",
    Reason.SERIES_LIMIT: "A new series past limits.max_series_per_tenant.",
    Reason.BAD_LABELS: "Labels that are repeated, badly named, too many or too long.",
    Reason.NATIVE_HISTOGRAM: "A native (exponential) histogram, which is not kept.",
    Reason.EXEMPLAR: "An exemplar, which is not kept.",
    Reason.DELTA_TEMPORALITY: "A delta sum or histogram that could not be added up.",
    Reason.NO_TIME: "A point without a time.",
    Reason.BAD_VALUE: "A value that is not a number of the kind that was announced.",
    Reason.LINE_TOO_LONG: "A log line longer than limits.max_log_line_bytes.",
    Reason.TOO_LARGE: "A request or a part of it past a size limit.",
    Reason.MALFORMED: "Bytes that do not follow the format.",
    Reason.UNSUPPORTED: "A form of telemetry that this door does not take.",
}
