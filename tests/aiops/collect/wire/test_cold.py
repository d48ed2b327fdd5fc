import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinhelm.aiops.collect.wire.cold import message_fields
from twinhelm.aiops.collect.wire.labels import in_words
from twinhelm.aiops.collect.wire.warm import warm
from twinhelm.core.errors import BadInput


def test_fields_of_every_wire_type_are_read():
    message = bytes.fromhex("0896011202686919" + "00" * 8 + "25" + "01000000")
    assert list(message_fields(message)) == [
        (1, 150),
        (2, b"hi"),
        (3, bytes(8)),
        (4, b"\1\0\0\0"),
    ]


@pytest.mark.parametrize("message", [b"\x0a", b"\x0a\x05ab", b"\x00", b"\xff" * 12, b"\x09"])
def test_a_message_that_ends_early_is_refused(message):
    with pytest.raises(BadInput, match="metadata"):
        list(message_fields(message))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_read_or_refused(message):
    with contextlib.suppress(BadInput):
        assert len(list(message_fields(message))) <= len(message)


def test_labels_are_written_as_prometheus_writes_them():
    assert in_words((("__name__", "up"), ("a", "1"), ("b", "2"))) == 'up{a="1",b="2"}'
    assert in_words((("__name__", "up"),)) == "up"
    assert in_words(()) == "{}"
    assert len(in_words((("a", "x" * 1000),))) == 200


def test_warming_compiles_everything_and_may_be_repeated():
    warm()
    warm()
