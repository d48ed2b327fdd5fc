"""Every route of the server, what it needs, and what it is for: the table that the guard obeys.

What stands in no row is answered 404 before any handler sees it, so a handler that somebody
forgot to list is closed, not open. ``docs/routes.md`` and the tests read the same table.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from twinhelm.core.roles import Right

__all__ = ["ROUTES", "SOCKET", "Route", "RouteTable"]

SOCKET = "WEBSOCKET"
"""The method that stands for opening a websocket."""


@dataclass(frozen=True, slots=True)
class Route:
    """One row: ``right`` None lets everybody in, ``door`` names a telemetry door's protocol.

    ``path`` may hold ``{name}`` for one segment and, at its end, ``{name:path}`` for the rest.
    """

    method: str
    path: str
    right: Right | None
    summary: str
    door: str = ""

    @property
    def form(self) -> bool:
        """Tell whether it is a form page, which checks the form token in its own body."""
        return self.right is None and self.method == "POST"

    @property
    def changes(self) -> bool:
        """Tell whether it changes people's state, which a session must prove by a token."""
        return self.method not in {"GET", SOCKET} and self.right not in {None, Right.READ}


TABLE = """
none GET /-/healthy Answers 200 as soon as the server listens.
none GET /-/ready Answers 200 once telemetry is taken and judged; at an outpost, models answer.
read GET /metrics twinhelm's own measurements, for Prometheus.
none GET /sign-in The page to sign in on.
none POST /sign-in Sign in with a name and password.
none GET /sign-in/first The page that the first-run link opens.
none POST /sign-in/first Redeem the first-run link, once.
none GET /notices/acknowledge The page that the link of a message opens; it changes nothing.
none POST /notices/acknowledge Acknowledge by the link of a message, once.
none POST /sign-out End this browser's session.
ingest remote_write /api/v1/write Prometheus remote write 1.0 and 2.0.
ingest remote_write /api/v1/push Prometheus remote write, by the path that Mimir uses.
ingest otlp_metrics /v1/metrics OTLP/HTTP metrics.
ingest otlp_traces /v1/traces OTLP/HTTP traces.
ingest otlp_logs /v1/logs OTLP/HTTP logs.
ingest otlp_metrics /api/v1/otlp/v1/metrics OTLP/HTTP metrics, by the path that Prometheus uses.
ingest otlp_logs /otlp/v1/logs OTLP/HTTP logs, by the path that Loki uses.
ingest loki /loki/api/v1/push Loki push, JSON or Snappy protobuf.
ingest loki /api/prom/push Loki push, by its old path.
ingest alertmanager_api /api/v2/alerts Alerts as Prometheus and vmalert send them to Alertmanager.
ingest alertmanager_webhook /api/webhooks/alertmanager Alertmanager's webhook, version 4.
ingest cloudevents /api/events CloudEvents for changes: binary, structured or batch.
ingest openlineage /api/v1/lineage OpenLineage events for pipeline runs.
none github:POST /api/webhooks/github GitHub's webhooks for CI runs and deploys, by their signature.
none gitlab:POST /api/webhooks/gitlab GitLab's webhooks, by their signature or token.
ingest junit /api/twinhelm/v1/development/tests A test report in JUnit XML.
ingest commits /api/twinhelm/v1/development/commits Commits, as `git log` writes them.
ingest chores /api/twinhelm/v1/development/chores Shell history or tickets as CSV.
predict predict:GET /v2 The Open Inference Protocol v2: which server this is.
predict predict:GET /v2/health/{state} Whether it lives, and whether all live models answer.
predict predict:GET /v2/models/{name} What a model takes and gives.
predict predict:GET /v2/models/{name}/ready Whether a model answers.
predict predict:POST /v2/models/{name}/infer Ask a model.
predict predict:GET /v2/models/{name}/versions/{version} What a version takes and gives.
predict predict:GET /v2/models/{name}/versions/{version}/ready Whether a version answers.
predict predict:POST /v2/models/{name}/versions/{version}/infer Ask a version that answers now.
predict predict:GET,POST /v2/{extension:path} Says which extensions of the protocol are not offered.
predict predict:GET /models/{name}/{question} MLflow's scoring protocol: ping, health, version.
predict predict:POST /models/{name}/invocations Ask a model, by MLflow's scoring protocol.
none GET /mlflow Leads a browser to the portfolio.
none GET /mlflow/ The same: the address of every page of MLflow's that its client prints.
build mlflow:GET,POST,PUT,PATCH,DELETE /mlflow/{path:path} MLflow's REST API and artifacts.
read GET,POST /api/v1/query Instant query for a plain selector.
read GET,POST /api/v1/query_range Range query for a plain selector.
read GET,POST /api/v1/series The series that match.
read GET,POST /api/v1/labels The label names in use.
read GET /api/v1/label/{name}/values The values of one label.
read GET /api/v1/metadata What metric families say of themselves.
read GET /api/v1/status/buildinfo The version, as Grafana asks for it.
read GET,POST /api/v1/query_exemplars Always empty: exemplars are not kept.
read GET /api/v1/rules Always empty: there are no recording or alerting rules.
read GET /api/v1/alerts Incidents that last, in the form of Prometheus's alerts.
read GET /api/twinhelm/openapi.json This API, described for machines.
read GET /api/twinhelm/v1/status How twinhelm is: readiness, store, watch, incidents by state.
read GET /api/twinhelm/v1/incidents Incidents, newest first.
read GET /api/twinhelm/v1/incidents/{incident_id} One incident with all that is known of it.
read GET /api/twinhelm/v1/series Find series.
read GET /api/twinhelm/v1/series/{series_id} One series: samples, and the range expected of them.
read GET /api/twinhelm/v1/logs Log records.
read GET /api/twinhelm/v1/spans Trace spans.
read GET /api/twinhelm/v1/changes What was done to the systems.
read GET /api/twinhelm/v1/rejections Telemetry that was not kept, and why.
read GET /api/twinhelm/v1/forecasts What will run out next.
read GET /api/twinhelm/v1/decisions Why something was, or was not, made an incident.
read GET /api/twinhelm/v1/journal What happened and who did it.
read GET /api/twinhelm/v1/journal/verification Whether the journal is whole.
read GET /api/twinhelm/v1/config Every setting and its value, secrets struck out.
read GET /api/twinhelm/v1/feedback What people answered, and what each answer changes.
read GET /api/twinhelm/v1/feedback/question The next question, whose answer would teach most.
read GET /api/twinhelm/v1/feedback/lessons What is in force and in shadow, tried on history.
read GET /api/twinhelm/v1/jobs Back-fills, imports and backups, and how far they are.
read GET /api/twinhelm/v1/advice What to automate next, the best first.
operate POST /api/twinhelm/v1/advice Look for toil now, which else happens every hour.
operate POST /api/twinhelm/v1/advice/{key}/dismissal Silence a piece of advice, for a reason.
operate DELETE /api/twinhelm/v1/advice/{key}/dismissal Hear of it again.
read GET /api/twinhelm/v1/assessments The guided assessments that were kept.
read GET /api/twinhelm/v1/assessments/begun The assessment, answered by evidence alone.
remark POST /api/twinhelm/v1/assessments Keep an assessment.
read GET /api/twinhelm/v1/products Model products, twinhelm's own algorithms too.
read GET /api/twinhelm/v1/products/{name} One product: who answers for it, its health, remarks.
read GET /api/twinhelm/v1/products/{name}/versions Its versions.
read GET /api/twinhelm/v1/products/{name}/versions/{version} One version: validation, requests.
read GET /api/twinhelm/v1/products/{name}/versions/{version}/card The model card, in Markdown.
read GET /api/twinhelm/v1/products/{name}/versions/{version}/bom The bill of materials, CycloneDX.
read GET /api/twinhelm/v1/products/{name}/versions/{version}/evidence Packs made of it.
read GET /api/twinhelm/v1/products/{name}/versions/{version}/evidence/{file} One form of a pack.
read GET /api/twinhelm/v1/products/{name}/compare Two versions side by side.
read GET /api/twinhelm/v1/products/{name}/readiness How ready it is, and the next best step.
read GET /api/twinhelm/v1/products/{name}/lineage What came of what, from data to deployment.
read GET /api/twinhelm/v1/products/{name}/builds What was built, and how that went.
read GET /api/twinhelm/v1/products/{name}/builds/{number}/log What a build wrote.
read GET /api/twinhelm/v1/products/{name}/deployment Who answers its requests; its rollouts.
read GET /api/twinhelm/v1/products/{name}/health Drift, performance, quality and fairness.
read GET /api/twinhelm/v1/approvals Requests to go live that wait for an answer.
read GET /api/twinhelm/v1/live What was live at a time, and who let it.
read GET /api/twinhelm/v1/runbooks The runbooks in use, and how far each goes by itself.
read GET /api/twinhelm/v1/runbooks/{name} One runbook: its text, versions and repairs.
read POST /api/twinhelm/v1/runbooks/check What is wrong with a runbook, by line and column.
read POST /api/twinhelm/v1/runbooks/backtest On which past incidents a runbook would have run.
read POST /api/twinhelm/v1/runbooks/{name}/dry-run Exactly what a run would do, and if it may.
read GET /api/twinhelm/v1/incidents/{incident_id}/runbooks Which runbooks are for it, and why not.
read GET /api/twinhelm/v1/repairs Repairs, the newest first.
read GET /api/twinhelm/v1/repairs/{repair_id} One repair: plan, answers, steps, what was verified.
read GET /api/twinhelm/v1/stop Whether the stop switch is pulled.
read GET /api/twinhelm/v1/automation The policy of repairs, and how they stand.
read GET /api/twinhelm/v1/inventory Every model, for a register of AI systems.
read GET /api/twinhelm/v1/catalogues Catalogues of controls that evidence is packed for.
operate POST /api/twinhelm/v1/runbooks Take a runbook, or a new version of one.
operate DELETE /api/twinhelm/v1/runbooks/{name} Let a runbook of the API be used no more.
approve POST /api/twinhelm/v1/runbooks/{name}/level How far a runbook may go by itself at most.
operate POST /api/twinhelm/v1/runbooks/{name}/run Ask for a repair.
approve POST /api/twinhelm/v1/repairs/{repair_id}/answer Agree that a repair begin, or refuse.
operate POST /api/twinhelm/v1/repairs/{repair_id}/stop End a repair, or a request for one.
operate POST /api/twinhelm/v1/repairs/{repair_id}/undo Take back what a stopped repair did.
remark POST /api/twinhelm/v1/stop Halt every repair now.
approve POST /api/twinhelm/v1/stop/release Let repairs begin again.
build POST /api/twinhelm/v1/products Take a product file.
build POST /api/twinhelm/v1/products/{name}/retire Let a product answer no more, or take it up.
approve POST /api/twinhelm/v1/products/{name}/hold Begin or end a legal hold.
remark POST /api/twinhelm/v1/products/{name}/remarks Say something about a product.
remark PUT /api/twinhelm/v1/products/{name}/watch Be told of what happens to a product.
build POST /api/twinhelm/v1/products/{name}/builds Begin a build.
build POST /api/twinhelm/v1/products/{name}/builds/{number}/again Build again with the same inputs.
remark POST /api/twinhelm/v1/products/{name}/versions/{version}/evidence Make an evidence pack.
build POST /api/twinhelm/v1/products/{name}/versions/{version}/validate Measure a version.
build POST /api/twinhelm/v1/products/{name}/versions/{version}/promote Ask that it go live.
build POST /api/twinhelm/v1/products/{name}/versions/{version}/export Write it, to serve elsewhere.
build POST /api/twinhelm/v1/products/{name}/builds/{number}/cancel End a build that is under way.
rollback POST /api/twinhelm/v1/products/{name}/deployment/rollback Back to the champion before.
rollback POST /api/twinhelm/v1/products/{name}/deployment/stop End the rollout that is under way.
rollback POST /api/twinhelm/v1/products/{name}/deployment/route Split the traffic by hand.
build POST /api/twinhelm/v1/products/{name}/score Answer a whole file on this machine.
predict POST /api/twinhelm/v1/products/{name}/labels Tell what answered rows turned out to be.
approve POST /api/twinhelm/v1/approvals Agree that a version go live, or refuse.
operate POST /api/twinhelm/v1/incidents/{incident_id}/acknowledge Take an incident.
operate POST /api/twinhelm/v1/incidents/{incident_id}/resolve Close an incident.
operate POST /api/twinhelm/v1/incidents/{incident_id}/comments Add a remark to an incident.
operate POST /api/twinhelm/v1/feedback Call something right or wrong.
operate POST /api/twinhelm/v1/feedback/{answer_id}/undo Take an answer back, with all it taught.
operate POST /api/twinhelm/v1/feedback/lessons Put in force what the answers of a kind teach.
read GET /api/twinhelm/v1/on-call Who is on call now and next; how each receiver fares.
read GET /api/twinhelm/v1/notices Messages, and each try to send them.
operate POST /api/twinhelm/v1/notices/test Send a test message by a channel.
read GET /api/twinhelm/v1/alert-quality How good the incidents of a range were, and what to mend.
read GET /api/twinhelm/v1/maintenance Windows in which trouble is expected.
operate POST /api/twinhelm/v1/maintenance Plan a window.
operate DELETE /api/twinhelm/v1/maintenance/{window} End a window.
operate POST /api/twinhelm/v1/backfills Read history from a Prometheus-compatible API.
operate DELETE /api/twinhelm/v1/jobs/{run_id} Cancel a back-fill or an import.
admin POST /api/twinhelm/v1/clock Move the clock of a driven server, judging what falls between.
build POST /api/twinhelm/v1/mlflow-imports Copy runs and models of another MLflow server.
admin POST /api/twinhelm/v1/imports Read a CSV or Parquet file that lies on this machine.
admin POST /api/twinhelm/v1/backups Write a complete copy into an empty directory.
admin GET /api/twinhelm/v1/people Who can sign in, with which roles.
admin POST /api/twinhelm/v1/people Add a person.
admin PUT /api/twinhelm/v1/people/{name}/roles Change a person's roles.
admin DELETE /api/twinhelm/v1/people/{name} Remove a person, their sessions and tokens.
admin GET /api/twinhelm/v1/tokens Tokens, without their secrets.
admin POST /api/twinhelm/v1/tokens Make a token; its secret is shown this once.
admin DELETE /api/twinhelm/v1/tokens/{name} Revoke a token.
read GET / The overview: is all well, what needs me, this host live.
read GET /tour The guided story: a small shop beside twinhelm breaks and is repaired.
read GET /incidents Incidents, by state.
read GET /incidents/{incident_id} One incident: why, where, what changed, what to do.
read GET /repairs Repairs, what waits for people first.
read GET /repairs/{repair_id} One repair: its plan, who agreed, its steps, what was verified.
read GET /runbooks Runbooks, how far each goes by itself, and the policy.
read GET /runbooks/_new The editor of runbooks.
read GET /runbooks/{name} One runbook: its text, versions, dry run and back-test.
read GET /series Charts of any series, with the range expected of it.
read GET /logs Log lines, searched or followed live.
read GET /traces Recent traces, and one of them as a tree.
read GET /capacity What runs out next, and when.
read GET /on-call Who is on call, when trouble is expected, what is told to whom.
read GET /alert-quality How good the alerts of a range were, and what would mend them.
read GET /feedback What people answered, what that changed, and how to undo it.
read GET /products Every model product: stage, health, owner, next step.
read GET /products/{name} One product: traffic, versions, builds, health, evidence, talk, journal.
read GET /products/{name}/versions/{version} One version: facts, checks, curves, approvals, card.
read GET /products/{name}/compare Two versions side by side.
read GET /approvals Requests to go live, with the evidence beside the buttons.
read GET /advise What to automate next, with evidence, drafts and what they would have done.
read GET /advise/assessment Where the team stands: questions, answered as far as facts go.
read GET /audit The journal, and whether it is whole.
read GET /audit/live What was live at a time, since when, who asked, who approved and why.
read GET /rejected Telemetry that was not kept, why, and what to do.
read GET /settings Settings, the store's health, people and tokens.
read GET /connect How to send telemetry here, with this server's own address.
read GET /favicon.ico The icon that browsers ask for.
read GET /_nicegui/{file:path} Scripts and styles of the pages.
read WEBSOCKET /_nicegui_ws/{socket:path} What keeps open pages true.
"""


def _read(table: str) -> Iterable[Route]:
    """Read lines: right; methods or, for doors, protocol and methods; path; summary."""
    for line in table.strip().splitlines():
        right, how, path, summary = line.split(maxsplit=3)
        telemetry = right == Right.INGEST.value
        door, _, methods = (f"{how}:POST" if telemetry else how).rpartition(":")
        for method in methods.split(","):
            yield Route(method, path, None if right == "none" else Right(right), summary, door)


ROUTES: tuple[Route, ...] = tuple(_read(TABLE))
"""All rows."""


class RouteTable:
    """Looks a request's row up: whole paths by dictionary, patterns in order."""

    def __init__(self, rows: Iterable[Route]) -> None:
        self._exact: dict[tuple[str, str], Route] = {}
        self._patterns: list[tuple[re.Pattern[str], Route]] = []
        for row in rows:
            if "{" in row.path:
                self._patterns.append((_compile(row.path), row))
            else:
                self._exact[row.method, row.path] = row

    def find(self, method: str, path: str) -> Route | None:
        """Return the row for a request, or None; HEAD is where GET is."""
        method = "GET" if method == "HEAD" else method
        return self._exact.get((method, path)) or next(
            (row for row in self._fitting(path) if row.method == method), None
        )

    def methods(self, path: str) -> list[str]:
        """List the methods that a path takes, for an answer 405; empty where it has no row."""
        found = {method for method, known in self._exact if known == path}
        return sorted({*found, *(row.method for row in self._fitting(path))} - {SOCKET})

    def _fitting(self, path: str) -> Iterable[Route]:
        return (row for pattern, row in self._patterns if pattern.fullmatch(path))


def _compile(path: str) -> re.Pattern[str]:
    """Make a pattern of ``{name}`` for one segment and ``{name:path}`` for the rest."""
    rest = re.sub(r"\\{[a-z_]+:path\\}", ".*", re.escape(path))
    return re.compile(re.sub(r"\\{[a-z_]+\\}", "[^/]+", rest))
