"""The clean room: what came in, made fit to be judged; what is not kept, counted with its reason.

Values in (:class:`~twinhelm.aiops.types.Received` from collect), values out (samples for the
store, signals for detect, entities and edges for the graph, rejections for the page).
"""

from twinhelm.aiops.clean.calls import Calls
from twinhelm.aiops.clean.cardinality import SeriesGate
from twinhelm.aiops.clean.entities import edge_between, ends_of, entity_of, resource_of
from twinhelm.aiops.clean.lines import Lines
from twinhelm.aiops.clean.redact import redacted
from twinhelm.aiops.clean.rejections import Reason, RejectionBook
from twinhelm.aiops.clean.runs import Runs
from twinhelm.aiops.clean.samples import BAD_SERIES, NO_SERIES, Admission, Cleaner, admit_history
from twinhelm.aiops.clean.signals import Signal, SignalMaker, families, signal_of, twin_of
from twinhelm.aiops.clean.tally import WINDOW_MS

__all__ = [
    "BAD_SERIES", "NO_SERIES", "WINDOW_MS", "Admission", "Calls", "Cleaner", "Lines", "Reason",
    "RejectionBook", "Runs", "SeriesGate", "Signal", "SignalMaker",
    "admit_history", "edge_between", "ends_of", "entity_of", "families", "redacted", "resource_of",
    "signal_of", "twin_of",
]  # fmt: skip
