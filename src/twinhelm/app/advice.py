"""The composition of the advice: its desks, and the thread that looks anew every hour."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from twinhelm.advise.flow import AdviceDesk, Assessments
from twinhelm.aiops.automate.runbook import Runbook
from twinhelm.aiops.flow.repairs.cases import Changes
from twinhelm.app.rounds import attempt
from twinhelm.core.clock import Clock
from twinhelm.core.ports import Records
from twinhelm.events.journal import Journal

__all__ = ["Adviser", "open_advice"]

EVERY_S = 3600.0
FIRST_S = 60.0
"""A start has other things to do first."""


@dataclass(slots=True)
class Adviser:
    """Both desks; :meth:`run` looks now and then."""

    desk: AdviceDesk
    assessments: Assessments

    def run(self, stopping: threading.Event) -> None:
        """Look until the house stops; what fails is told and tried again."""
        wait_s = FIRST_S
        while not stopping.wait(wait_s):
            wait_s = EVERY_S
            attempt("advice", self.desk.look)


def open_advice(
    records: Records,
    journal: Journal,
    clock: Clock,
    changes: Changes,
    read: Callable[[str, str], Runbook],
) -> Adviser:
    """Build the desks; nothing is looked at before :meth:`Adviser.run`.

    ``read`` reads a runbook's text as this house would take it.
    """
    desk = AdviceDesk(records, journal, clock, changes, read)
    return Adviser(desk, Assessments(records, journal, clock, desk.seen))
