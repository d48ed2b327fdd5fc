"""What the catalogue says of each fault can be used: names, blame, symptoms."""

import pytest

from twinhelm.lab.faults import FAULTS
from twinhelm.lab.words import DATABASE, PROCESSES

INDICATORS = {
    "cpu", "memory", "descriptors", "latency", "errors", "saturation", "disk", "traffic",
    "freshness", "volume", "schema", "drift",
}  # fmt: skip
KINDS = {"rate", "value", "mean", "lines", "spans_failed", "spans_mean_s"}
CHANGES = {"", "deploy", "config", "flag", "model", "migration"}
THINGS = {*PROCESSES, DATABASE, "host", "nightly", "orders"}
WANTED = """
    cpu_hog memory_leak descriptor_leak database_lock dropped_index pool_exhaustion cache_down
    queue_backlog poisoned_message dependency_slow dependency_failing dependency_down edge_loss
    bad_deploy_errors bad_deploy_slow_search wrong_configuration feature_flag expired_certificate
    clock_skew disk_full noisy_neighbour traffic_surge pipeline_late pipeline_half_empty
    schema_changed model_slow model_input_drift label_shift stuck_worker
"""


def test_all_that_were_asked_for_are_there():
    assert set(WANTED.split()) <= set(FAULTS)


def test_only_a_surge_is_nobodys_fault():
    assert [name for name, fault in FAULTS.items() if not fault.truth.blame] == ["traffic_surge"]


@pytest.mark.parametrize("name", FAULTS)
def test_every_field_means_something(name):
    fault = FAULTS[name]
    assert fault.name == name
    assert fault.truth.service in THINGS
    assert fault.truth.indicator in INDICATORS
    assert fault.truth.change in CHANGES
    assert fault.symptom.kind in KINDS
    assert (fault.symptom.above is None) != (fault.symptom.below is None)
    assert bool(fault.symptom.text) == (fault.symptom.kind == "lines")
    for sentence in (fault.title, fault.repair):
        assert sentence
        assert not sentence.endswith(".")
