"""The clean room: what came in, made fit to be judged; what is not kept, counted with its reason.

Values in (:class:`~twinhelm.aiops.types.Received` from collect), values out (samples for the
store, signals for detect, entities and edges for the graph, rejections for the page).
"""

from twinhelm.aiops.clean.cardinality import SeriesGate, SeriesIndex
from twinhelm.aiops.clean.entities import (
    edge_between,
    edges_of,
    ends_of,
    entity_of,
    host_of,
    process_of,
    resource_of,
    service_of,
)
from twinhelm.aiops.clean.reasons import Reason
from twinhelm.aiops.clean.redact import Redactor
from twinhelm.aiops.clean.rejections import RejectionBook
from twinhelm.aiops.clean.samples import BAD_SERIES, NO_SERIES, Admission, Cleaner, admit_history
from twinhelm.aiops.clean.signals import Signal, SignalMaker, families, signal_of

__all__ = [
    "BAD_SERIES",
    "NO_SERIES",
    "Admission",
    "Cleaner",
    "Reason",
    "Redactor",
    "RejectionBook",
    "SeriesGate",
    "SeriesIndex",
    "Signal",
    "SignalMaker",
    "admit_history",
    "edge_between",
    "edges_of",
    "ends_of",
    "entity_of",
    "families",
    "host_of",
    "process_of",
    "resource_of",
    "service_of",
    "signal_of",
]
