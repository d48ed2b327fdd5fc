"""The composition root: every part is made here, by hand, and handed to those that need it.

:func:`open_house` opens the stores and builds the rooms; :meth:`House.start` begins the work
(ticks, the host collector, tidying), :meth:`House.stop` ends it in the reverse order. Nothing
above this file makes a store, nothing below it knows of a server.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from math import inf
from pathlib import Path

from twinhelm.aiops.collect.host import HostCollector
from twinhelm.aiops.collect.wire.warm import warm as warm_decoders
from twinhelm.aiops.flow.casework import Casework
from twinhelm.aiops.flow.derive import Derive
from twinhelm.aiops.flow.feedback import Learning
from twinhelm.aiops.flow.history import HistoryBooks
from twinhelm.aiops.flow.housekeeping import Housekeeping
from twinhelm.aiops.flow.incidents import IncidentDesk
from twinhelm.aiops.flow.intake import Intake
from twinhelm.aiops.flow.publish import publish
from twinhelm.aiops.flow.watch import Watch
from twinhelm.app.advice import Adviser, open_advice
from twinhelm.app.drive import Drive
from twinhelm.app.lab import Lab
from twinhelm.app.models import Models, open_models
from twinhelm.app.notices import Notices, open_notices
from twinhelm.app.own import note_settings, register_own
from twinhelm.app.places import data_directory, database_url, empty_directory, workflow_url
from twinhelm.app.repairs import Repairs, open_repairs
from twinhelm.app.tour import Tour
from twinhelm.core.clock import Clock, DrivenClock, SystemClock
from twinhelm.core.errors import TwinhelmError, Unavailable, Unsupported
from twinhelm.core.labels import DEFAULT_TENANT
from twinhelm.core.meters import Meters
from twinhelm.core.ports import Blobs, Records, TelemetryStore
from twinhelm.core.roles import Role
from twinhelm.core.settings import Settings
from twinhelm.events.identities import Identities
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import BackupTaken, ServerStarted, ServerStopped
from twinhelm.events.workflows import Workflows
from twinhelm.store.blobs import FileBlobs
from twinhelm.store.predictions import FILE, SqlitePredictions
from twinhelm.store.records import open_records
from twinhelm.store.telemetry import open_telemetry

__all__ = ["VERSION", "House", "open_house", "open_ledger"]

log = logging.getLogger(__name__)

VERSION = version("twinhelm")

MOST_CHANGES = 100_000
"""Of one day, in which models look for runs of pipelines, or of a season, for advice."""

LAB = "lab"
"""The lab's folder in the data directory, and the token that it sends with."""


@dataclass(slots=True)
class House:
    """All parts of a running twinhelm."""

    settings: Settings
    clock: Clock
    telemetry: TelemetryStore
    records: Records
    journal: Journal
    identities: Identities
    blobs: Blobs
    meters: Meters
    intake: Intake
    watch: Watch
    desk: IncidentDesk
    learning: Learning
    housekeeping: Housekeeping
    workflows: Workflows
    host: HostCollector | None
    history: HistoryBooks
    models: Models
    repairs: Repairs
    notices: Notices
    advice: Adviser
    drive: Drive | None = None
    tour: Tour | None = None
    announced: bool = True
    """False while whoever serves has not yet written down where commands find it."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _started: bool = False

    @property
    def ready(self) -> bool:
        """True once the checkpoint is back, telemetry is judged, and commands find the server."""
        return self.watch.resumed and self.announced and not self._stop.is_set()

    def start(self) -> None:
        """Begin the work in threads of its own; returns at once."""
        try:
            with self.journal.writing("twinhelm") as write:
                write.event(ServerStarted(self.settings.server.listen, os.getpid(), VERSION))
                note_settings(write, self.settings)
            self._started = True
            register_own(self.journal, self.clock, self.learning)
        except Unavailable as error:
            # A full disk takes no journal; what is kept can still be read, and the rest resumes.
            log.warning("the start is not in the journal", extra={"reason": str(error)})
        self.workflows.resume()
        self._spawn("warm", warm_decoders)
        if self.drive is not None:
            self.models.serving.waits = False  # for nothing: it turns no model on
            self.watch.resume()
            self.repairs.stock()  # to be tried on what is replayed; nothing of them begins
            return
        self.models.start(self._stop)
        self._spawn("repairs", lambda: self.repairs.run(self._stop))
        self._spawn("notices", lambda: self.notices.run(self._stop))
        self._spawn("watch", self._watch)
        if self.host is not None:
            self._spawn("host", self._collect)
        self._spawn("housekeeping", lambda: self.housekeeping.run(self._stop))
        self._spawn("advice", lambda: self.advice.run(self._stop))

    def open_lab(self, url: str) -> Tour:
        """Start the lab beside the house, which sends to ``url``, and the tour of it."""
        env = {}
        if self.settings.auth.required:
            if any(token.name == LAB for token in self.identities.tokens()):
                self.identities.revoke_token(LAB, by="twinhelm")
            secret = self.identities.create_token(LAB, [Role.OPERATOR], by="twinhelm")
            env["TWINHELM_LAB_TOKEN"] = secret
        lab = Lab(self.settings.data / LAB, url, env=env)
        self.tour = Tour(lab, self.desk, self.journal, self.clock)
        self.tour.start()
        return self.tour

    def stop(self) -> None:
        """End the work, save what was learnt, close the stores; may be called twice."""
        if self._stop.is_set():
            return
        self._stop.set()
        if self.tour is not None:
            self.tour.stop()
        for thread in self._threads:
            thread.join(timeout=30)
        if self.drive is not None:
            self.drive.finish()
        with ExitStack() as closing:
            parts = (self.records, self.telemetry, self.models, self.workflows)
            for part in parts:
                closing.callback(part.close)
            if self._started:
                try:
                    with self.journal.writing("twinhelm") as write:
                        write.event(ServerStopped(os.getpid()))
                except TwinhelmError as error:
                    log.warning("the stop is not in the journal", extra={"reason": str(error)})

    def backup(self, target: Path, *, by: str) -> None:
        """Write a complete copy into the empty or absent directory ``target``.

        Serving goes on meanwhile. The records come first: telemetry written after them is in
        the copy too, but no record speaks of telemetry that is not. Raises :class:`Conflict`
        where ``target`` holds anything.
        """
        empty_directory(target)
        self.records.backup(target / "records")
        for name in self.blobs.names():
            FileBlobs(target / "blobs").put(name, self.blobs.get(name) or b"")
        self.telemetry.backup(target / "telemetry")
        self.models.backup(target)
        size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
        with self.journal.writing(by) as write:
            write.event(BackupTaken(str(target), size))

    def _spawn(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=f"twinhelm-{name}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _watch(self) -> None:
        self.watch.resume()
        self.watch.run(self._stop)

    def _collect(self) -> None:
        host = self.host
        if host is None:
            return
        decoders = self.intake.decoders(DEFAULT_TENANT)
        interval = self.settings.host.interval_s
        due = self.clock.monotonic_s()
        while not self._stop.wait(max(due - self.clock.monotonic_s(), 0.0)):
            # After a pause of the whole machine the missed rounds are not made up for.
            due = max(due + interval, self.clock.monotonic_s())
            try:
                received = host.receive(self.clock.now_ms(), decoders.intern)
                self.intake.take(received, door="host", tenant=DEFAULT_TENANT)
            except TwinhelmError as error:
                log.warning("host not kept", extra={"reason": str(error)})
            except Exception:
                # A file of the kernel's that reads unlike any before must not end the watching.
                log.exception("host not read")


def open_house(settings: Settings, *, clock: Clock | None = None) -> House:
    """Open the stores under ``settings.data`` and build every room.

    Raises :class:`Refused` where the directory cannot be used, and what the stores raise where
    they cannot be opened; nothing stays open then.
    """
    clock = clock or (DrivenClock() if settings.server.driven else SystemClock())
    data = data_directory(settings.data)
    with ExitStack() as opened:
        records = open_records(database_url(settings))
        opened.callback(records.close)
        telemetry = open_telemetry(data / "telemetry", settings.store, clock)
        opened.callback(telemetry.close)
        house = _furnished(settings, clock, records, telemetry, FileBlobs(data / "blobs"))
        opened.pop_all()
    return house


def _furnished(
    settings: Settings, clock: Clock, records: Records, telemetry: TelemetryStore, blobs: Blobs
) -> House:
    """Build the rooms on stores that are open."""
    meters = Meters()
    journal = Journal(records, clock)
    host = None
    driven = clock if settings.server.driven and isinstance(clock, DrivenClock) else None
    if driven is not None:
        driven.move_to(max(telemetry.last_times().values(), default=driven.now_ms()))
    if settings.host.enabled and driven is None:
        try:
            host = HostCollector(settings.host, host=socket.gethostname())
        except Unsupported as error:
            log.warning("the host is not watched", extra={"reason": str(error)})
    learning = Learning(records, journal, clock, settings.learn, settings.detect)
    learning.published = partial(register_own, journal, clock, learning)
    casework = Casework(records, journal, telemetry, settings.detect, meters, learning)
    if host is not None:
        watched = host
        casework.processes = lambda: {use.name: use.pids for use in watched.processes()}
    # A replay's state is saved when it is over, which is soon.
    rarely = settings.detect.model_copy(update={"checkpoint_s": inf})
    detect = settings.detect if driven is None else rarely
    watch = Watch(telemetry, blobs, clock, detect, meters, casework)
    intake = Intake(telemetry, journal, clock, settings.limits, meters, watch.welcome, watch.offer)
    wait_s = settings.detect.derive_wait_s
    derive = Derive(intake, meters, wait_s, watch.saw, watch.exists)
    intake.heard, watch.derive = derive.hear, derive.walk
    secrets = FileBlobs(settings.data / "secrets" / "runs")
    workflows = Workflows(workflow_url(settings), secret={"headers"}, secrets=secrets)
    notices = open_notices(settings, clock, records, journal, telemetry)
    casework.maintenance = notices.maintenance.windows
    history = HistoryBooks(intake, watch, journal, workflows, clock)
    history.register()
    predictions = SqlitePredictions(settings.data / FILE)
    # People live by the machine's clock, whatever time telemetry is replayed at.
    identities = Identities(
        journal, records, clock if driven is None else SystemClock(), settings.auth
    )
    models = open_models(
        settings, clock, records, journal, workflows, predictions, blobs, identities,
        publish=partial(publish, intake),
        changes=partial(telemetry.read_changes, limit=MOST_CHANGES),
    )  # fmt: skip
    models.register(journal)
    repairs = open_repairs(settings, clock, records, journal, workflows, telemetry, models.rollouts)
    repairs.register()
    housekeeping = Housekeeping(telemetry, records, journal, clock, meters, intake, watch, learning)
    house = House(
        settings=settings,
        clock=clock,
        telemetry=telemetry,
        records=records,
        journal=journal,
        identities=identities,
        blobs=blobs,
        meters=meters,
        intake=intake,
        watch=watch,
        desk=IncidentDesk(records, journal, telemetry, casework, clock),
        learning=learning,
        housekeeping=housekeeping,
        workflows=workflows,
        host=host,
        history=history,
        models=models,
        repairs=repairs,
        notices=notices,
        advice=open_advice(
            records,
            journal,
            clock,
            partial(telemetry.read_changes, limit=MOST_CHANGES),
            repairs.books.check,
        ),
    )
    if driven is not None:
        tick_s = settings.detect.tick_s
        house.drive = Drive(driven, watch, housekeeping, tick_s, house._stop)
    return house


def open_ledger(settings: Settings, *, clock: Clock | None = None) -> tuple[Records, Journal]:
    """Open records and journal alone, for commands that work beside a running server."""
    data_directory(settings.data)
    records = open_records(database_url(settings))
    return records, Journal(records, clock or SystemClock())
