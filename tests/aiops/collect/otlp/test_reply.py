from __future__ import annotations

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from twinhelm.aiops.collect.otlp.reply import failure, reply
from twinhelm.aiops.types import Rejected
from twinhelm.core import json
from twinhelm.core.errors import BadInput, Overloaded

REJECTED = [Rejected("late", 2, "from 5 to 3"), Rejected("malformed", 1, "none")]


def test_full_success_is_an_empty_message() -> None:
    assert reply("metrics", [], as_json=False) == b""
    assert reply("traces", [], as_json=True) == b"{}"


def test_partial_success_counts_and_says_why() -> None:
    message = ExportLogsServiceResponse()
    message.ParseFromString(reply("logs", REJECTED, as_json=False))
    assert message.partial_success.rejected_log_records == 3
    assert message.partial_success.error_message == "2 late: from 5 to 3; 1 malformed: none"


def test_json_writes_the_count_as_text() -> None:
    part = json.loads(reply("traces", REJECTED, as_json=True))["partialSuccess"]
    assert part["rejectedSpans"] == "3"


@pytest.mark.parametrize("text", ["short", "é" * 5000])
def test_a_failure_is_a_status_message(text: str) -> None:
    status = Status()
    status.ParseFromString(failure(BadInput(text), as_json=False))
    assert (status.code, status.message) == (3, text[:2000])


def test_a_failure_that_may_pass_says_so() -> None:
    assert json.loads(failure(Overloaded("busy"), as_json=True)) == {"code": 3, "message": "busy"}
