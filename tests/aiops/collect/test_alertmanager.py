from __future__ import annotations

from typing import Any

import pytest

from twinhelm.aiops.collect.alertmanager import decode_api_alerts, decode_webhook, fingerprint_of
from twinhelm.core.errors import BadInput
from twinhelm.core.json import dumps

NOW_MS = 1_700_000_060_000
START = "2023-11-14T22:13:20.123456789Z"
START_MS = 1_700_000_000_123
ZERO = "0001-01-01T00:00:00Z"


def alert(**fields: Any) -> dict[str, Any]:
    return {"labels": {"alertname": "Down"}, "startsAt": START, **fields}


def webhook(*alerts: Any) -> bytes:
    return dumps({"version": "4", "receiver": "twinhelm", "alerts": list(alerts), "orgId": 1})


def test_a_firing_alert_of_a_webhook_has_no_end() -> None:
    body = webhook(
        alert(status="firing", endsAt=ZERO, fingerprint="abc", generatorURL="http://p/",
              annotations={"summary": "it is down"}, values={"A": 1}, silenceURL="x")
    )  # fmt: skip
    (found,) = decode_webhook(body, now_ms=NOW_MS).alerts
    assert (found.starts_ms, found.ends_ms, found.fingerprint) == (START_MS, None, "abc")
    assert found.annotations == (("summary", "it is down"),)
    assert (found.source, found.url) == ("webhook/twinhelm", "http://p/")


def test_a_resolved_alert_has_an_end_even_where_none_is_given() -> None:
    body = webhook(
        alert(status="resolved", endsAt="2023-11-14T22:14:00Z"), alert(status="resolved")
    )
    assert [found.ends_ms for found in decode_webhook(body, now_ms=NOW_MS).alerts] == [
        1_700_000_040_000,
        NOW_MS,
    ]


def test_an_end_that_lies_ahead_is_no_end() -> None:
    ahead = alert(endsAt="2023-11-14T23:00:00Z")
    assert decode_api_alerts(dumps([ahead]), now_ms=NOW_MS).alerts[0].ends_ms is None
    assert decode_webhook(webhook(ahead), now_ms=NOW_MS).alerts[0].ends_ms is None


def test_api_alerts_default_their_start() -> None:
    body = dumps([{"labels": {"alertname": "A"}}, {"labels": {"alertname": "A"}, "startsAt": ZERO}])
    assert [found.starts_ms for found in decode_api_alerts(body, now_ms=NOW_MS).alerts] == [
        NOW_MS,
        NOW_MS,
    ]


def test_an_api_alert_that_ended_is_resolved() -> None:
    body = dumps([alert(endsAt="2023-11-14T22:14:00Z")])
    assert decode_api_alerts(body, now_ms=NOW_MS).alerts[0].ends_ms == 1_700_000_040_000


@pytest.mark.parametrize(
    "entry",
    [{"labels": {}}, {"labels": {"alertname": ""}}, {}, 3, alert(startsAt="soon"),
     alert(labels=[]), alert(labels={"alertname": 3}), alert(endsAt=5),
     alert(annotations={"a": None}), alert(endsAt="2023-11-14T22:00:00Z")],
    ids=str,
)  # fmt: skip
def test_a_wrong_api_alert_is_refused(entry: Any) -> None:
    with pytest.raises(BadInput):
        decode_api_alerts(dumps([entry]), now_ms=NOW_MS)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"alerts": {}}', b"null", b""])
def test_what_is_no_webhook_is_refused(body: bytes) -> None:
    with pytest.raises(BadInput):
        decode_webhook(body, now_ms=NOW_MS)


def test_equal_labels_have_equal_fingerprints_for_ever() -> None:
    assert fingerprint_of((("alertname", "Down"),)) == "75ebfa11dbd33fa7"
    body = dumps([alert(), alert(annotations={"a": "b"}), alert(labels={"alertname": "Up"})])
    first, second, third = decode_api_alerts(body, now_ms=NOW_MS).alerts
    assert first.fingerprint == second.fingerprint != third.fingerprint


def test_too_many_labels_refuse_one_alert() -> None:
    labels = {"alertname": "A", **{f"l{number}": "v" for number in range(70)}}
    received = decode_api_alerts(dumps([alert(labels=labels), alert()]), now_ms=NOW_MS)
    assert len(received.alerts) == 1
    assert received.rejected[0].reason == "bad_labels"


def test_what_we_forwarded_ourselves_does_not_come_in_again() -> None:
    ours = alert(labels={"alertname": "twinhelm", "twinhelm_thread": "twinhelm/h/incident/3"})
    assert len(decode_webhook(webhook(ours, alert()), now_ms=NOW_MS).alerts) == 1
