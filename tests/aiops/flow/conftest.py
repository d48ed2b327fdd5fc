"""A house of one wing in memory: a clock that is moved, stores that fail when told to."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

from peers.memory_blobs import MemoryBlobs
from peers.memory_records import MemoryRecords
from peers.memory_telemetry import MemoryTelemetry
from twinhelm.aiops.flow.casework import Casework
from twinhelm.aiops.flow.derive import Derive
from twinhelm.aiops.flow.feedback import Learning
from twinhelm.aiops.flow.housekeeping import Housekeeping
from twinhelm.aiops.flow.incidents import IncidentDesk
from twinhelm.aiops.flow.intake import Intake
from twinhelm.aiops.flow.watch import Watch
from twinhelm.aiops.types import Received
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import DatabaseDown, StoreFull
from twinhelm.core.labels import labels_of
from twinhelm.core.meters import Meters
from twinhelm.core.settings import DetectSettings, LearnSettings, LimitSettings
from twinhelm.core.telemetry import SampleBlock
from twinhelm.events.journal import Journal


class Telemetry(MemoryTelemetry):
    """Takes nothing while ``full``; counts what was asked of it."""

    full = False

    def append_samples(self, block):
        if self.full:
            raise StoreFull("no room")
        super().append_samples(block)

    def stats(self):
        from dataclasses import replace

        return replace(super().stats(), taking=not self.full, reason="no room" * self.full)


class Database(MemoryRecords):
    """Does not answer while ``down``."""

    down = False

    @contextmanager
    def reading(self):
        if self.down:
            raise DatabaseDown("it is away")
        with super().reading() as unit:
            yield unit

    @contextmanager
    def writing(self):
        if self.down:
            raise DatabaseDown("it is away")
        with super().writing() as unit:
            yield unit


class Wing:
    """Everything that flows need, on stores that outlive a :meth:`restart`."""

    def __init__(self, limits=None, detect=None):
        self.clock = FakeClock()
        self.telemetry = Telemetry(self.clock)
        self.records = Database()
        self.journal = Journal(self.records, self.clock)
        self.blobs = MemoryBlobs()
        self.limits = LimitSettings(**(limits or {}))
        self.detect = DetectSettings(**(detect or {}))
        self.restart()

    def restart(self):
        """Lose everything that a crash would lose."""
        self.meters = Meters()
        self.learning = Learning(
            self.records, self.journal, self.clock, LearnSettings(), self.detect
        )
        self.casework = Casework(
            self.records, self.journal, self.telemetry, self.detect, self.meters, self.learning
        )
        self.watch = Watch(
            self.telemetry, self.blobs, self.clock, self.detect, self.meters, self.casework
        )
        self.offered = []

        def offer(block):
            self.offered.append(block)
            self.watch.offer(block)

        self.intake = Intake(
            self.telemetry,
            self.journal,
            self.clock,
            self.limits,
            self.meters,
            self.watch.welcome,
            offer,
        )
        self.derive = Derive(
            self.intake, self.meters, self.detect.derive_wait_s, self.watch.saw, self.watch.exists
        )
        self.intake.heard, self.watch.derive = self.derive.hear, self.derive.walk
        self.desk = IncidentDesk(
            self.records, self.journal, self.telemetry, self.casework, self.clock
        )
        self.housekeeping = Housekeeping(
            self.telemetry,
            self.records,
            self.journal,
            self.clock,
            self.meters,
            self.intake,
            self.watch,
            self.learning,
        )

    def intern(self, *names, **labels):
        """Give series of these names their ids, as a decoder would."""
        sets = [labels_of([("__name__", name), *labels.items()]) for name in names]
        return self.intake.decoders("default").intern(sets)

    def block(self, rows):
        """Make a block of ``[(series, time_ms, value), ...]``."""
        series, times, values = zip(*rows, strict=True) if rows else ((), (), ())
        return SampleBlock(
            np.array(series, np.uint32), np.array(times, np.int64), np.array(values, np.float64)
        )

    def take(self, rows, door="test", **more):
        """Hand samples to the intake."""
        return self.intake.take(
            Received(samples=self.block(rows), **more), door=door, tenant="default"
        )

    def stored(self, *series):
        """Read back everything of some series as ``[(series, time_ms, value), ...]``."""
        block = self.telemetry.read_samples(np.array(series, np.uint32), 0, 2**62)
        return list(
            zip(block.series.tolist(), block.time_ms.tolist(), block.value.tolist(), strict=True)
        )

    def kinds(self):
        """List the kinds of events in the journal, in order."""
        return [row.kind for row in self.journal.read()]


@pytest.fixture
def new_wing():
    """``new_wing(limits={...})``."""
    return Wing


@pytest.fixture
def wing():
    return Wing()
