"""Starts the shop, keeps it up, breaks and repairs it, and carries its telemetry away.

:class:`Stage` is one lab while it is up; :func:`run_lab` runs one until it is told to end, with
the control address beside it. The parts: ``place`` (folder, ports), ``database``,
``certificates``, ``nursery`` and ``children`` (where processes come from), ``supervisor`` (keeps
them up), ``edge`` (a proxy that can be made bad), ``control``, and ``agent`` (the telemetry).
"""

from twinhelm.lab.stage.stage import Options, Stage
from twinhelm.lab.stage.up import run_lab

__all__ = ["Options", "Stage", "run_lab"]
