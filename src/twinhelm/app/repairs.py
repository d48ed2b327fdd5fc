"""The composition of repairs: the shelf of runbooks, the desk, the walk, and who follows incidents.

:func:`open_repairs` builds them on stores that are open; :meth:`Repairs.register` makes the
workflow known, which must happen before workflows resume; :meth:`Repairs.run` reads the
runbooks and follows the journal.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np

from twinhelm.aiops.automate.steps import actors
from twinhelm.aiops.collect.host.linux_processes import process_name
from twinhelm.aiops.flow.repairs.books import Books
from twinhelm.aiops.flow.repairs.desk import Desk
from twinhelm.aiops.flow.repairs.follow import Follower
from twinhelm.aiops.flow.repairs.judging import Judge
from twinhelm.aiops.flow.repairs.kept import ACTOR
from twinhelm.aiops.flow.repairs.proposals import Proposals
from twinhelm.aiops.flow.repairs.walk import Walk
from twinhelm.app.rounds import attempt
from twinhelm.core.clock import Clock
from twinhelm.core.labels import METRIC, Matcher, MatchKind
from twinhelm.core.own.secrets import Secrets
from twinhelm.core.ports import Records, TelemetryStore
from twinhelm.core.settings import Settings
from twinhelm.events.journal import Journal
from twinhelm.events.workflows import WorkflowPort
from twinhelm.mlops.flow.rollouts import Rollouts

__all__ = ["Repairs", "library", "open_repairs"]

LOOK_S = 0.5
"""How often it is looked whether the journal has grown."""
FOLDER_S = 5.0
FRESH_MS = 60_000
MOST_SERIES = 200
MOST_CHANGES = 10_000


@dataclass(slots=True)
class Repairs:
    """All parts of it."""

    books: Books
    judge: Judge
    desk: Desk
    walk: Walk
    follower: Follower
    clock: Clock

    def register(self) -> None:
        """Make the workflow known, and take the stop switch as it was left."""
        self.walk.register()
        self.desk.load()

    def stock(self) -> None:
        """Take the library and what is in the folder now."""
        attempt("library of repairs", partial(self.books.shelve, library()))
        attempt("folder of repairs", self.books.look)

    def run(self, stopping: threading.Event) -> None:
        """Walk the rounds until the house stops; what fails is told and tried again."""
        self.stock()
        looked_s = -FOLDER_S
        while True:
            if (now_s := self.clock.monotonic_s()) - looked_s >= FOLDER_S:
                looked_s = now_s
                attempt("folder of repairs", self.books.look)
                attempt("walks of repairs", self.desk.settle)
            attempt("incidents of repairs", self.follower.look)
            if stopping.wait(LOOK_S):
                return


def open_repairs(
    settings: Settings,
    clock: Clock,
    records: Records,
    journal: Journal,
    workflows: WorkflowPort,
    telemetry: TelemetryStore,
    rollouts: Rollouts,
) -> Repairs:
    """Build every part; nothing runs before :meth:`Repairs.start`.

    ``rollouts`` lets the version of a product before answer again.
    """

    def roll_back(product: str) -> Mapping[str, str]:
        before = rollouts.deployment(product)
        now = rollouts.rollback(product, by=ACTOR, reason="a runbook rolls it back")
        return {"before": before.champion if before else "", "now": now.champion}

    secrets = Secrets(settings.data / "secrets")
    hands = actors(settings.automate, secrets, name_of=process_name, roll_back=roll_back)
    folder = Path(settings.automate.runbooks) if settings.automate.runbooks else None
    books = Books(records, journal, clock, hands, folder, settings.server.environment)
    changes = partial(telemetry.read_changes, limit=MOST_CHANGES)
    judge = Judge(books, changes)
    desk = Desk(records, journal, clock, workflows, Proposals(judge))
    walk = Walk(desk, partial(_measured, telemetry, clock))
    return Repairs(books, judge, desk, walk, Follower(desk, journal), clock)


def library() -> dict[str, str]:
    """Read the runbooks that come with the house, by file."""
    place = files("twinhelm.aiops.automate") / "library"
    if not place.is_dir():
        return {}
    return {each.name: each.read_text(encoding="utf-8") for each in place.iterdir()
            if each.name.endswith(".toml")}  # fmt: skip


def _measured(
    telemetry: TelemetryStore, clock: Clock, metric: str, labels: Mapping[str, str]
) -> list[float]:
    """Tell the newest value of each series that was told of within the last minute."""
    named = {METRIC: metric, **labels}
    asked = [Matcher(name, MatchKind.EQUAL, value) for name, value in named.items()]
    now = clock.now_ms()
    found = telemetry.find_series(asked, start_ms=now - FRESH_MS, limit=MOST_SERIES)
    ids = np.array(sorted(info.id for info in found), np.uint32)
    block = telemetry.read_samples(ids, now - FRESH_MS, now)
    last = {int(series): float(value) for series, value in
            zip(block.series, block.value, strict=True)}  # fmt: skip
    return [value for value in last.values() if value == value]
