"""How can the shop break, and who is then to blame? The catalogue of faults.

Each fault has a real cause, a start and a repair that undoes it whole, the true root cause, and
the symptom that must show in the telemetry while it lasts. :data:`FAULTS` has them by name.
"""

from twinhelm.lab.faults.changes import CHANGES
from twinhelm.lab.faults.data import DATA
from twinhelm.lab.faults.dependencies import DEPENDENCIES
from twinhelm.lab.faults.resources import RESOURCES
from twinhelm.lab.faults.stores import STORES
from twinhelm.lab.words import Fault

__all__ = ["FAULTS", "REPAIRABLE"]

FAULTS: dict[str, Fault] = {
    fault.name: fault for fault in (*RESOURCES, *STORES, *DEPENDENCIES, *DATA, *CHANGES)
}
"""Every fault by name."""
REPAIRABLE = (
    "memory_leak", "stuck_worker", "disk_full", "bad_deploy_slow_search", "dependency_down",
)  # fmt: skip
"""Those that the runbooks that come with the lab repair."""
