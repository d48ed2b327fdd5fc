"""Every route of the server, what it needs, and what it is for: the table that the guard obeys.

A request whose method and path stand in no row is answered 404 before any handler sees it, so a
handler that somebody forgot to list is closed, not open. ``docs/routes.md`` and the tests read
the same table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from twinhelm.core.roles import Right

__all__ = ["ROUTES", "SOCKET", "Route", "RouteTable"]

SOCKET = "WEBSOCKET"
"""The method that stands for opening a websocket."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    ``path`` may hold ``{name}`` for one segment and, at its end, ``{name:path}`` for the rest.
    ``right`` is what the asker needs; None lets everybody in. ``door`` names the protocol of a
    telemetry door. ``form`` marks a form page that checks the form token in its own body.
    """

    method: str
    path: str
    right: Right | None
    summary: str
    door: str = ""
    form: bool = False

    @property
    def changes(self) -> bool:
        """Tell whether it changes people's state, which a session must prove by a token."""
        return self.method not in {"GET", SOCKET} and self.right not in {None, Right.READ}


def _rows(
    right: Right, prefix: str, *rows: tuple[str, str, str], door: bool = False
) -> tuple[Route, ...]:
    """Make rows of (methods or, for doors, protocol; path; summary)."""
    return tuple(
        Route(method, prefix + path, right, summary, first if door else "")
        for first, path, summary in rows
        for method in (("POST",) if door else first.split())
    )


ROUTES: tuple[Route, ...] = (
    Route("GET", "/-/healthy", None, "Answers 200 as soon as the server listens."),
    Route("GET", "/-/ready", None, "Answers 200 once telemetry is taken and judged."),
    Route("GET", "/metrics", Right.READ, "twinhelm's own measurements, for Prometheus."),
    Route("GET", "/sign-in", None, "The page to sign in on."),
    Route("POST", "/sign-in", None, "Sign in with a name and password.", form=True),
    Route("GET", "/sign-in/first", None, "The page that the first-run link opens."),
    Route("POST", "/sign-in/first", None, "Redeem the first-run link, once.", form=True),
    Route("POST", "/sign-out", None, "End this browser's session.", form=True),
    *_rows(
        Right.INGEST,
        "",
        ("remote_write", "/api/v1/write", "Prometheus remote write 1.0 and 2.0."),
        ("remote_write", "/api/v1/push", "Prometheus remote write, by the path that Mimir uses."),
        ("otlp_metrics", "/v1/metrics", "OTLP/HTTP metrics."),
        ("otlp_traces", "/v1/traces", "OTLP/HTTP traces."),
        ("otlp_logs", "/v1/logs", "OTLP/HTTP logs."),
        (
            "otlp_metrics",
            "/api/v1/otlp/v1/metrics",
            "OTLP/HTTP metrics, by the path that Prometheus uses.",
        ),
        ("otlp_logs", "/otlp/v1/logs", "OTLP/HTTP logs, by the path that Loki uses."),
        ("loki", "/loki/api/v1/push", "Loki push, JSON or Snappy protobuf."),
        ("loki", "/api/prom/push", "Loki push, by its old path."),
        (
            "alertmanager_api",
            "/api/v2/alerts",
            "Alerts as Prometheus and vmalert send them to Alertmanager.",
        ),
        (
            "alertmanager_webhook",
            "/api/webhooks/alertmanager",
            "Alertmanager's webhook, version 4.",
        ),
        ("cloudevents", "/api/events", "CloudEvents for changes: binary, structured or batch."),
        ("openlineage", "/api/v1/lineage", "OpenLineage events for pipeline runs."),
        door=True,
    ),
    *_rows(
        Right.READ,
        "/api/v1/",
        ("GET POST", "query", "Instant query for a plain selector."),
        ("GET POST", "query_range", "Range query for a plain selector."),
        ("GET POST", "series", "The series that match."),
        ("GET POST", "labels", "The label names in use."),
        ("GET", "label/{name}/values", "The values of one label."),
        ("GET", "metadata", "What metric families say of themselves."),
        ("GET", "status/buildinfo", "The version, as Grafana asks for it."),
        ("GET POST", "query_exemplars", "Always empty: exemplars are not kept."),
        ("GET", "rules", "Always empty: there are no recording or alerting rules."),
        ("GET", "alerts", "Incidents that last, in the form of Prometheus's alerts."),
    ),
    Route("GET", "/api/twinhelm/openapi.json", Right.READ, "This API, described for machines."),
    *_rows(
        Right.READ,
        "/api/twinhelm/v1/",
        ("GET", "status", "How twinhelm is: readiness, store, watch, incidents by state."),
        ("GET", "incidents", "Incidents, newest first."),
        ("GET", "incidents/{incident_id}", "One incident with all that is known of it."),
        ("GET", "series", "Find series."),
        ("GET", "series/{series_id}", "One series: samples, and the range expected of them."),
        ("GET", "logs", "Log records."),
        ("GET", "spans", "Trace spans."),
        ("GET", "changes", "What was done to the systems."),
        ("GET", "rejections", "Telemetry that was not kept, and why."),
        ("GET", "forecasts", "What will run out next."),
        ("GET", "decisions", "Why something was, or was not, made an incident."),
        ("GET", "journal", "What happened and who did it."),
        ("GET", "journal/verification", "Whether the journal is whole."),
        ("GET", "config", "Every setting and its value, secrets struck out."),
        ("GET", "jobs", "Back-fills, imports and backups, and how far they are."),
    ),
    *_rows(
        Right.OPERATE,
        "/api/twinhelm/v1/",
        ("POST", "incidents/{incident_id}/acknowledge", "Take an incident."),
        ("POST", "incidents/{incident_id}/resolve", "Close an incident."),
        ("POST", "incidents/{incident_id}/comments", "Add a remark to an incident."),
        ("POST", "backfills", "Read history from a Prometheus-compatible API."),
    ),
    *_rows(
        Right.ADMIN,
        "/api/twinhelm/v1/",
        ("POST", "imports", "Read a CSV or Parquet file that lies on this machine."),
        ("POST", "backups", "Write a complete copy into an empty directory."),
        ("GET", "people", "Who can sign in, with which roles."),
        ("POST", "people", "Add a person."),
        ("PUT", "people/{name}/roles", "Change a person's roles."),
        ("DELETE", "people/{name}", "Remove a person, their sessions and tokens."),
        ("GET", "tokens", "Tokens, without their secrets."),
        ("POST", "tokens", "Make a token; its secret is shown this once."),
        ("DELETE", "tokens/{name}", "Revoke a token."),
    ),
    *_rows(
        Right.READ,
        "/",
        ("GET", "", "The overview: is all well, what needs me, this host live."),
        ("GET", "incidents", "Incidents, by state."),
        ("GET", "incidents/{incident_id}", "One incident: why, where, what changed, what to do."),
        ("GET", "series", "Charts of any series, with the range expected of it."),
        ("GET", "logs", "Log lines, searched or followed live."),
        ("GET", "traces", "Recent traces, and one of them as a tree."),
        ("GET", "capacity", "What runs out next, and when."),
        ("GET", "products", "Products and their versions."),
        ("GET", "audit", "The journal, and whether it is whole."),
        ("GET", "rejected", "Telemetry that was not kept, why, and what to do."),
        ("GET", "settings", "Settings, the store's health, people and tokens."),
        ("GET", "connect", "How to send telemetry here, with this server's own address."),
    ),
    Route("GET", "/favicon.ico", Right.READ, "The icon that browsers ask for."),
    Route("GET", "/_nicegui/{file:path}", Right.READ, "Scripts and styles of the pages."),
    Route(SOCKET, "/_nicegui_ws/{socket:path}", Right.READ, "What keeps open pages true."),
)
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
