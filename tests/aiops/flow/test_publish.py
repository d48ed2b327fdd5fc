"""Series of the models' wing reach the store and the watch like anybody's."""

from __future__ import annotations

from twinhelm.aiops.flow.publish import publish


def kept(wing):
    """Return labels, age and value of the samples in the store."""
    infos = {info.id: dict(info.labels) for info in wing.telemetry.find_series(())}
    now = wing.clock.now_ms()
    rows = wing.stored(*infos)
    return [(infos[series], now - time_ms, value) for series, time_ms, value in rows]


def test_a_product_is_a_service_of_its_own(wing):
    now = wing.clock.now_ms()
    for age_ms in (2_000, 1_000):
        labels = {"product": "churn", "version": "2"}
        publish(wing.intake, [("model_psi", labels, now - age_ms, 0.5)])
    series = {
        "__name__": "model_psi",
        "product": "churn",
        "version": "2",
        "service_name": "churn",
        "service_namespace": "models",
    }
    assert kept(wing) == [(series, 2_000, 0.5), (series, 1_000, 0.5)]
    assert len(wing.offered) == 2


def test_what_is_of_no_product_keeps_its_labels(wing):
    publish(wing.intake, [("model_lost_total", {}, wing.clock.now_ms(), 0.0)])
    assert kept(wing) == [({"__name__": "model_lost_total"}, 0, 0.0)]


def test_nothing_to_tell_is_no_request(wing):
    publish(wing.intake, [])
    assert wing.offered == []
    assert kept(wing) == []
