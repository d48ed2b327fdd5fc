import numpy as np
import pytest

from twinhelm.core.labels import labels_of
from twinhelm.core.telemetry import STALE_NAN_BITS, MetricMeta, MetricType, SampleBlock

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
T0 = 1_700_000_000


def put(house, labels, samples, tenant="default"):
    (series,) = house.telemetry.intern([labels_of(labels)], tenant=tenant).tolist()
    values = np.array([0.0 if v == "stale" else v for _, v in samples], np.float64)
    values.view(np.uint64)[[v == "stale" for _, v in samples]] = STALE_NAN_BITS
    times = np.array([round(t * 1000) for t, _ in samples], np.int64)
    house.telemetry.append_samples(
        SampleBlock(np.full(len(samples), series, np.uint32), times, values)
    )


@pytest.fixture
def filled(house):
    put(house, {"__name__": "up", "job": "b"}, [(T0, 1), (T0 + 10, 0.5), (T0 + 20, "stale")])
    put(house, {"__name__": "up", "job": "a"}, [(T0 + 0.001, float("inf")), (T0 + 10, 1e-7)])
    put(house, {"__name__": "other", "job": "c"}, [(T0, 3)])
    put(house, {"__name__": "up", "job": "z"}, [(T0, 9)], tenant="shop")


def ask(client, path, **params):
    answer = client.get(f"/api/v1/{path}", params=params)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["status"] == "success"
    return said["data"]


def test_grafanas_connection_test_passes(client):
    answer = client.post("/api/v1/query", content=b"query=1%2B1&time=4", headers=FORM)
    assert answer.json() == {
        "status": "success",
        "data": {"resultType": "scalar", "result": [4, "2"]},
    }
    assert ask(client, "status/buildinfo")["version"]


@pytest.mark.usefixtures("filled")
def test_an_instant_query_gives_the_newest_values_in_label_order(client):
    assert ask(client, "query", query="up", time=T0 + 10) == {
        "resultType": "vector",
        "result": [
            {"metric": {"__name__": "up", "job": "a"}, "value": [T0 + 10, "1e-07"]},
            {"metric": {"__name__": "up", "job": "b"}, "value": [T0 + 10, "0.5"]},
        ],
    }


@pytest.mark.usefixtures("filled")
def test_raw_samples_are_read_back_exactly(client):
    assert ask(client, "query", query="up[1m]", time=T0 + 30) == {
        "resultType": "matrix",
        "result": [
            {
                "metric": {"__name__": "up", "job": "a"},
                "values": [[T0 + 0.001, "+Inf"], [T0 + 10, "1e-07"]],
            },
            {"metric": {"__name__": "up", "job": "b"}, "values": [[T0, "1"], [T0 + 10, "0.5"]]},
        ],
    }


@pytest.mark.usefixtures("filled")
def test_a_range_query_steps_through_time(client):
    found = ask(client, "query_range", query='up{job="b"}', start=T0 - 5, end=T0 + 25, step="5s")
    assert found["result"][0]["values"] == [
        [T0, "1"],
        [T0 + 5, "1"],
        [T0 + 10, "0.5"],
        [T0 + 15, "0.5"],
    ]


def test_a_number_over_a_range_is_one_line(client):
    found = ask(client, "query_range", query="2*3", start=0, end=2, step=1)
    assert found["result"] == [{"metric": {}, "values": [[0, "6"], [1, "6"], [2, "6"]]}]


@pytest.mark.usefixtures("filled")
def test_names_and_series_are_listed(client):
    assert ask(client, "labels") == ["__name__", "job"]
    assert ask(client, "label/job/values") == ["a", "b", "c"]
    assert ask(client, "label/job/values", **{"match[]": "other"}) == ["c"]
    assert ask(client, "label/nothing/values") == []
    found = ask(client, "series", **{"match[]": ["up", "other"], "start": T0, "end": T0 + 1})
    assert [each["job"] for each in found] == ["c", "a", "b"]
    assert ask(client, "series", **{"match[]": "up", "start": T0 + 5000}) == []


@pytest.mark.usefixtures("filled")
def test_a_limit_cuts_and_warns(client):
    said = client.get("/api/v1/label/job/values", params={"limit": 2}).json()
    assert said["data"] == ["a", "b"]
    assert said["warnings"] == ["results truncated due to limit"]
    said = client.get("/api/v1/series", params={"match[]": "up", "limit": 1}).json()
    assert (len(said["data"]), len(said["warnings"])) == (1, 1)


@pytest.mark.usefixtures("filled")
def test_a_form_body_asks_as_well(client):
    body = f"query=up&time={T0}".encode()
    answer = client.post("/api/v1/query", content=body, headers=FORM)
    assert answer.json()["data"]["result"][0]["value"] == [T0, "1"]
    answer = client.post("/api/v1/series", content=b"match[]=up", headers=FORM)
    assert len(answer.json()["data"]) == 2


@pytest.mark.usefixtures("filled")
def test_a_tenant_sees_its_own(client):
    headers = {"X-Scope-OrgID": "shop"}
    answer = client.get("/api/v1/label/job/values", headers=headers)
    assert answer.json()["data"] == ["z"]
    answer = client.get(f"/api/v1/query?query=up&time={T0}", headers=headers)
    assert [each["metric"]["job"] for each in answer.json()["data"]["result"]] == ["z"]


def test_metadata_is_told(client, house):
    house.telemetry.put_metric_meta([MetricMeta("up", MetricType.GAUGE, "", "Whether it is up.")])
    assert ask(client, "metadata") == {
        "up": [{"type": "gauge", "help": "Whether it is up.", "unit": ""}]
    }
    assert ask(client, "metadata", metric="down") == {}


def test_what_is_not_kept_is_empty_not_missing(client):
    assert ask(client, "rules") == {"groups": []}
    assert ask(client, "alerts") == {"alerts": []}
    assert ask(client, "query_exemplars", query="up", start=0, end=1) == []


@pytest.mark.parametrize("said", ["1700000000", "1.7e9", "2023-11-14T22:13:20Z", "1700000000.0004"])
@pytest.mark.usefixtures("filled")
def test_a_time_may_be_seconds_or_rfc_3339(client, said):
    assert ask(client, "query", query="other", time=said)["result"][0]["value"] == [T0, "3"]


WRONG = {
    "query": "missing",
    "query?query=up{": "parse error",
    "query?query=sum(up)": "later",
    "query?query=up&time=yesterday": "valid timestamp",
    "query?query=up&time=nan": "valid timestamp",
    "query?query=up&time=1e300": "valid timestamp",
    "query_range?query=up&start=0&end=1": "step",
    "query_range?query=up&start=2&end=1&step=1": "before start",
    "query_range?query=up&start=0&end=1&step=0": "zero or negative",
    "query_range?query=up&start=0&end=1&step=x": "valid duration",
    "query_range?query=up&start=0&end=11000&step=1": "exceeded maximum resolution of 11000",
    "query_range?query=up[5m]&start=0&end=1&step=1": "range vector",
    "series": "no match[]",
    "series?match[]=up[5m]": "plain series selector",
    "series?match[]=up&limit=x": "limit",
    "labels?match[]={}": "empty text",
    "label/a-b/values": "invalid label name",
}


@pytest.mark.parametrize("path", WRONG)
def test_what_makes_no_sense_is_bad_data(client, path):
    answer = client.get(f"/api/v1/{path}")
    said = answer.json()
    assert (answer.status_code, said["status"], said["errorType"]) == (400, "error", "bad_data")
    assert WRONG[path] in said["error"]


@pytest.mark.usefixtures("filled")
def test_a_query_past_its_limits_is_422(client_of, new_house):
    house = new_house(limits={"max_query_series": 1})
    for job in "ab":
        put(house, {"__name__": "up", "job": job}, [(T0, 1)])
    answer = client_of(house).get("/api/v1/query", params={"query": "up", "time": T0})
    assert (answer.status_code, answer.json()["errorType"]) == (422, "execution")


def test_a_form_of_another_type_is_refused(client):
    answer = client.post("/api/v1/query", json={"query": "up"})
    assert answer.status_code == 400
    answer = client.post("/api/v1/query", content=b"\xff", headers=FORM)
    assert answer.status_code == 400
    many = b"&".join(b"a=%d" % i for i in range(2000))
    assert client.post("/api/v1/query", content=many, headers=FORM).status_code == 400


def test_an_answer_of_many_pieces_is_whole(client, house):
    times = [(T0 + i, i) for i in range(20_000)]
    for job in range(5):
        put(house, {"__name__": "up", "job": str(job)}, times)
    found = ask(client, "query", query="up[1d]", time=T0 + 20_000)
    assert [len(each["values"]) for each in found["result"]] == [20_000] * 5
    assert found["result"][4]["values"][-1] == [T0 + 19_999, "19999"]
    # Each answer gives its turn back, or the fifth would wait for ever.
    for _ in range(6):
        ask(client, "query", query="up", time=T0)
