"""The correlate room: many signs of trouble in, few incidents out, every decision explained."""

from twinhelm.aiops.correlate.grouping import Neighbours
from twinhelm.aiops.correlate.incidents import Correlation, correlate
from twinhelm.aiops.correlate.levels import Levels
from twinhelm.aiops.correlate.signs import Decision, Sign, Window

__all__ = ["Correlation", "Decision", "Levels", "Neighbours", "Sign", "Window", "correlate"]
