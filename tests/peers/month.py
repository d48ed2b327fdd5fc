"""A month of an imagined operations team, to be lived through by a driven server.

Seeded. With ``toil`` five opportunities stand in it (``PLANTED``) among what any month holds:
incidents that come once and end in their own way, builds that fail for a fault, alerts that
somebody acts on, pipelines on time, shells full of looking about. Without it only that remains.
:func:`month` makes the steps, :func:`live` sends them as Alertmanager, GitHub, OpenLineage, a
shell-history import and people would.
"""

from __future__ import annotations

import csv
import hmac
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from twinhelm.core import json

__all__ = ["DAYS", "PLANTED", "SECRET", "START_MS", "TICK", "Step", "live", "month"]

SECRET = "the secret of the webhook"
START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
DAYS = 30
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
TICK = HOUR
"""How far apart the server looks, so that a month takes a minute; trouble keeps to it."""
PEOPLE = ("ann", "bob", "cee", "dan")
PLANTED = (
    "repeat-host-db-n-archivediskfull",
    "flaky-acme-shop-ci-integration",
    "chore-unlock-account-user-by-support",
    "rule-highloadaverage",
    "late-shop-orders-daily",
)
LOOKING = (
    "ls -la /var/log", "kubectl get pods -n shop", "git pull --rebase", "df -h", "top",
    "journalctl -u shop -n 200", "vim notes.md", "cd /srv", "git push", "kubectl logs cart-1",
    "docker ps", "systemctl status nginx", "grep -r timeout .", "curl -s localhost/health",
)  # fmt: skip
SELDOM = (
    "systemctl restart ntpd", "kubectl apply -f canary.yaml", "certbot renew --dry-run",
    "psql -c 'analyze orders'", "helm upgrade search charts/search", "rm -rf /tmp/build-cache",
    "docker system prune", "redis-cli config set maxmemory 2gb", "apt-get install htop",
    "usermod -aG docker dan", "kubectl cordon node-4", "mysqldump reports",
    "sysctl -w vm.swappiness=1",
)  # fmt: skip
SINGLE = (
    ("PodCrashLooping", "service:cart", "rolled back the feature flag of the basket"),
    ("HighErrorRate", "service:search", "the index was rebuilt by the vendor"),
    ("CertificateExpires", "host:edge-1", "renewed by hand after the account was unlocked"),
    ("ReplicationLag", "host:db-9", "a long report of finance was ended"),
    ("QueueBacklog", "service:mailer", "the provider had an outage; waited"),
    ("PacketLoss", "host:gw-2", "the cable was replaced"),
    ("HighErrorRate", "service:login", "clock of the token service was set right"),
    ("OutOfMemory", "service:reports", "asked the team to page their query"),
)
APART = ("drained a node", "raised a limit", "waited", "moved the job", "split the table")


@dataclass(frozen=True, slots=True)
class Step:
    """What is done at a time: ``how`` names the sender, ``what`` is what it says."""

    time_ms: int
    how: str
    what: Any


def month(seed: int, *, toil: bool) -> list[Step]:
    """Make the month's steps in order of time."""
    rng = random.Random(seed)  # noqa: S311 - a story, not a secret
    steps = [*_noise(rng), *(_toil(rng) if toil else ())]
    return sorted(steps, key=lambda step: step.time_ms)


def _at(rng: random.Random, day: int, first: int = 7, last: int = 19) -> int:
    """Choose a moment of a working day, on whole ticks."""
    return START_MS + day * DAY + rng.randrange(first, last) * TICK


def _toil(rng: random.Random) -> Iterator[Step]:
    for day in rng.sample(range(1, DAYS - 1), 11):  # a full archive, cleaned by the same command
        host, who, at = f"db-{rng.randrange(1, 4)}", rng.choice(PEOPLE), _at(rng, day)
        lasts = rng.randrange(2, 4) * TICK
        yield from _trouble("ArchiveDiskFull", f"host:{host}", at, lasts, who=who)
        did = f"/usr/local/bin/prune-archive --host {host} --older 7d"
        yield Step(at + lasts - 5 * MINUTE, "shell", (who, host, did))
    for day in range(DAYS):  # support unlocks accounts
        for _ in range(rng.randrange(1, 4)):
            did = f"/opt/shop/bin/unlock-account --user {rng.randrange(1000, 9999)} --by support"
            at = _at(rng, day) + rng.randrange(10) * MINUTE
            yield Step(at, "shell", (rng.choice(PEOPLE), "admin-1", did))
    for day in range(DAYS):  # a rule that fires twice a day and means nothing
        for hour in rng.sample(range(0, 24, 3), 2):
            at = START_MS + day * DAY + hour * HOUR
            yield from _trouble("HighLoadAverage", "host:batch-1", at, TICK)
    for day in rng.sample(range(DAYS), 16):  # integration fails and passes unchanged
        commit, at = f"{rng.getrandbits(64):016x}", _at(rng, day)
        yield from _job("integration", commit, at, 9, "failure", 1)
        yield from _job("integration", commit, at + rng.randrange(40, 70) * MINUTE, 9, "success", 2)
    late = set(rng.sample(range(2, DAYS - 1), 10))
    for day in range(DAYS):  # a pipeline that fails at night and is begun again at noon
        at = START_MS + day * DAY + 2 * HOUR
        if day in late:
            yield from _run("orders_daily", f"{day}a", at, "FAIL")
            at += 15 * HOUR
            yield Step(
                at, "shell", (rng.choice(PEOPLE), "etl-1", "airflow dags trigger orders_daily")
            )
        yield from _run("orders_daily", f"{day}b", at, "COMPLETE")


def _noise(rng: random.Random) -> Iterator[Step]:
    for (alert, entity, note), day in zip(
        SINGLE, rng.sample(range(DAYS), len(SINGLE)), strict=True
    ):
        who, at = rng.choice(PEOPLE), _at(rng, day)
        yield from _trouble(alert, entity, at, rng.randrange(2, 4) * TICK, who=who, note=note)
    for number, day in enumerate(sorted(rng.sample(range(DAYS), 5))):  # alike, ended differently
        note = ("drained a node", "raised a limit", "waited", "moved the job", "split the table")[
            number
        ]
        at = _at(rng, day)
        yield from _trouble("SlowQueries", "host:db-8", at, 2 * TICK, who="ann", note=note)
    for day in range(DAYS):
        for _ in range(rng.randrange(4, 9)):
            yield Step(_at(rng, day), "shell", (rng.choice(PEOPLE), "jump", rng.choice(LOOKING)))
        yield from _run("stock_daily", str(day), START_MS + day * DAY + 3 * HOUR, "COMPLETE")
        for number in range(3):
            commit, at = f"{rng.getrandbits(64):016x}", _at(rng, day) + number * MINUTE
            broken = rng.random() < 0.1  # for a fault: the next commit mends it
            yield from _job("unit", commit, at, 4, "failure" if broken else "success", 1)
            yield from _job("integration", commit, at, 8, "success", 1)
    for did, day in zip(SELDOM, rng.sample(range(DAYS), len(SELDOM)), strict=True):
        for again in range(rng.randrange(1, 3)):
            at = _at(rng, (day + 9 * again) % DAYS)
            yield Step(at, "shell", (rng.choice(PEOPLE), "jump", did))
    for number, day in enumerate(range(0, DAYS, 3)):
        deploy = {"id": number, "sha": f"{number:040x}", "ref": f"v1.{number}",
                  "environment": "production", "created_at": _iso(_at(rng, day))}  # fmt: skip
        state = {"state": "success", "updated_at": deploy["created_at"]}
        said = {"deployment": deploy, "deployment_status": state}
        yield Step(_at(rng, day), "github", ("deployment_status", said))


def _trouble(
    alert: str, entity: str, at: int, lasts: int, *, who: str = "", note: str = ""
) -> Iterator[Step]:
    kind, name = entity.split(":")
    labels = {"alertname": alert, "severity": "critical"}
    labels |= {"host_name": name} if kind == "host" else {"service_name": name}
    said = {"labels": labels, "startsAt": _iso(at), "annotations": {}}
    yield Step(at, "alert", [{**said, "status": "firing"}])
    if who:
        yield Step(at + TICK, "take", (who, entity))
    yield Step(at + lasts, "alert", [{**said, "status": "resolved", "endsAt": _iso(at + lasts)}])
    if note:
        yield Step(at + lasts - MINUTE, "resolve", (who, entity, note))


def _job(
    name: str, commit: str, at: int, minutes: int, outcome: str, attempt: int
) -> Iterator[Step]:
    job = {
        "id": int(commit[:8], 16) * 10 + attempt, "run_id": int(commit[:8], 16), "name": name,
        "run_attempt": attempt, "workflow_name": "ci", "head_sha": commit, "conclusion": outcome,
        "started_at": _iso(at), "completed_at": _iso(at + minutes * MINUTE), "head_branch": "main",
    }  # fmt: skip
    job["id"] += hash_of(name)
    yield Step(
        at + minutes * MINUTE,
        "github",
        ("workflow_job", {"action": "completed", "workflow_job": job}),
    )


def hash_of(name: str) -> int:
    """Number a name, the same in every process."""
    return sum(ord(letter) for letter in name) << 40


def _run(name: str, run: str, at: int, end: str) -> Iterator[Step]:
    for kind, moment in (("START", at), (end, at + 20 * MINUTE)):
        job = {"namespace": "shop", "name": name}
        event = {"eventTime": _iso(moment), "eventType": kind, "job": job,
                 "run": {"runId": f"{name}-{run}"}}  # fmt: skip
        yield Step(moment, "lineage", event)


def _iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def live(http: httpx.Client, steps: list[Step], people: dict[str, dict[str, str]]) -> None:
    """Send a month to a driven server whose admin ``http`` is; ``people`` are their headers."""
    api, shell = "/api/twinhelm/v1", []
    now = 0

    def ask(method: str, path: str, **how: Any) -> Any:
        answer = http.request(method, path, **how)
        assert answer.status_code < 300, f"{path}: {answer.text}"
        return answer.json() if answer.content else None

    def incident(entity: str) -> int:
        found = ask("GET", f"{api}/incidents?state=open&state=acknowledged&state=reopened")
        return next(one["id"] for one in found["incidents"] if entity in one["entities"])

    ask("POST", f"{api}/clock", json={"now_ms": START_MS - HOUR})
    for number, step in enumerate(steps):
        if step.time_ms > now:
            now = step.time_ms
            ask("POST", f"{api}/clock", json={"now_ms": now})
        if step.how == "alert":
            ask("POST", "/api/webhooks/alertmanager", json={"version": "4", "alerts": step.what})
        elif step.how == "lineage":
            ask("POST", "/api/v1/lineage", json=step.what)
        elif step.how == "github":
            event, said = step.what
            body = json.dumps(said | {"repository": {"full_name": "acme/shop"}})
            digest = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
            headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": str(number),
                       "X-Hub-Signature-256": f"sha256={digest}"}  # fmt: skip
            ask("POST", "/api/webhooks/github", content=body, headers=headers)
        elif step.how == "shell":
            shell.append((_iso(step.time_ms), *step.what))
        else:
            who, entity, *note = step.what
            path = f"{api}/incidents/{incident(entity)}"
            if step.how == "take":
                ask("POST", f"{path}/acknowledge", headers=people[who])
            else:
                ask("POST", f"{path}/resolve", json={"note": note[0]}, headers=people[who])
    ask("POST", f"{api}/clock", json={"now_ms": START_MS + DAYS * DAY})
    table = io.StringIO()
    csv.writer(table).writerows([("time", "user", "host", "command"), *shell])
    ask("POST", f"{api}/development/chores", content=table.getvalue().encode())
