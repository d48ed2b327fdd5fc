"""The telemetry agent of the lab; :mod:`.agent` puts its parts together."""

from twinhelm.lab.stage.agent.agent import run

__all__ = ["run"]
