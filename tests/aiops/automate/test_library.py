"""Every runbook of the library is sound, fits its incident, and says to the letter what it does."""

from __future__ import annotations

import pytest

from twinhelm.aiops.automate.match import Case, Sign, fits
from twinhelm.aiops.automate.plan import plan_of
from twinhelm.aiops.automate.runbook import Level, read_runbook
from twinhelm.aiops.automate.steps import actors
from twinhelm.aiops.clean import redacted
from twinhelm.aiops.types import Incident, IncidentState, Suspect
from twinhelm.app.repairs import library
from twinhelm.core.own.secrets import Secrets
from twinhelm.core.settings import AutomateSettings
from twinhelm.core.telemetry import Change

LIBRARY = library()
DOMAIN = "www.shop.example"
IDLE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :service"
    " AND state = 'idle in transaction' AND state_change < now() - interval '5 minutes'"
)
ALLOWED = AutomateSettings(
    commands=["/bin/grep", "/usr/bin/journalctl", "/usr/bin/apt-get", "/usr/bin/certbot"],
    urls=["https://airflow.example/api/v1/dags/"],
    units=["*.service"],
    namespaces=["shop"],
    processes=["report-worker"],
    databases=["app-database"],
    statements={"end-idle-sessions": IDLE},
    products=["credit-risk"],
)


def case(entity, metric, resource, *, kind="service", name="", labels=None, change=None):
    """One incident with one suspect and one sign; conclusive where somebody is suspected."""
    incident = Incident(
        7, IncidentState.OPEN, "trouble", "critical", (entity,), 1_000, 2_000,
        verdict="conclusive" if kind else "inconclusive",
    )  # fmt: skip
    indicator = change.id if change else metric
    suspects = (Suspect(1, kind, entity, indicator, name or entity, 0.9, ()),) if kind else ()
    sign = Sign(entity, resource, metric, labels or {})
    return Case(incident, suspects, (sign,), {change.id: change} if change else {})


DEPLOY = Change("c1", 900, "deploy", "service:shop/checkout", "checkout 2.1.0", "ci", "", {})
CHECKOUT = "deployment/checkout"
CASES = {
    "full-disk": (
        case("host:db-1", "node_filesystem_avail_bytes", "disk", kind="resource"),
        ["Run /usr/bin/journalctl --vacuum-size=200M", "Run /usr/bin/apt-get clean"],
    ),
    "memory-leak": (
        case("service:shop/cart", "process_resident_memory_bytes", "memory"),
        ["Run systemctl restart cart.service"],
    ),
    "stuck-process": (
        case(
            "host:db-1", "node_cpu_seconds_total", "cpu", kind="resource",
            name="CPU of db-1, used by report-worker (pid 4242)",
        ),
        [
            "Send SIGTERM to process 4242 (report-worker), wait up to 30 s for its end, wait for"
            " it to be started again"
        ],
    ),
    "bad-deploy": (
        case("service:shop/checkout", "errors", "errors", kind="change", change=DEPLOY),
        [f"Run kubectl --namespace=shop rollout undo {CHECKOUT}"],
    ),
    "certificate": (
        case(
            f"host:{DOMAIN}", "CertificateExpiresSoon", "other", kind="",
            labels={"instance": f"https://{DOMAIN}:443/"},
        ),
        [
            f"Run /usr/bin/certbot renew --non-interactive --cert-name={DOMAIN}",
            "Run systemctl reload nginx.service",
        ],
    ),
    "queue-backlog": (
        case("service:shop/worker", "queue_messages_ready", "saturation"),
        ["Scale deployment/worker in shop by +2, to 10 at most"],
    ),
    "pool-exhaustion": (
        case("service:shop/inventory", "db_pool_connections_in_use", "saturation"),
        [f"Ask app-database: {IDLE} with {{'service': 'inventory'}}"],
    ),
    "late-pipeline": (
        case("pipeline:shop/nightly", "pipeline_late_seconds", "data", kind="service"),
        [
            "Call POST https://airflow.example/api/v1/dags/nightly/dagRuns with the body"
            ' {"dag_run_id":"twinhelm-7"}'
        ],
    ),
    "bad-model-version": (
        case("service:models/credit-risk", "model_request_seconds_p99", "latency"),
        ["Give the traffic of the model credit-risk to the version before"],
    ),
}  # fmt: skip


@pytest.fixture
def hands(tmp_path):
    secrets = Secrets(tmp_path, {"TWINHELM_SECRET_AIRFLOW": "Bearer x"})
    return actors(ALLOWED, secrets, name_of=lambda comm, _: comm, roll_back=lambda _: {})


def read(name, hands):
    return read_runbook(LIBRARY[f"{name}.toml"], f"{name}.toml", hands, hidden=redacted)


def test_every_runbook_has_its_case_and_every_fault_its_runbook():
    assert {f"{name}.toml" for name in CASES} == LIBRARY.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_runbook_is_sound_and_only_suggested(hands, name):
    runbook = read(name, hands)
    assert runbook.name == name
    assert runbook.runbook.level is Level.SUGGEST


@pytest.mark.parametrize("name", CASES)
def test_its_dry_run_says_to_the_letter_what_it_does(hands, name):
    known, told = CASES[name]
    runbook = read(name, hands)
    fit = fits(runbook, known)
    assert fit.fits, fit.why
    plan = plan_of(runbook, fit.values, fit.target, hands)
    assert [step.says for step in plan.steps] == told
    assert all(step.undo for step in plan.steps)
    assert len(plan.reach) <= runbook.limits.reach
    lacking = ("is not installed", "does not run this machine", "is not there", "no process")
    assert not [each for each in plan.barred if not any(word in each for word in lacking)]


def test_an_undo_says_what_it_will_know_only_then(hands):
    fit = fits(read("queue-backlog", hands), CASES["queue-backlog"][0])
    plan = plan_of(read("queue-backlog", hands), fit.values, fit.target, hands)
    undo = "Scale deployment/worker in shop to 2 (2 stands for did.replicas)"
    assert [step.undo for step in plan.steps] == [undo]


@pytest.mark.parametrize("name", CASES)
def test_it_fits_no_other_case_and_nothing_that_is_not_allowed_is_planned(hands, name, tmp_path):
    runbook = read(name, hands)
    others = [other for other, (known, _) in CASES.items() if fits(runbook, known).fits]
    assert others == [name]
    closed = actors(
        AutomateSettings(), Secrets(tmp_path, {}), name_of=lambda comm, _: comm, roll_back=dict
    )
    fit = fits(runbook, CASES[name][0])
    assert plan_of(runbook, fit.values, fit.target, closed).barred
