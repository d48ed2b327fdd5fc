"""What is remembered of one series: names for the columns of the detector's matrices.

A series is one row of 128 bytes, two cache lines: ``WIDTH`` float32, of which the last three
words hold integers (``SLOT`` as int32, ``SEEN`` as int64), reached by views of the same bytes.
All zero means "never seen". Three tests keep a tail each, in three columns from ``POINT``,
``SHIFT`` and ``SPREADING`` on; see :mod:`.tail`.
"""

__all__ = [
    "BAR",
    "FADING",
    "FAST",
    "FLAG",
    "HELD",
    "LAST",
    "MAGNITUDE",
    "POINT",
    "RUN",
    "RUN_MAX",
    "RUN_MEAN",
    "SEASONAL",
    "SEEN",
    "SHIFT",
    "SIZE_POINT",
    "SIZE_SHIFT",
    "SIZE_SPREAD",
    "SLOT",
    "SLOT_NONE",
    "SLOW",
    "SPREAD",
    "SPREADING",
    "STEP",
    "WIDTH",
    "N",
]

FAST = 0
"""Mean of now, about three samples, less the profile where one is used."""
SLOW = 1
"""The baseline, likewise."""
SIZE_POINT, SIZE_SHIFT, SIZE_SPREAD = 2, 3, 4
"""Mean absolute distance of each test."""
POINT, SHIFT, SPREADING = 5, 8, 11
"""Where each test's tail starts."""
SPREAD = 14
"""Mean point distance of the last 20 samples, in usual sizes; 0.8 is normal."""
STEP = 15
"""Usual time between samples, ms."""
N = 16
"""Samples learnt; stays near a million from there on."""
RUN, RUN_MEAN, RUN_MAX = 17, 18, 19
"""Repeats of the same value now, usually, at most (fading)."""
LAST = 20
"""The newest value."""
HELD = 21
"""How long the series has been flagged, ms; counts down when it is not."""
MAGNITUDE = 22
"""Mean absolute value: what rounding is measured against."""
FLAG = 23
"""1 if the newest sample was flagged."""
SEASONAL = 24
"""1 while the profile is used."""
FADING = 25
"""The score's evidence, fading after a strange sample."""
BAR = 26
"""Evidence that flags, for this series' interval."""
SLOT = 29
"""As int32: 0 no profile, k the k-th profile (from 1)."""
SEEN = 15
"""As int64: time of the newest sample learnt."""
WIDTH = 32

SLOT_NONE = 0
