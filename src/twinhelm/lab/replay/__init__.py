"""What would a backend have made of a recorded stretch? Feeds a recording to its public doors."""

from twinhelm.lab.replay.feeding import Fed, feed, replay
from twinhelm.lab.replay.rows import STEP_S, Step, bounds, steps

__all__ = ["STEP_S", "Fed", "Step", "bounds", "feed", "replay", "steps"]
