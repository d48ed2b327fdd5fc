from __future__ import annotations

import gzip
from typing import Any

import cramjam
import pytest

from twinhelm.aiops.collect.loki import decode_loki, parse_stream
from twinhelm.aiops.types import Received
from twinhelm.core.errors import BadInput, Refused, Unsupported
from twinhelm.core.json import dumps
from twinhelm.core.settings import LimitSettings

LIMITS = LimitSettings()  # type: ignore[call-arg]


def pushed(streams: Any, **settings: int) -> Received:
    limits = LimitSettings(**settings)  # type: ignore[arg-type]
    return decode_loki(
        dumps({"streams": streams}), content_type="application/json; charset=utf-8", limits=limits
    )


def stream(*values: list[Any]) -> list[dict[str, Any]]:
    return [{"stream": {"app": "cart"}, "values": list(values)}]


def field(number: int, payload: bytes) -> bytes:
    assert len(payload) < 128
    return bytes((number << 3 | 2, len(payload))) + payload


def test_lines_keep_time_text_and_stream() -> None:
    logs = pushed(stream(["1700000000000000001", "a"], ["1700000000000000000", "b"])).logs
    assert logs is not None
    assert logs.time_ns.tolist() == [1_700_000_000_000_000_001, 1_700_000_000_000_000_000]
    assert (logs.body, logs.streams) == (["a", "b"], ((("app", "cart"),),))
    assert logs.attributes == ["", ""]


def test_structured_metadata_becomes_attributes_ids_and_severity() -> None:
    metadata = {"trace_id": "AB" * 16, "spanID": "cd" * 8, "detected_level": "error", "u": "1"}
    logs = pushed(stream(["1", "a", metadata])).logs
    assert logs is not None
    assert (logs.trace_id, logs.span_id) == (["ab" * 16], ["cd" * 8])
    assert logs.severity.tolist() == [17]
    assert '"u":"1"' in logs.attributes[0]


def test_the_level_label_of_a_stream_counts_too() -> None:
    logs = pushed([{"stream": {"level": "warn"}, "values": [["1", "a"]]}]).logs
    assert logs is not None
    assert logs.severity.tolist() == [13]


@pytest.mark.parametrize(
    "values",
    [[5, "a"], ["5.0", "a"], ["", "a"], ["-5", "a"], ["9" * 19, "a"], ["5"], ["5", None],
     ["5", "a", 3], ["5", "a", {"k": 1}], ["5", "a", {}, {}], "5", ["\u0665", "a"]],
    ids=str,
)  # fmt: skip
def test_a_wrong_entry_refuses_the_push(values: Any) -> None:
    with pytest.raises(BadInput):
        pushed(stream(values))


@pytest.mark.parametrize(
    "streams",
    [None, {}, [3], [{}], [{"stream": {}, "values": []}], [{"stream": {"a": 1}, "values": []}],
     [{"labels": '{a="b"}', "entries": []}]],
    ids=str,
)  # fmt: skip
def test_a_wrong_stream_refuses_the_push(streams: Any) -> None:
    with pytest.raises(BadInput):
        pushed(streams)


def test_long_lines_and_large_label_sets_are_refused_alone() -> None:
    received = pushed(
        [
            {"stream": {"a": "b"}, "values": [["1", "x" * 9], ["2", "ok"]]},
            {"stream": {"a": "b" * 99}, "values": [["3", "c"], ["4", "d"]]},
        ],
        max_log_line_bytes=8,
        max_label_value_bytes=50,
    )
    assert received.logs is not None
    assert received.logs.body == ["ok"]
    assert {item.reason: item.count for item in received.rejected} == {
        "line_too_long": 1,
        "bad_labels": 2,
    }


@pytest.mark.parametrize("encoding", ["", "snappy", "gzip"])
def test_protobuf_is_a_snappy_block_whatever_the_header_says(encoding: str) -> None:
    # push.proto by hand: Timestamp{seconds=2, nanos=3}; line; metadata{name, value}.
    stamp = field(1, b"\x08\x02\x10\x03")
    pair = field(3, field(1, b"level") + field(2, b"info"))
    entry = field(2, stamp + field(2, b"hello") + pair)
    body = bytes(cramjam.snappy.compress_raw(field(1, field(1, b'{app="a"}') + entry)))
    if encoding == "gzip":
        body = gzip.compress(body)
    received = decode_loki(
        body, content_type="application/x-protobuf", content_encoding=encoding, limits=LIMITS
    )
    logs = received.logs
    assert logs is not None
    assert logs.time_ns.tolist() == [2_000_000_003]
    assert (logs.body, logs.severity.tolist()) == (["hello"], [9])
    assert logs.streams == ((("app", "a"),),)


def test_gzipped_json_is_read() -> None:
    body = gzip.compress(dumps({"streams": stream(["1", "a"])}))
    received = decode_loki(body, content_type="", content_encoding="gzip", limits=LIMITS)
    assert received.logs is not None


def test_another_content_type_is_unsupported() -> None:
    with pytest.raises(Unsupported):
        decode_loki(b"{}", content_type="text/plain", limits=LIMITS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'{a="b"}', "b"),
        (r'{ a = "b" , }', "b"),
        (r'{a="\"\\\n"}', '"\\\n'),
        (r'{a="\u00e9\ud800"}', "é\ufffd"),
        ('{a="}{,="}', "}{,="),
    ],
)
def test_stream_labels_are_read_as_go_writes_them(text: str, value: str) -> None:
    assert parse_stream(text) == (("a", value),)


@pytest.mark.parametrize("text", ["", "{", "a", '{a="b"', "{a=b}", '{a="b" c="d"}', '{1a="b"}'])
def test_other_stream_labels_are_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse_stream(text)
