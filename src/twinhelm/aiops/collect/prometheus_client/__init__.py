"""History out of anything that answers the Prometheus query API."""

from twinhelm.aiops.collect.prometheus_client.api import AnswerTooLarge, PrometheusApi
from twinhelm.aiops.collect.prometheus_client.source import PrometheusSource, with_name

__all__ = ["AnswerTooLarge", "PrometheusApi", "PrometheusSource", "with_name"]
