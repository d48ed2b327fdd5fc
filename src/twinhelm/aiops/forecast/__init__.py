"""The forecast room: the past of a series in, when it runs out (as a range) or silence out."""

from twinhelm.aiops.forecast.running_out import FORECASTER, Past, forecasts, is_candidate, limit_of
from twinhelm.aiops.forecast.trend import Projection, time_to_threshold

__all__ = [
    "FORECASTER",
    "Past",
    "Projection",
    "forecasts",
    "is_candidate",
    "limit_of",
    "time_to_threshold",
]
