import math
import struct

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.collect.remote_write_messages import WriteRequest
from twinhelm.lab.stage.agent import remote_write

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


def read(body):
    return WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(body))).timeseries


@given(st.dictionaries(TEXT, TEXT, max_size=8), st.floats(), st.integers(2**35, 2**42 - 1))
def test_what_is_written_reads_the_same(labels, value, time_ms):
    sample = remote_write.series(labels) + struct.pack("<d", value) + remote_write.stamp(time_ms)
    (series,) = read(remote_write.write_request([sample]))
    assert [(pair.name, pair.value) for pair in series.labels] == sorted(labels.items())
    (point,) = series.samples
    assert point.timestamp == time_ms
    assert struct.pack("<d", point.value) == struct.pack("<d", value) or math.isnan(value)


def test_empty_labels_are_left_out_and_samples_may_be_many():
    one = remote_write.series({"__name__": "up", "job": ""})
    stamp = remote_write.stamp(1_700_000_000_000)
    many = [one + struct.pack("<d", float(n)) + stamp for n in range(300)]
    found = read(remote_write.write_request(many))
    assert [series.samples[0].value for series in found] == [float(n) for n in range(300)]
    assert [pair.name for pair in found[0].labels] == ["__name__"]


def test_the_stale_marker_is_the_one_of_prometheus():
    assert struct.unpack("<Q", remote_write.STALE) == (0x7FF0000000000002,)
    with pytest.raises(struct.error):
        struct.unpack("<d", remote_write.STALE[:4])
