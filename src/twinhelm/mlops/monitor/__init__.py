"""Watching a version that answers: what it is asked, what it says, and how right it turns out."""

from twinhelm.mlops.monitor.health import examine, window_profiles
from twinhelm.mlops.monitor.known import Known, Profiles, know
from twinhelm.mlops.monitor.moved import waking
from twinhelm.mlops.monitor.window import Window, read_window

__all__ = [
    "Known", "Profiles", "Window", "examine", "know", "read_window", "waking", "window_profiles",
]  # fmt: skip
