import struct
import zlib

import numpy as np
import pytest

from twinhelm.aiops.detect import AnomalyTracker, Detector
from twinhelm.aiops.detect.snapshot import pack, unpack
from twinhelm.core.errors import BadInput, NewerFormat
from twinhelm.core.telemetry import SampleBlock


def fed(n=500, start=0, detector=None):
    rng = np.random.default_rng(start)
    detector = detector or Detector()
    scores = detector.observe(
        SampleBlock(
            np.tile(np.arange(3, dtype=np.uint32), n),
            np.repeat(np.arange(start, start + n) * 300_000, 3),
            rng.normal(size=3 * n),
        )
    )
    return detector, scores


def test_a_restored_detector_goes_on_as_if_never_stopped():
    one, _ = fed()
    two = Detector()
    two.restore(one.snapshot())
    np.testing.assert_array_equal(
        fed(start=500, detector=one)[1].score, fed(start=500, detector=two)[1].score
    )
    assert one.snapshot() == two.snapshot()


@pytest.mark.parametrize("make", [Detector, AnomalyTracker])
@pytest.mark.parametrize(
    "harm", [lambda b: b[:-1], lambda b: b[:40], lambda b: b"", lambda b: b[:60] + b"?" + b[61:]]
)
def test_damage_is_refused_and_changes_nothing(make, harm):
    thing = make()
    before = thing.snapshot()
    with pytest.raises(BadInput, match="start fresh"):
        thing.restore(harm(before))
    assert thing.snapshot() == before


def test_another_kind_is_refused():
    with pytest.raises(BadInput, match="not of"):
        Detector().restore(AnomalyTracker().snapshot())


def test_a_newer_format_is_refused_by_name():
    with pytest.raises(NewerFormat, match="format 2, this release reads 1"):
        unpack(pack("x", 2, {}, {}), "x", 1)


def test_an_array_longer_than_the_bytes_is_refused():
    data = pack("x", 1, {}, {"a": np.zeros(4)})
    body = data[:-4].replace(b"[4]", b"[9]")
    with pytest.raises(BadInput, match="cut short"):
        unpack(body + struct.pack("<I", zlib.crc32(body)), "x", 1)


def test_a_matrix_of_another_width_is_refused():
    bad = pack(
        "baseline/1", 1, {"series": 1, "profiles": 0}, {"rows": np.zeros((1, 3), np.float32)}
    )
    with pytest.raises(BadInput, match="fit together"):
        Detector().restore(bad)


def test_state_does_not_depend_on_block_sizes_to_the_bit():
    rng = np.random.default_rng(4)
    values = np.where(np.arange(600) > 400, 0.97, 0.1 + 0.02 * rng.random(600))
    states = []
    for size in (1, 2, 7, 600):
        detector = Detector()
        for a in range(0, 600, size):
            part = values[a : a + size]
            detector.observe(
                SampleBlock(
                    np.zeros(len(part), np.uint32), np.arange(a, a + len(part)) * 5000, part
                )
            )
        states.append(detector.snapshot())
    assert len(set(states)) == 1
