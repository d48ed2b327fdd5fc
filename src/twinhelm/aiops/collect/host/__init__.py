"""The machine that twinhelm runs on, watched without an agent beside it.

:class:`HostCollector` is the door; metric names are node exporter's where it has one, so that
dashboards and rules written for it hold here, and ``host_*`` where it has none.
"""

from twinhelm.aiops.collect.host.collector import HostCollector

__all__ = ["HostCollector"]
