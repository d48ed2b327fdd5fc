"""Our own measurements speak Prometheus's text format, and one process may have several sets."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from twinhelm.core.meters import Meters


def parsed(meters: Meters) -> dict[str, float]:
    families = text_string_to_metric_families(meters.exposition().decode())
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in families
        for sample in family.samples
    }


def test_what_is_counted_is_read_back():
    meters = Meters()
    meters.received.labels("remote_write", "samples").inc(7)
    key = "twinhelm_received_rows_total[('door', 'remote_write'), ('kind', 'samples')]"
    assert parsed(meters)[key] == 7


def test_two_sets_do_not_share_anything():
    first, second = Meters(), Meters()
    first.taking.set(1)
    assert parsed(second)["twinhelm_store_taking[]"] == 0


def test_every_name_carries_the_prefix_and_says_what_it_is():
    families = list(text_string_to_metric_families(Meters().exposition().decode()))
    assert families
    for family in families:
        assert family.name.startswith("twinhelm_")
        assert family.documentation.endswith(".")
