"""The whole lab as real processes: what it does while it is up. See ``test_end`` for its end."""

import os
import signal
import subprocess
import sys

import cramjam
import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from aiops.collect.remote_write_messages import WriteRequest
from lab.stage.running import ENV, until
from twinhelm.lab.plan import Plan
from twinhelm.lab.words import DATABASE, PROCESSES, SCRAPED, now_s


def refused(*flags):
    """Start a lab that must not come up, and return what it says."""
    said = subprocess.run(
        [sys.executable, "-m", "twinhelm.lab", "up", *flags],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=ENV,
    )  # fmt: skip
    assert said.returncode == 1
    return said.stderr


def test_everything_is_up(lab):
    status = lab.status()
    assert {each["name"] for each in status["processes"]} == set(PROCESSES)
    assert all(each["alive"] and each["pid"] for each in status["processes"])
    assert status["active"] == []
    assert (lab.folder / "control.json").stat().st_mode & 0o777 == 0o600
    assert (lab.folder / "plan.json").stat().st_mode & 0o777 == 0o600


def test_control_wants_the_secret_and_knows_its_faults(lab):
    assert lab.ask("GET", "/status", secret="guess").status_code == 403
    assert lab.ask("POST", "/stop", secret="guess").status_code == 403
    assert lab.ask("POST", "/faults/no-such-fault").status_code == 404
    assert lab.ask("DELETE", "/faults/no-such-fault").status_code == 404
    first = lab.ask("GET", "/faults").json()[0]
    assert {"name", "title", "repair", "truth"} <= first.keys()
    assert lab.ask("DELETE", f"/faults/{first['name']}").status_code == 409
    assert lab.ask("POST", "/cases", {"start_s": "soon"}).status_code in (400, 502)


def test_a_process_that_dies_is_started_again(lab):
    before = lab.pid("shipping")
    os.kill(before, signal.SIGKILL)
    until(lambda: lab.pid("shipping") != before, "shipping has another process id")
    assert "shipping was ended by SIGKILL; starting it again" in lab.log.read_text()


def test_a_second_lab_in_the_folder_is_refused(lab):
    assert "a lab is already up in" in refused("--folder", str(lab.folder))
    assert lab.status()["ready"]


def test_a_taken_port_is_named(lab, tmp_path):
    port = Plan.load(lab.folder / "plan.json").ports["gateway"]
    assert f"port {port} is taken" in refused("--folder", str(tmp_path), "--port", str(port))


def test_the_agent_carries_every_signal(lab, lab_sink):
    requests = {
        "/v1/traces": (ExportTraceServiceRequest, "resource_spans"),
        "/v1/metrics": (ExportMetricsServiceRequest, "resource_metrics"),
        "/v1/logs": (ExportLogsServiceRequest, "resource_logs"),
    }

    def services(path):
        kind, groups = requests[path]
        return {
            pair.value.string_value
            for body in lab_sink.at(path)
            for group in getattr(kind.FromString(body), groups)
            for pair in group.resource.attributes
            if pair.key == "service.name"
        }

    until(lambda: services("/v1/traces") >= {"gateway", "catalog", "cart"}, "traces")
    until(
        lambda: services("/v1/metrics") >= {"gateway", "checkout", "payments", "recommender"},
        "metrics by OTLP",
    )
    until(lambda: services("/v1/logs"), "logs by OTLP")
    until(lambda: {"catalog", "queue"} <= jobs_of_lines(lab_sink), "lines of files and of stdout")


def jobs_of_lines(sink):
    return {
        stream["stream"]["job"]
        for body in sink.at("/loki/api/v1/push")
        for stream in orjson.loads(body)["streams"]
    }


def test_every_scraped_job_is_up(lab, lab_sink):
    def up():
        found = {}
        for body in lab_sink.at("/api/v1/write")[-4:]:
            raw = bytes(cramjam.snappy.decompress_raw(body))
            for series in WriteRequest.FromString(raw).timeseries:
                labels = {pair.name: pair.value for pair in series.labels}
                if labels["__name__"] == "up":
                    assert list(labels) == sorted(labels)
                    assert abs(series.samples[0].timestamp / 1000 - now_s()) < 60
                    found[labels["job"]] = series.samples[0].value
        return found == dict.fromkeys((DATABASE, *SCRAPED), 1.0)

    until(up, "every job is up")


def test_one_can_ask_whether_a_symptom_shows(lab):
    def value(metric, kind, **labels):
        symptom = {"metric": metric, "labels": labels, "kind": kind}
        return lab.ask("POST", f"{agent}/_lab/ask", {"symptom": symptom}).json()["value"]

    agent = Plan.load(lab.folder / "plan.json").own_url("agent")
    assert until(lambda: value("up", "value", job="catalog"), "a value") == 1.0
    assert until(lambda: value("http_requests_total", "rate", job="catalog"), "a rate") > 0
    assert (
        until(lambda: value("http_request_duration_seconds", "mean", job="catalog"), "a mean") > 0
    )
    duration = "http_server_request_duration"
    assert until(lambda: value(duration, "mean", job="gateway"), "a mean of OTLP's") > 0
    assert until(lambda: value("span", "spans_mean_s", service="gateway"), "a mean of spans") > 0
    assert value("span", "spans_failed", service="gateway") is not None
    assert value("no_such_metric", "value") is None


def test_what_was_carried_can_be_had_as_a_case(lab, tmp_path):
    def written():
        now = now_s()
        asked = {"case_id": "a", "start_s": now - 5, "end_s": now, "folder": str(tmp_path / "a")}
        rows = lab.ask("POST", "/cases", asked).json()["rows"]
        return rows if rows["traces"] else None

    assert until(written, "spans in a case")["metrics"] > 100
    assert {file.name for file in (tmp_path / "a").iterdir()} >= {
        "metrics.parquet", "logs.parquet", "traces.parquet", "changes.parquet",
    }  # fmt: skip


def test_the_shop_goes_on_while_the_backend_is_down(lab, lab_sink):
    def sent():
        return lab.status()["sent"]

    until(lambda: sent()["metrics"], "something was sent")
    lab_sink.status = 503
    try:
        errors = sent()["errors"]
        until(lambda: sent()["errors"] > errors, "the agent meets the backend that is down")
        plan = Plan.load(lab.folder / "plan.json")
        assert lab.ask("GET", f"{plan.own_url('gateway')}/healthz").status_code == 200
        before = len(lab_sink.at("/api/v1/write"))
    finally:
        lab_sink.status = 200
    until(lambda: len(lab_sink.at("/api/v1/write")) > before + 2, "what waited has arrived")
