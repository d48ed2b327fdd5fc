"""Words, errors, ports, settings and the clock: what every room of the house may speak of.

Nothing here does I/O except :mod:`twinhelm.core.settings`, which reads one file and the
environment. Conventions that hold everywhere above:

* metric time is UTC epoch milliseconds, int64, ascending (``_ms``); logs and spans carry
  nanoseconds (``_ns``);
* values are in base units (s, B, ratio 0-1); a missing value is NaN, never 0;
* anomaly scores and confidences lie in [0, 1], higher is stranger or surer.
"""
