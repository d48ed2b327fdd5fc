from __future__ import annotations

from typing import Any

import pytest

from twinhelm.aiops.collect.cloudevents import decode_cloudevents
from twinhelm.core.errors import BadInput, Unsupported
from twinhelm.core.json import dumps
from twinhelm.core.telemetry import Change

HEADERS = {"CE-SpecVersion": "1.0", "ce-id": "7", "ce-source": "/ci/shop", "Ce-Type": "deploy.done"}
EVENT: dict[str, Any] = {"specversion": "1.0", "id": "7", "source": "/ci/shop", "type": "deploy"}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}


def one(event: Any) -> Change:
    (change,) = decode_cloudevents(STRUCTURED, dumps(event), now_ms=5).changes
    return change


def test_the_three_modes_say_the_same() -> None:
    event = {**EVENT, "type": "deploy.done", "subject": "cart", "data": {"version": "2"}}
    headers = {**HEADERS, "ce-subject": "cart", "content-type": "application/json"}
    binary = decode_cloudevents(headers, b'{"version": "2"}', now_ms=5)
    batch = decode_cloudevents(
        {"Content-Type": "application/cloudevents-batch+json"}, dumps([event]), now_ms=5
    )
    assert binary.changes == batch.changes == (one(event),)


def test_an_event_becomes_a_change() -> None:
    change = one(
        {
            **EVENT,
            "time": "2023-11-14T22:13:20Z",
            "data": {
                "service": "cart",
                "title": "cart 2.0",
                "outcome": "success",
                "end_time": "2023-11-14T22:13:21Z",
                "commit": "abc",
                "extra": {"n": 1},
            },
        }
    )
    assert change == Change(
        id="/ci/shop#7",
        time_ms=1_700_000_000_000,
        kind="deploy",
        entity="service:cart",
        title="cart 2.0",
        source="/ci/shop",
        end_ms=1_700_000_001_000,
        outcome="success",
        attributes={
            "type": "deploy",
            "service": "cart",
            "outcome": "success",
            "commit": "abc",
            "extra": '{"n":1}',
        },
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("dev.cdevents.service.deployed.0.1.1", "deploy"),
        ("dev.cdevents.pipelinerun.finished.0.1.1", "ci"),
        ("com.example.feature_flag.changed", "flag"),
        ("config.reloaded", "config"),
        ("model.promoted", "model"),
        ("com.example.unheard", "other"),
    ],
)
def test_the_type_tells_the_kind(kind: str, expected: str) -> None:
    assert one({**EVENT, "type": kind}).kind == expected


def test_the_data_may_tell_the_kind_and_the_entity() -> None:
    change = one({**EVENT, "data": {"kind": "flag", "entity": "host:db-1"}})
    assert (change.kind, change.entity) == ("flag", "host:db-1")
    assert one({**EVENT, "data": {"entity": "shoe:43"}}).entity == "other:/ci/shop"


def test_an_event_without_a_time_is_of_now() -> None:
    assert one(EVENT).time_ms == 5


def test_header_values_are_percent_decoded() -> None:
    headers = {**HEADERS, "ce-subject": "caf%C3%A9"}
    (change,) = decode_cloudevents(headers, b"", now_ms=5).changes
    assert change.entity == "service:café"


def test_data_that_is_no_object_is_kept_as_text() -> None:
    (change,) = decode_cloudevents(
        {**HEADERS, "content-type": "text/plain"}, b"hello", now_ms=5
    ).changes
    assert change.attributes["data"] == "hello"
    assert one({**EVENT, "data_base64": "aGk="}).attributes["data"] == "hi"


@pytest.mark.parametrize(
    "event",
    [3, {}, {**EVENT, "id": ""}, {**EVENT, "source": 3}, {**EVENT, "time": "soon"},
     {**EVENT, "data_base64": "*"}, {**EVENT, "data": {"end_time": 5}}],
    ids=str,
)  # fmt: skip
def test_a_wrong_event_is_refused(event: Any) -> None:
    with pytest.raises((BadInput, Unsupported)):
        one(event)


def test_another_version_or_format_is_unsupported() -> None:
    with pytest.raises(Unsupported):
        one({**EVENT, "specversion": "0.3"})
    with pytest.raises(Unsupported):
        decode_cloudevents({"content-type": "application/cloudevents+avro"}, b"", now_ms=5)


def test_a_request_without_an_event_is_refused() -> None:
    with pytest.raises(BadInput, match="no CloudEvent"):
        decode_cloudevents({"content-type": "application/json"}, b"{}", now_ms=5)


def test_an_empty_batch_changes_nothing() -> None:
    headers = {"content-type": "application/cloudevents-batch+json"}
    assert decode_cloudevents(headers, b"[]", now_ms=5).changes == ()
