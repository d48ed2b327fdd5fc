"""Write a name from elsewhere so that it may name a label or a metric here.

In comes any text; out goes one of letters, digits and ``_`` (metrics: also ``:``) that does not
start with a digit. Pure.

Source: OpenTelemetry "Prometheus and OpenMetrics Compatibility"; Prometheus data model.

>>> label_name("k8s.pod.name"), metric_name_of("CPU usage (%)")
('k8s_pod_name', 'CPU_usage')
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["label_name", "metric_name_of"]


@lru_cache(maxsize=4096)
def label_name(name: str) -> str:
    """Write a label name; one that starts with a digit gets ``key_`` in front."""
    clean = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    return f"key_{clean}" if clean[:1].isdigit() else clean


def metric_name_of(title: str) -> str:
    """Write a metric name, such as for the title of a column; ``value`` where nothing is left."""
    clean = re.sub(r"[^a-zA-Z0-9_:]+", "_", title.strip()).strip("_")
    return f"_{clean}" if clean[:1].isdigit() else clean or "value"
