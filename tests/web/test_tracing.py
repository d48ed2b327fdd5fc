import pytest

from twinhelm.core.own.tracing import span, start_tracing
from twinhelm.core.settings import TracingSettings
from web.bodies import V1, write_v1


def test_without_an_address_nothing_is_sent():
    stop = start_tracing(TracingSettings())
    with span("tick", samples=3) as nothing:
        assert nothing is None
    stop()


@pytest.mark.parametrize("path", ["", "/", "/v1/traces"])
def test_our_own_spans_arrive_at_a_collector(serve_house, path):
    collector = serve_house()
    stop = start_tracing(TracingSettings(otlp_endpoint=collector.url + path), version="1.2.3")
    try:
        with span("tick", samples=3), span("detect"):
            pass
    finally:
        stop()
    found = collector.http.get("/api/twinhelm/v1/spans").json()
    names = {one["name"]: one for one in found}
    assert names["detect"]["parent_id"] == names["tick"]["span_id"]
    assert "twinhelm" in names["tick"]["labels"].values()
    with span("later"):
        pass
    assert "later" not in {
        one["name"] for one in collector.http.get("/api/twinhelm/v1/spans").json()
    }


def test_a_request_at_a_door_is_a_span(serve_house, client, house):
    collector = serve_house()
    stop = start_tracing(TracingSettings(otlp_endpoint=collector.url))
    try:
        body = write_v1([({"__name__": "up"}, [(1.0, house.clock.now_ms())])])
        assert client.post("/api/v1/write", content=body, headers=V1).status_code == 204
    finally:
        stop()
    found = collector.http.get("/api/twinhelm/v1/spans").json()
    assert "remote_write" in {one["name"] for one in found}
