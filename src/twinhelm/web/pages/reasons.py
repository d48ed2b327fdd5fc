"""What each reason for a rejection means, and what the sender can do about it."""

from __future__ import annotations

from twinhelm.aiops.clean import Reason

__all__ = ["advice_on"]

REMEDIES = {
    Reason.DUPLICATE: "Nothing to do. Many of them mean that two senders send the same series.",
    Reason.CONFLICTING: "Give each of the two senders a label of its own, such as replica.",
    Reason.LATE: "Send in order of time; a back-fill brings the past in by its own path.",
    Reason.TOO_FAR_AHEAD: "Set the sender's clock right, or raise limits.max_future_s.",
    Reason.TOO_OLD: "Raise limits.max_past_days if this history is wanted.",
    Reason.SERIES_LIMIT: "Drop labels whose values never end (ids, paths) at the sender, or raise "
    "limits.max_series_per_tenant.",
    Reason.BAD_LABELS: "Correct the labels at the sender; limits.max_labels and its kin say how "
    "much may be.",
    Reason.NATIVE_HISTOGRAM: "Let the sender write classic histograms as well.",
    Reason.EXEMPLAR: "Nothing to do: the samples themselves were kept.",
    Reason.DELTA_TEMPORALITY: "Set the SDK's temporality preference to cumulative.",
    Reason.NO_TIME: "Let the sender put a time on each point.",
    Reason.BAD_VALUE: "Correct the value at the sender.",
    Reason.LINE_TOO_LONG: "Shorten the lines at the sender, or raise limits.max_log_line_bytes.",
    Reason.TOO_LARGE: "Send smaller batches, or raise limits.max_body_bytes and its kin.",
    Reason.MALFORMED: "Check which protocol the sender speaks, and that it is sent to its own "
    "path.",
    Reason.UNSUPPORTED: "Choose another form at the sender; Connect lists what is taken.",
}


def advice_on(reason: str) -> tuple[str, str]:
    """Return what a reason means and what to do; both say so where the reason is not known."""
    if reason not in REMEDIES:
        return "A reason that this version does not know.", "See the example."
    known = Reason(reason)
    return known.meaning, REMEDIES[known]
