"""Compile the decoders before the first request needs them.

:func:`warm` is meant for a background thread at start: cold it takes some seconds of one core,
from the cache half a second. A request that comes earlier waits for the kernel that it needs.
"""

import numpy as np

from twinhelm.aiops.collect.otlp.metrics import OtlpMetricsDecoder
from twinhelm.aiops.collect.remote_write import RemoteWriteDecoder
from twinhelm.aiops.collect.wire.blocks import FIRST_SLOTS
from twinhelm.aiops.collect.wire.series import SeriesTable
from twinhelm.core.arrays import U32
from twinhelm.core.labels import Labels
from twinhelm.core.settings import LimitSettings

__all__ = ["warm"]


def warm() -> None:
    """Decode small requests of each protocol, so that every kernel is compiled or loaded."""
    limits = LimitSettings()
    writes = RemoteWriteDecoder(_number, limits, seed=0)
    # One series more than a fresh table holds, so that growing is compiled as well.
    writes.decode_v1(b"".join(_series(i) for i in range(FIRST_SLOTS + 1)))
    writes.decode_v2(b"\x22\x00")
    OtlpMetricsDecoder(_number, limits, seed=0).decode(b"")
    SeriesTable(_number, limits, np.random.default_rng(0)).warm()


def _number(new: list[Labels]) -> U32:
    return np.arange(len(new), dtype=np.uint32)


def _series(i: int) -> bytes:
    """Encode a TimeSeries whose metric name has four bytes, with one sample of zero."""
    label = b"\x0a\x08__name__\x12\x04m%03d" % i
    inner = b"\x0a%c%b\x12\x00" % (len(label), label)
    return b"\x0a%c%b" % (len(inner), inner)
