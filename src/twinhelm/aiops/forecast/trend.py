"""Says when a series will reach a threshold, as a range of time, or keeps silent.

In: the past of one series. Out: a :class:`Projection`, or None where nothing honest can be
said: too few points, no trend towards the threshold, a trend that a naive forecast (the last
value stays) matches on held-out recent points, a sawtooth that falls back before it arrives, or
an arrival past the horizon or far beyond what the past can support.

The trend is Theil and Sen's median of slopes (Sen, 1968, "Estimates of the regression
coefficient based on Kendall's tau"), on the recent part of the past that forecast the held-out
points best. The time left is taken as log-normal: a median, and a spread that adds up the
uncertainty of the slope (how much the pace differed between stretches of the past, and how far
forecasts of held-out points missed), the noise against the distance left, and the reach beyond
the past. ``earliest`` to
``latest`` is the central 90 %. Pure and deterministic; about 1 ms a series. Wrong where the
cause of the trend is about to stop; nobody told it.

>>> times = np.arange(100) * 60_000
>>> left = time_to_threshold(times, np.arange(100) * 0.005 + 0.3, threshold=1.0,
...                          horizon_ms=86_400_000, now_ms=99 * 60_000)
>>> round((left.likely_ms - 99 * 60_000) / 60_000)
41
"""

import math
from dataclasses import dataclass

import numpy as np

from twinhelm.core.arrays import F64, I64

__all__ = ["Projection", "time_to_threshold"]

MAX_POINTS = 120
"""More points are averaged: the median over all pairs of slopes is quadratic in them."""
MIN_POINTS = 12
MIN_SKILL = 0.35
"""How much less error than naive, on held-out points, is worth speaking up for."""
MAX_REACH = 8.0
"""No arrival is foretold further ahead than this many times the past that was used."""
MAX_SPREAD = 1.1
"""Past this (a factor of 6 either way at 90 %) a range says nothing."""
NEVER_SPREAD = 0.7
DROP_SHARE = 0.25
Z_90 = 1.645
MODESTY = 1.5
"""Widens every range: paces wander more than the past shows. On simulated series whose pace waves
by half, ranges meant to hold 90 % held 72 % without it."""


@dataclass(frozen=True, slots=True)
class Projection:
    """``earliest_ms`` <= ``likely_ms`` <= ``latest_ms`` (None: perhaps never).

    ``confidence`` and ``skill`` (error saved against naive) lie in [0, 1]; ``slope_per_s`` is in
    the series' unit; ``level`` is where the trend stands now.
    """

    earliest_ms: int
    likely_ms: int
    latest_ms: int | None
    confidence: float
    skill: float
    slope_per_s: float
    level: float


def time_to_threshold(
    times_ms: I64, values: F64, *, threshold: float, horizon_ms: int, now_ms: int
) -> Projection | None:
    """Say when ``values`` will cross ``threshold``, from whichever side they are on.

    ``times_ms`` and ``values`` are (n,), in any order, NaN where missing; what lies after
    ``now_ms`` is not looked at. None where the module says so, and where the threshold is
    crossed already.
    """
    prepared = _prepare(times_ms, values, now_ms)
    if prepared is None:
        return None
    t, y = prepared
    up = threshold > float(np.median(y[-3:]))
    toward = 1.0 if up else -1.0
    y, goal = y * toward, threshold * toward
    smooth = _after_last_drop(t, y)
    if smooth is None:
        return None
    t, y = smooth
    best, skill, error = _best_window(t, y)
    if skill < MIN_SKILL:
        return None
    slope, level = _sen(t[-best:], y[-best:])
    span = float(t[-1] - t[-best])
    if slope <= 0.0 or span <= 0.0:
        return None
    stand = level + slope * (now_ms / 1000 - t[-1])
    distance = goal - stand
    if distance <= 0.0:
        return None
    left = distance / slope
    spread = _spread(t, y, best, slope, level, left, error)
    if left > horizon_ms / 1000 or left > MAX_REACH * span or spread > MAX_SPREAD:
        return None
    factor = math.exp(Z_90 * spread)
    latest = None if spread > NEVER_SPREAD else now_ms + round(left * factor * 1000)
    return Projection(
        earliest_ms=now_ms + round(left / factor * 1000),
        likely_ms=now_ms + round(left * 1000),
        latest_ms=latest,
        confidence=round(min(0.95, skill * math.exp(-0.7 * spread)), 3),
        skill=round(skill, 3),
        slope_per_s=slope * toward,
        level=stand * toward,
    )


def _prepare(times_ms: I64, values: F64, now_ms: int) -> tuple[F64, F64] | None:
    """Sort, drop what is missing, average into at most ``MAX_POINTS``; times in seconds."""
    times, raw = np.asarray(times_ms, np.int64), np.asarray(values, np.float64)
    known = np.isfinite(raw) & (times <= now_ms) & (np.abs(raw) < 1e100)
    if known.sum() < MIN_POINTS:
        return None
    order = np.argsort(times[known], kind="stable")
    t, y = times[known][order] / 1000.0, raw[known][order]
    if np.ptp(t) == 0 or np.ptp(y) <= 1e-12 * float(np.abs(y).max()):
        return None
    if len(t) > MAX_POINTS:
        edges = np.linspace(0, len(t), MAX_POINTS + 1).astype(np.int64)[:-1]
        sizes = np.diff(np.append(edges, len(t)))
        t, y = np.add.reduceat(t, edges) / sizes, np.add.reduceat(y, edges) / sizes
    return t, y


def _after_last_drop(t: F64, y: F64) -> tuple[F64, F64] | None:
    """Cut what lies before a single fall-back; None for a sawtooth or one too recent to judge."""
    fall = DROP_SHARE * float(np.ptp(y))
    over = y[:-3] - y[3:] > fall
    starts = np.flatnonzero(over & ~np.concatenate(([False], over[:-1])))
    if not len(starts):
        return t, y
    last = int(np.flatnonzero(over)[-1]) + 3
    lowest = last - 3 + int(np.argmin(y[last - 3 : last + 1]))
    if len(starts) > 1 or len(y) - lowest < max(MIN_POINTS, len(y) // 2):
        return None
    return t[lowest:], y[lowest:]


def _best_window(t: F64, y: F64) -> tuple[int, float, float]:
    """Choose how many recent points to trust, by forecasts of held-out points.

    Returns the count, the skill against naive over three origins, and the mean error.
    """
    n = len(t)
    ahead = max(3, n // 5)
    origins = [n - ahead - k * max(1, n // 10) for k in range(3)]
    best = (0, 0.0, math.inf)
    for share in (1.0, 0.5, 0.25):
        errors, naive = [], []
        for origin in origins:
            size = max(8, round(origin * share))
            if origin < size:
                continue
            start, stop = origin - size, min(origin + ahead, n)
            slope, level = _sen(t[start:origin], y[start:origin])
            forecast = level + slope * (t[origin:stop] - t[origin - 1])
            errors.append(float(np.abs(y[origin:stop] - forecast).mean()))
            stays = float(np.median(y[origin - 3 : origin]))
            naive.append(float(np.abs(y[origin:stop] - stays).mean()))
        if not errors or sum(naive) <= 0.0:
            continue
        error = sum(errors) / len(errors)
        if error < best[2]:
            skill = max(0.0, 1.0 - sum(errors) / sum(naive))
            best = (max(8, round(n * share)), skill, error)
    return best


def _sen(t: F64, y: F64) -> tuple[float, float]:
    """Return Sen's slope per second and the fitted level at the last time."""
    i, j = np.triu_indices(len(t), 1)
    gap = t[j] - t[i]
    apart = gap > 0
    slope = float(np.median((y[j] - y[i])[apart] / gap[apart])) if apart.any() else 0.0
    return slope, float(np.median(y - slope * (t - t[-1])))


def _spread(
    t: F64, y: F64, size: int, slope: float, level: float, left: float, error: float
) -> float:
    """Return the standard deviation of the logarithm of the time left.

    ``t`` and ``y`` are the whole past, the last ``size`` points of which gave the trend.
    """
    distance = slope * left
    recent = slice(len(t) - size, None)
    noise = float(np.median(np.abs(y[recent] - level - slope * (t[recent] - t[-1])))) * 1.4826
    block = max(size // 2, 6)
    firsts = np.arange(len(t) - 1, block - 1, -max(block // 2, 1))
    paces = np.array([_sen(t[at - block : at + 1], y[at - block : at + 1])[0] for at in firsts])
    settle = (float(t[-1] - t[-block]) / left) ** 0.25 if left > 0 else 1.0
    unsteady = float(paces.std()) / slope * min(settle, 1.0) if len(paces) > 1 else 0.3
    ahead = float(t[-1] - t[-1 - max(3, len(t) // 5)])
    missed = 1.25 * error / (slope * ahead / 2)
    reach = 0.06 * math.sqrt(max(left / float(t[-1] - t[-size]), 0.1))
    parts = (unsteady, noise / distance, missed * min(settle, 1.0), reach, 0.03)
    return MODESTY * math.sqrt(sum(part * part for part in parts))
