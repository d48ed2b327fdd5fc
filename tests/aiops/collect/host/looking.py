"""One look at a host, as a dict of labels and values."""

from __future__ import annotations

import numpy as np

from twinhelm.aiops.collect.host import HostCollector
from twinhelm.core.arrays import U32
from twinhelm.core.labels import Labels


def look(host: HostCollector, now_ms: int) -> dict[Labels, float]:
    seen: list[Labels] = []

    def intern(labels: list[Labels]) -> U32:
        seen.extend(labels)
        return np.arange(len(labels), dtype=np.uint32)

    received = host.receive(now_ms, intern)
    return dict(zip(seen, received.samples.value.tolist(), strict=True))
