"""Which faults did somebody bring in? Releases, models, configurations, flags; all announced."""

from __future__ import annotations

from twinhelm.lab.faults.causes import configuration, flag, release
from twinhelm.lab.plan import LOOPBACK
from twinhelm.lab.words import Fault, Symptom, Truth

__all__ = ["CHANGES"]

NOBODY = f"http://{LOOPBACK}:9"
"""An address at which nothing listens."""

CHANGES = (
    Fault(
        "bad_deploy_errors",
        "checkout 2.1.0 fails the orders of customers with a gold card",
        "Roll back checkout to 2.0.3",
        Truth("checkout", indicator="errors", change="deploy"),
        Symptom("span", {"service": "checkout", "kind": "server"}, "spans_failed", above=0.05),
        *release("checkout", "2.1.0"),
    ),
    Fault(
        "bad_deploy_slow_search",
        "catalog 3.2.0 needs 0.4 s more, for searches only",
        "Roll back catalog to 3.1.4",
        Truth("catalog", indicator="latency", change="deploy"),
        Symptom(
            "http_request_duration_seconds",
            {"job": "catalog", "route": "/search"},
            "mean",
            above=0.3,
        ),
        *release("catalog", "3.2.0"),
    ),
    Fault(
        "wrong_configuration",
        "cart is told a wrong address of the cache",
        "Take back the configuration of cart",
        Truth("cart", indicator="errors", change="config"),
        Symptom("http_requests_total", {"job": "cart", "code": "503"}, "rate", above=0.0),
        *configuration("cart", "cache address of cart", lambda _: {"cache_url": NOBODY}),
    ),
    Fault(
        "feature_flag",
        "A flag makes the home page ask for recommendations twelve times",
        "Switch the flag off",
        Truth("gateway", indicator="latency", change="flag"),
        Symptom(
            "http_server_request_duration_seconds_count", {"job": "recommender"}, "rate", above=7.0
        ),
        *flag("gateway", "personalised_home", "Personalised home page"),
    ),
    Fault(
        "model_slow",
        "The new model of the recommender is larger and slow",
        "Roll back the model to 1.4.0",
        Truth("recommender", indicator="latency", change="model"),
        Symptom("span", {"service": "recommender", "kind": "server"}, "spans_mean_s", above=0.1),
        *release("recommender", "2.0.0", kind="model"),
    ),
)
