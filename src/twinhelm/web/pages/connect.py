"""How to send telemetry here: exact snippets, with this server's own address in them."""

from typing import NamedTuple

from twinhelm.core.labels import DEFAULT_TENANT
from twinhelm.web.pages.elements import Node, card_head, copier
from twinhelm.web.pages.frame import framed
from twinhelm.web.pages.sheet import Sheet

__all__ = ["connect"]


class _Way(NamedTuple):
    """One way in: an anchor, a title, what it brings, what to write where, how with a token."""

    anchor: str
    title: str
    says: str
    snippet: str
    token: str = ""


WAYS = (
    _Way(
        "prometheus",
        "Prometheus, Mimir agent, VictoriaMetrics agent",
        "Remote write 1.0 or 2.0, in prometheus.yml.",
        "remote_write:\n  - url: BASE/api/v1/writeAUTH",
        "\n    authorization:\n      credentials: TOKEN",
    ),
    _Way(
        "opentelemetry",
        "OpenTelemetry SDK or Collector",
        "Metrics, logs and traces by OTLP over HTTP; in the program's environment.",
        "OTEL_EXPORTER_OTLP_ENDPOINT=BASE\nOTEL_EXPORTER_OTLP_PROTOCOL=http/protobufAUTH",
        '\nOTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer TOKEN"',
    ),
    _Way(
        "alerts",
        "Alertmanager",
        "Its alerts join the incidents they belong to; in alertmanager.yml.",
        "receivers:\n  - name: twinhelm\n    webhook_configs:\n"
        "      - url: BASE/api/webhooks/alertmanagerAUTH",
        "\n        http_config:\n          authorization:\n            credentials: TOKEN",
    ),
    _Way(
        "logs",
        "Promtail, Alloy, Fluent Bit (Loki push)",
        "Log streams with their labels; in promtail.yml.",
        "clients:\n  - url: BASE/loki/api/v1/pushAUTH",
        "\n    bearer_token: TOKEN",
    ),
    _Way(
        "changes",
        "Deploys and other changes",
        "A CloudEvent at the end of the pipeline: what changed is shown beside what broke.",
        "curl BASE/api/eventsAUTH \\\n  -H 'ce-specversion: 1.0' -H \"ce-id: $CI_RUN_ID\" "
        "\\\n  -H 'ce-source: ci' -H 'ce-type: dev.cdevents.service.deployed.0.1.1' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        '  -d \'{"service": "checkout", "title": "checkout 1.4"}\'',
        " \\\n  -H 'Authorization: Bearer TOKEN'",
    ),
    _Way(
        "history",
        "History from an existing Prometheus",
        "A back-fill teaches what is usual from the past, so that the range stands at once.",
        "twinhelm backfill http://prometheus:9090 --days 14 --server BASE",
    ),
    _Way(
        "grafana",
        "Grafana",
        "A data source of the Prometheus kind; plain selectors are answered.",
        "apiVersion: 1\ndatasources:\n  - name: twinhelm\n    type: prometheus\n    url: BASEAUTH",
        "\n    jsonData: { httpHeaderName1: Authorization }"
        "\n    secureJsonData: { httpHeaderValue1: Bearer TOKEN }",
    ),
    _Way(
        "cli",
        "The command line",
        "What this page shows, in a terminal; every command takes --json.",
        "twinhelm status --server BASE\ntwinhelm incidents --server BASE",
    ),
)


async def connect(sheet: Sheet) -> None:
    """Build the page."""
    base = str(sheet.request.base_url).rstrip("/")
    trusted = sheet.visitor.asker.trusted
    with framed(sheet, "Connect", "Change nothing but an address in what you already run"):
        Node(
            "p",
            "Programs on this machine may send without a token."
            if trusted
            else "Put a token made under Settings and health where TOKEN stands.",
            "muted prose",
        )
        with Node("div", classes="twos"):
            for way in WAYS:
                whole = way.snippet.replace("AUTH", "" if trusted else way.token)
                snippet = whole.replace("BASE", base)
                with Node("section", classes="card", id=way.anchor):
                    with card_head(way.title):
                        copier(snippet).set(aria_label=f"Copy the snippet for {way.title}")
                    Node("p", way.says, "muted prose", style="margin-bottom:8px")
                    Node("pre", snippet, "snippet", tabindex="0")
        Node(
            "p",
            f"Several teams? Send the header X-Scope-OrgID; without it all is of the tenant "
            f"{DEFAULT_TENANT!r}.",
            "muted prose",
        )
