"""Every route of the server, what it needs, and what it is for: the table that the guard obeys.

A request whose method and path stand in no row is answered 404 before any handler sees it, so a
handler that somebody forgot to list is closed, not open. ``docs/routes.md`` and the tests read
the same table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from twinhelm.core.roles import Right

__all__ = ["ROUTES", "SOCKET", "Route", "RouteTable"]

SOCKET = "WEBSOCKET"
"""The method that stands for opening a websocket."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    ``path`` may hold ``{name}`` for one segment and, at its end, ``{name:path}`` for the rest.
    ``right`` is what the asker needs; None lets everybody in. ``door`` marks a telemetry door.
    ``form`` marks a form page that checks the form token in its own body. ``changes`` says
    whether it changes state (telemetry apart), which a browser session must prove by a token.
    """

    method: str
    path: str
    right: Right | None
    summary: str
    door: bool = False
    form: bool = False

    @property
    def changes(self) -> bool:
        """Tell whether a request here changes state that belongs to people."""
        return self.method not in {"GET", SOCKET} and self.right not in {None, Right.READ}


def _doors(*rows: tuple[str, str]) -> tuple[Route, ...]:
    return tuple(Route("POST", path, Right.INGEST, summary, door=True) for path, summary in rows)


def _prometheus(*rows: tuple[str, str, bool]) -> tuple[Route, ...]:
    return tuple(
        Route(method, f"/api/v1/{path}", Right.READ, summary)
        for path, summary, form in rows
        for method in (("GET", "POST") if form else ("GET",))
    )


def _api(right: Right, *rows: tuple[str, str, str]) -> tuple[Route, ...]:
    return tuple(
        Route(method, f"/api/twinhelm/v1/{path}", right, summary) for method, path, summary in rows
    )


def _pages(*rows: tuple[str, str]) -> tuple[Route, ...]:
    return tuple(Route("GET", path, Right.READ, summary) for path, summary in rows)


ROUTES: tuple[Route, ...] = (
    Route("GET", "/-/healthy", None, "Answers 200 as soon as the server listens."),
    Route("GET", "/-/ready", None, "Answers 200 once telemetry is taken and judged."),
    Route("GET", "/metrics", Right.READ, "twinhelm's own measurements, for Prometheus."),
    Route("GET", "/sign-in", None, "The page to sign in on."),
    Route("POST", "/sign-in", None, "Sign in with a name and password.", form=True),
    Route("GET", "/sign-in/first", None, "The page that the first-run link opens."),
    Route("POST", "/sign-in/first", None, "Redeem the first-run link, once.", form=True),
    Route("POST", "/sign-out", None, "End this browser's session.", form=True),
    *_doors(
        ("/api/v1/write", "Prometheus remote write 1.0 and 2.0."),
        ("/api/v1/push", "Prometheus remote write, by the path that Mimir uses."),
        ("/v1/metrics", "OTLP/HTTP metrics."),
        ("/v1/traces", "OTLP/HTTP traces."),
        ("/v1/logs", "OTLP/HTTP logs."),
        ("/api/v1/otlp/v1/metrics", "OTLP/HTTP metrics, by the path that Prometheus uses."),
        ("/otlp/v1/logs", "OTLP/HTTP logs, by the path that Loki uses."),
        ("/loki/api/v1/push", "Loki push, JSON or Snappy protobuf."),
        ("/api/prom/push", "Loki push, by its old path."),
        ("/api/v2/alerts", "Alerts as Prometheus and vmalert send them to Alertmanager."),
        ("/api/webhooks/alertmanager", "Alertmanager's webhook, version 4."),
        ("/api/events", "CloudEvents for changes: binary, structured or batch."),
        ("/api/v1/lineage", "OpenLineage events for pipeline runs."),
    ),
    *_prometheus(
        ("query", "Instant query for a plain selector.", True),
        ("query_range", "Range query for a plain selector.", True),
        ("series", "The series that match.", True),
        ("labels", "The label names in use.", True),
        ("label/{name}/values", "The values of one label.", False),
        ("metadata", "What metric families say of themselves.", False),
        ("status/buildinfo", "The version, as Grafana asks for it.", False),
        ("query_exemplars", "Always empty: exemplars are not kept.", True),
        ("rules", "Always empty: there are no recording or alerting rules.", False),
        ("alerts", "Incidents that last, in the form of Prometheus's alerts.", False),
    ),
    Route("GET", "/api/twinhelm/openapi.json", Right.READ, "This API, described for machines."),
    *_api(
        Right.READ,
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
    *_api(
        Right.OPERATE,
        ("POST", "incidents/{incident_id}/acknowledge", "Take an incident."),
        ("POST", "incidents/{incident_id}/resolve", "Close an incident."),
        ("POST", "incidents/{incident_id}/comments", "Add a remark to an incident."),
        ("POST", "backfills", "Read history from a Prometheus-compatible API."),
    ),
    *_api(
        Right.ADMIN,
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
    *_pages(
        ("/", "The overview: is all well, what needs me, this host live."),
        ("/incidents", "Incidents, by state."),
        ("/incidents/{incident_id}", "One incident: why, where, what changed, what to do."),
        ("/series", "Charts of any series, with the range expected of it."),
        ("/logs", "Log lines, searched or followed live."),
        ("/traces", "Recent traces, and one of them as a tree."),
        ("/capacity", "What runs out next, and when."),
        ("/products", "Products and their versions."),
        ("/audit", "The journal, and whether it is whole."),
        ("/rejected", "Telemetry that was not kept, why, and what to do."),
        ("/settings", "Settings, the store's health, people and tokens."),
        ("/connect", "How to send telemetry here, with this server's own address."),
    ),
    Route("GET", "/favicon.ico", Right.READ, "The icon that browsers ask for."),
    Route("GET", "/_nicegui/{file:path}", Right.READ, "Scripts and styles of the pages."),
    Route(SOCKET, "/_nicegui_ws/{socket:path}", Right.READ, "What keeps open pages true."),
)
"""All rows."""


@dataclass(slots=True)
class RouteTable:
    """Looks a request's row up: whole paths by dictionary, patterns in order."""

    rows: Iterable[Route]
    _exact: dict[tuple[str, str], Route] = field(default_factory=dict)
    _patterns: list[tuple[re.Pattern[str], str, Route]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Compile the rows."""
        for row in self.rows:
            if "{" in row.path:
                self._patterns.append((_compile(row.path), row.method, row))
            else:
                self._exact[row.method, row.path] = row

    def find(self, method: str, path: str) -> Route | None:
        """Return the row for a request, or None; HEAD is where GET is."""
        if method == "HEAD":
            method = "GET"
        row = self._exact.get((method, path))
        if row is not None:
            return row
        for pattern, wanted, candidate in self._patterns:
            if wanted == method and pattern.fullmatch(path):
                return candidate
        return None

    def methods(self, path: str) -> list[str]:
        """List the methods that a path takes, for an answer 405; empty where it has no row."""
        found = {method for method, known in self._exact if known == path}
        found |= {wanted for pattern, wanted, _ in self._patterns if pattern.fullmatch(path)}
        return sorted(found - {SOCKET})


def _compile(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[a-z_]+(?::path)?\})", path)
    return re.compile(
        "".join(
            re.escape(part) if not part.startswith("{") else ".*" if ":path" in part else "[^/]+"
            for part in parts
        )
    )
