"""The two wings meet: a model that answers ever slower is an incident, and is retrained for it."""

from __future__ import annotations

import numpy as np

from twinhelm.app import open_house
from twinhelm.core.settings import Settings

START_MS, STEP_S, CALM_S, WHOLE_S = 1_600_000_000_000, 15, 1800, 2100
SPEC = """\
[product]
name = "loans"
use_case = "u"
decides = "d"
owner = "ada"
tier = "low"
[build]
recipe = "train.py"
[retrain]
on = ["incident"]
"""


def test_an_incident_that_the_model_causes_begins_a_retraining(tmp_path):
    rng = np.random.default_rng(1)
    (tmp_path / "train.py").write_text("import time\ntime.sleep(600)\n")
    house = open_house(Settings(data=tmp_path / "data", server={"driven": True}))
    try:
        house.start()
        house.drive.move_to(START_MS)
        models, requests = house.models, 0.0
        models.desk.frame(SPEC, folder=str(tmp_path), by="ada")
        of = {"product": "loans", "version": "1"}
        for second in range(0, WHOLE_S, STEP_S):
            requests += rng.poisson(300)
            latency = 0.02 * (1 + 0.05 * rng.standard_normal()) * (1 if second < CALM_S else 12)
            now_ms = START_MS + second * 1000
            models.health.publish(
                [
                    ("model_requests_total", of, now_ms, requests),
                    ("model_latency_p99_seconds", of, now_ms, latency),
                ]
            )
            house.drive.move_to(now_ms + 5000)
            if second == CALM_S - STEP_S:
                models.retrains.look(now_ms)
                assert models.builds.runs("loans") == []
        models.retrains.look(house.clock.now_ms())
        (incident,) = house.desk.incidents()
        assert incident.attributes["cause"] == "service:models/loans"
        (run,) = models.builds.runs("loans")
        assert (run.reason, run.by) == ("incident", "twinhelm")
        (row,) = house.journal.read(kind="retrain.triggered")
        assert row.body["text"] == "Incident 1 has it for its cause. Run 1 began."
    finally:
        house.stop()
