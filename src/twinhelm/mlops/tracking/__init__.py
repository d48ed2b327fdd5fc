"""MLflow's tracking and registry inside the house: its server side, our client of it, the gate.

:class:`Tracking` keeps MLflow's own server side running in a process beside us;
:class:`Client` is how the house talks to it (or to another server, for
:func:`import_workflow`); :mod:`~twinhelm.mlops.tracking.rules` says which calls of the API a
:class:`Gate` decides on before MLflow hears of them.
"""

from twinhelm.mlops.tracking.client import Client, check_address
from twinhelm.mlops.tracking.moving import import_workflow
from twinhelm.mlops.tracking.rules import Gate
from twinhelm.mlops.tracking.supervisor import Tracking

__all__ = ["Client", "Gate", "Tracking", "check_address", "import_workflow"]
