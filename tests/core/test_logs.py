"""Our own log lines: two formats, and no secrets in either."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from twinhelm.core import json
from twinhelm.core.logs import configure_logs, strike_secrets
from twinhelm.core.settings import TracingSettings

log = logging.getLogger("twinhelm.test")


@pytest.fixture
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # keep basicConfig(force=True) from closing pytest's own
    stream = io.StringIO()
    configure_logs(TracingSettings(**request.param), stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


as_text = pytest.mark.parametrize("lines", [{"log_format": "text"}], indirect=True)
as_json = pytest.mark.parametrize("lines", [{"log_format": "json"}], indirect=True)


@as_text
def test_text_carries_the_extras_as_fields(lines):
    log.info("store stopped", extra={"free_bytes": 12})
    assert " info    twinhelm.test: store stopped free_bytes=12\n" in lines.getvalue()


@as_json
def test_json_is_one_object_a_line(lines):
    log.warning("one\ntwo", extra={"door": "loki"})
    log.warning("three")
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert first["message"] == "one\ntwo"
    assert (first["door"], first["level"], first["logger"]) == ("loki", "warning", "twinhelm.test")
    assert second["message"] == "three"


@as_json
def test_an_exception_is_told_without_its_secrets(lines):
    try:
        raise ValueError("postgresql://ann:hunter2@db/x")
    except ValueError:
        log.exception("cannot connect")
    entry = json.loads(lines.getvalue())
    assert "ValueError" in entry["exception"]
    assert "hunter2" not in lines.getvalue()


@pytest.mark.parametrize("lines", [{"log_level": "error"}], indirect=True)
def test_what_is_less_severe_is_not_written(lines):
    log.warning("quiet")
    log.error("loud")
    assert "quiet" not in lines.getvalue()
    assert "loud" in lines.getvalue()


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abc.def", "abc.def"),
        ("password=hunter2", "hunter2"),
        ('{"api_key": "k123"}', "k123"),
        ("token: t0psecret", "t0psecret"),
        ("https://ann:hunter2@host/path", "hunter2"),
        ("th_abcdefgh_therestissecret", "therestissecret"),
    ],
)
def test_secrets_are_struck_out(text, secret):
    struck = strike_secrets(f"before {text} after")
    assert secret not in struck
    assert struck.startswith("before ")
    assert struck.endswith(" after")


def test_ordinary_lines_stay_as_they_are():
    line = "read 12 rows of host:db-1 at http://db-1:9100/metrics in 0.3 s"
    assert strike_secrets(line) == line


@as_text
def test_uvicorns_coloured_copy_of_a_message_is_no_field(lines):
    log.info("started", extra={"color_message": "\x1b[1mstarted\x1b[0m"})
    assert lines.getvalue().endswith("twinhelm.test: started\n")
