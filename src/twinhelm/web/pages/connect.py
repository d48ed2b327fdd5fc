"""How to send telemetry here: exact snippets, with this server's own address in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twinhelm.core.labels import DEFAULT_TENANT
from twinhelm.web.pages.elements import Node, copier
from twinhelm.web.pages.frame import framed, title_row
from twinhelm.web.pages.sheet import Sheet

__all__ = ["Way", "connect", "ways"]


@dataclass(frozen=True, slots=True)
class Way:
    """One way in: an anchor, a title, what it brings, and what to write where."""

    anchor: str
    title: str
    says: str
    snippet: str


async def connect(sheet: Sheet) -> None:
    """Build the page."""
    base = str(sheet.request.base_url).rstrip("/")
    with framed(sheet):
        title_row("Connect", "Change nothing but an address in what you already run")
        open_doors = sheet.visitor.asker.trusted
        Node(
            "p",
            "Programs on this machine may send without a token."
            if open_doors
            else "Put a token made under Settings and health where TOKEN stands.",
            "muted prose",
        )
        with Node("div", classes="twos"):
            for way in ways(base, token=not open_doors):
                with Node("section", classes="card", id=way.anchor):
                    with Node("div", classes="card-head"):
                        Node("h2", way.title)
                        copier(way.snippet).set(aria_label=f"Copy the snippet for {way.title}")
                    Node("p", way.says, "muted prose", style="margin-bottom:8px")
                    Node("pre", way.snippet, "snippet", tabindex="0")
        Node(
            "p",
            f"Several teams? Send the header X-Scope-OrgID; without it all is of the tenant "
            f"{DEFAULT_TENANT!r}.",
            "muted prose",
        )


def ways(base: str, *, token: bool) -> Iterator[Way]:
    """List the ways in for a server at ``base``; with ``token`` each shows where it goes."""
    bearer = "\n    authorization:\n      credentials: TOKEN" if token else ""
    yield Way(
        "prometheus",
        "Prometheus, Mimir agent, VictoriaMetrics agent",
        "Remote write 1.0 or 2.0, in prometheus.yml.",
        f"remote_write:\n  - url: {base}/api/v1/write{bearer}",
    )
    header = "" if not token else '\nOTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer TOKEN"'
    yield Way(
        "opentelemetry",
        "OpenTelemetry SDK or Collector",
        "Metrics, logs and traces by OTLP over HTTP; in the program's environment.",
        f"OTEL_EXPORTER_OTLP_ENDPOINT={base}\nOTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf{header}",
    )
    deep = "\n        http_config:\n          authorization:\n            credentials: TOKEN"
    yield Way(
        "alerts",
        "Alertmanager",
        "Its alerts join the incidents they belong to; in alertmanager.yml.",
        f"receivers:\n  - name: twinhelm\n    webhook_configs:\n"
        f"      - url: {base}/api/webhooks/alertmanager{deep if token else ''}",
    )
    promtail = "\n    bearer_token: TOKEN" if token else ""
    yield Way(
        "logs",
        "Promtail, Alloy, Fluent Bit (Loki push)",
        "Log streams with their labels; in promtail.yml.",
        f"clients:\n  - url: {base}/loki/api/v1/push{promtail}",
    )
    curl = " \\\n  -H 'Authorization: Bearer TOKEN'" if token else ""
    yield Way(
        "changes",
        "Deploys and other changes",
        "A CloudEvent at the end of the pipeline: what changed is shown beside what broke.",
        f"curl {base}/api/events{curl} \\\n  -H 'ce-specversion: 1.0' -H \"ce-id: $CI_RUN_ID\" "
        "\\\n  -H 'ce-source: ci' -H 'ce-type: dev.cdevents.service.deployed.0.1.1' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        '  -d \'{"service": "checkout", "title": "checkout 1.4"}\'',
    )
    yield Way(
        "history",
        "History from an existing Prometheus",
        "A back-fill teaches what is usual from the past, so that the range stands at once.",
        f"twinhelm backfill http://prometheus:9090 --days 14 --server {base}",
    )
    basic = "" if not token else "\n    jsonData: { httpHeaderName1: Authorization }"
    secret = "" if not token else "\n    secureJsonData: { httpHeaderValue1: Bearer TOKEN }"
    yield Way(
        "grafana",
        "Grafana",
        "A data source of the Prometheus kind; plain selectors are answered.",
        f"apiVersion: 1\ndatasources:\n  - name: twinhelm\n    type: prometheus\n"
        f"    url: {base}{basic}{secret}",
    )
    yield Way(
        "cli",
        "The command line",
        "What this page shows, in a terminal; every command takes --json.",
        f"twinhelm status --server {base}\ntwinhelm incidents --server {base}",
    )
