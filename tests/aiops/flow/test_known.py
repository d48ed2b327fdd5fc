"""Known series: met once, described for good, retyped when somebody says what they are."""

from __future__ import annotations

import numpy as np
import pytest

from twinhelm.aiops.clean import BAD_SERIES, NO_SERIES
from twinhelm.aiops.flow.known import KnownSeries, stated
from twinhelm.aiops.types import Resource
from twinhelm.core.labels import labels_of
from twinhelm.core.telemetry import MetricMeta, MetricType


@pytest.fixture
def met(wing):
    """Known series of the wing's store, and what was declared of them."""
    declared = []
    known = KnownSeries(wing.telemetry, wing.clock)
    return known, declared, lambda *said: declared.append(said)


def label(name):
    return labels_of([("__name__", name), ("instance", "h")])


def test_each_series_is_declared_once(met):
    known, declared, declare = met
    group = (np.array([0, 1, 0], np.uint32), [label("a"), label("b"), label("a")])
    known.introduce([group, group], declare)
    assert [series for series, _, _ in declared] == [0, 1]


def test_refused_series_are_not_known(met):
    known, declared, declare = met
    known.introduce([(np.array([NO_SERIES, BAD_SERIES], np.uint32), [label("a")] * 2)], declare)
    assert known.described == {}
    assert declared == []


def test_metadata_is_found_under_the_name_or_its_family(met, wing):
    known, declared, declare = met
    wing.telemetry.put_metric_meta([MetricMeta("rpc_seconds", MetricType.SUMMARY)])
    known.introduce([(np.array([0], np.uint32), [label("rpc_seconds_count")])], declare)
    assert declared[0][2] == MetricMeta("rpc_seconds", MetricType.SUMMARY)
    assert stated("other", {}) is None


def test_the_store_is_asked_for_what_is_missing_only(met, wing, monkeypatch):
    known, _, declare = met
    ids = wing.intern("a", "b")
    known.introduce([(ids[:1], [label("a")])], declare)
    asked = []
    series = wing.telemetry.series
    monkeypatch.setattr(
        wing.telemetry, "series", lambda ids: asked.append(ids.tolist()) or series(ids)
    )
    known.look_up(ids, declare)
    known.look_up(ids, declare)
    assert asked == [[1]]


def test_only_series_whose_judgement_changes_are_retyped(met, wing):
    known, _, declare = met
    names = ["requests", "errors_total", "load"]
    known.introduce([(np.arange(3, dtype=np.uint32), [label(name) for name in names])], declare)
    kinds = (MetricType.COUNTER, MetricType.COUNTER, MetricType.GAUGE)
    metas = [MetricMeta(name, kind) for name, kind in zip(names, kinds, strict=True)]
    wing.telemetry.put_metric_meta(metas)
    assert [series for series, _, _ in known.retyped()] == [0]
    assert known.retyped() == []


def test_types_that_were_always_so_retype_nothing(met, wing):
    known, _, declare = met
    known.introduce([(np.array([0], np.uint32), [label("requests")])], declare)
    wing.telemetry.put_metric_meta([MetricMeta("requests", MetricType.COUNTER)])
    known.learn_types()
    assert known.retyped() == []


def test_series_are_selected_up_to_a_limit(met):
    known, _, declare = met
    names = ["host_cpu_busy_ratio", "host_memory_used_ratio", "host_cpu_iowait_ratio"]
    known.introduce([(np.arange(3, dtype=np.uint32), [label(name) for name in names])], declare)
    cpu = known.select(lambda _labels, resource: resource is Resource.CPU, limit=10)
    assert sorted(cpu) == [0, 2]
    assert len(known.select(lambda *_: True, limit=1)) == 1
