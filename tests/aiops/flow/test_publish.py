"""Series of the models' wing reach the intake like anybody's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from twinhelm.aiops.flow.publish import Publish


class Intake:
    def __init__(self):
        self.known, self.taken = [], []

    def decoders(self, tenant):
        return SimpleNamespace(intern=self.intern)

    def intern(self, labels):
        start = len(self.known)
        self.known += labels
        return np.arange(start, len(self.known), dtype=np.uint32)

    def take(self, received, *, door, tenant):
        self.taken.append((door, received.samples))


def test_a_product_is_a_service_of_its_own():
    intake = Intake()
    publish = Publish(intake)
    for time_ms in (1_000, 2_000):
        publish([("model_psi", {"product": "churn", "version": "2"}, time_ms, 0.5)])
    assert [dict(labels) for labels in intake.known] == [
        {
            "__name__": "model_psi",
            "product": "churn",
            "version": "2",
            "service_name": "churn",
            "service_namespace": "models",
        }
    ]
    assert [
        (door, block.series.tolist(), block.time_ms.tolist()) for door, block in intake.taken
    ] == [("models", [0], [1_000]), ("models", [0], [2_000])]


def test_what_is_of_no_product_keeps_its_labels():
    intake = Intake()
    Publish(intake)([("model_lost_total", {}, 1, 0.0)])
    assert intake.known == [(("__name__", "model_lost_total"),)]


def test_nothing_to_tell_is_no_request():
    intake = Intake()
    Publish(intake)([])
    assert intake.taken == []
