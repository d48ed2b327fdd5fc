"""What one setting, ``detect.sensitivity``, means in evidence."""

from twinhelm.aiops.detect.kernel import SCORE_HALF

__all__ = ["threshold_of"]


def threshold_of(sensitivity: float) -> float:
    """Turn sensitivity into the evidence (``-log10`` of the tail probability) that is flagged.

    0.5 gives 3.3, which scores 0.5: one sample in 2,000 where the tail fits. Tails are estimated
    on the heavy side, so that quiet noise is flagged far less often. 0 gives 5.7, 1 gives 1.9.
    """
    return float(SCORE_HALF * 3.0 ** (0.5 - sensitivity))
