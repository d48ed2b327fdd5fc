"""Which faults lie in what a service asks of others? Slow, failing or gone, and the way between."""

from __future__ import annotations

from twinhelm.lab.faults.causes import defect, expiry, loss, outage
from twinhelm.lab.words import Fault, Symptom, Truth

__all__ = ["DEPENDENCIES"]

DEPENDENCIES = (
    Fault(
        "dependency_slow",
        "payments needs 1.5 s more for each charge",
        "Make payments quick again",
        Truth("payments", indicator="latency"),
        Symptom("span", {"service": "payments", "kind": "server"}, "spans_mean_s", above=1.0),
        *defect("payments", "slow", ms=1500.0, route="/charges"),
    ),
    Fault(
        "dependency_failing",
        "shipping fails every other request for a quote",
        "Let shipping answer again",
        Truth("shipping", indicator="errors"),
        Symptom("http_requests_total", {"job": "shipping", "code": "500"}, "rate", above=0.0),
        *defect("shipping", "fail", ratio=0.5, route="/quotes"),
    ),
    Fault(
        "dependency_down",
        "inventory dies, and nobody can order",
        "Start inventory again",
        Truth("inventory", indicator="errors"),
        Symptom("up", {"job": "inventory"}, "value", below=0.5),
        *outage("inventory"),
    ),
    Fault(
        "edge_loss",
        "A fifth of the packets from checkout to inventory is lost, the rest is half a second late",
        "Repair the line",
        Truth("inventory", also=("checkout",), indicator="latency"),
        Symptom(
            "span",
            {"service": "checkout", "kind": "server", "operation": "POST /orders"},
            "spans_mean_s",
            above=0.45,
        ),
        *loss(delay_ms=500.0, share=0.2),
    ),
    Fault(
        "expired_certificate",
        "The certificate of payments is past its last day",
        "Renew the certificate",
        Truth("payments", also=("checkout",), indicator="errors"),
        Symptom("log", {"service": "checkout"}, "lines", above=0.0, text="certificate has expired"),
        *expiry(),
    ),
)
