"""The correlate room: many signs of trouble in, few incidents out, every decision explained."""

from twinhelm.aiops.correlate.grouping import Neighbours
from twinhelm.aiops.correlate.incidents import Correlation, correlate
from twinhelm.aiops.correlate.levels import Levels
from twinhelm.aiops.correlate.signs import Decision, Sign, Window
from twinhelm.aiops.indicators import Indicator, Weight, level_of, weigh
from twinhelm.aiops.words import place, quantity, spoken, unit_of, usually

__all__ = [
    "Correlation",
    "Decision",
    "Indicator",
    "Levels",
    "Neighbours",
    "Sign",
    "Weight",
    "Window",
    "correlate",
    "level_of",
    "place",
    "quantity",
    "spoken",
    "unit_of",
    "usually",
    "weigh",
]
