"""A simulated shop: what traces, processes, a database, a cache and a queue of it look like.

Every two seconds each service serves a Poisson number of requests; durations are means of
lognormal ones, errors binomial, so that rare services are as noisy as in life. What a service
waits for its callees is added up along the calls. Faults change the parameters; nothing here
knows what is being tested.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from twinhelm.core.entities import Edge

STEP_S = 2
CALLS: dict[tuple[str, str], float] = {
    ("gateway", "catalog"): 0.8,
    ("gateway", "recommender"): 0.35,
    ("gateway", "cart"): 0.2,
    ("gateway", "checkout"): 0.08,
    ("catalog", "shopdb"): 0.5,
    ("catalog", "cache"): 1.0,
    ("cart", "cache"): 1.5,
    ("checkout", "cart"): 1.0,
    ("checkout", "inventory"): 1.0,
    ("checkout", "payments"): 1.0,
    ("checkout", "shipping"): 1.0,
    ("checkout", "shopdb"): 2.0,
    ("checkout", "orders"): 1.0,
    ("inventory", "shopdb"): 2.0,
    ("orders", "worker"): 1.0,
    ("worker", "shipping"): 1.0,
    ("worker", "shopdb"): 1.0,
}
"""Calls per request of the caller, callees of callees last."""
SELF_S = {
    "gateway": 0.004, "catalog": 0.005, "recommender": 0.02, "cart": 0.003, "checkout": 0.012,
    "payments": 0.015, "shipping": 0.01, "inventory": 0.006, "worker": 0.01,
    "shopdb": 0.002, "cache": 0.0008, "orders": 0.002,
}  # fmt: skip
SERVICES = tuple(SELF_S)[:9]
ENTITIES = {
    **{name: f"service:shop/{name}" for name in SERVICES},
    "shopdb": "database:box/shopdb",
    "cache": "service:shop/cache",
    "orders": "queue:orders",
}


@dataclass
class State:
    """The parameters that a fault changes."""

    rate: float = 6.0
    extra_s: dict[str, float] = field(default_factory=dict)
    """Own time on top, by service."""
    fails: dict[str, float] = field(default_factory=dict)
    """Share of requests that a service fails of itself."""
    edge_s: dict[tuple[str, str], float] = field(default_factory=dict)
    edge_fails: dict[tuple[str, str], float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    """Cores used on top, by service."""
    rss_rate: dict[str, float] = field(default_factory=dict)
    fds_rate: dict[str, float] = field(default_factory=dict)
    pool: float | None = None
    """Connections of inventory's pool in use, where they are held."""
    down: set[str] = field(default_factory=set)
    neighbour: float = 0.0
    """Cores that somebody else uses on the host."""
    worker: float = 1.0
    """Share of messages that the worker gets done."""
    logs: dict[str, float] = field(default_factory=dict)
    drift: float = 0.0
    job: str = ""
    """What is wrong with the nightly job: failed, thin or late."""
    slow_all: float = 1.0


class Shop:
    """Makes samples; :meth:`step` returns ``{(name, labels): value}`` of one moment."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.state = State()
        self.cpu = dict.fromkeys((*SERVICES, "cache"), 0.0)
        self.rss = {name: 6e7 + 1e7 * self.rng.random() for name in (*SERVICES, "cache")}
        self.fds = dict.fromkeys((*SERVICES, "cache"), 30.0)
        self.host_cpu = 0.0
        self.backlog = 0.0
        self.oldest = 0.0
        self.ran_s, self.asleep_s = 0.0, 0.0
        self.inputs = 2.0

    def edges(self, now_ms: int) -> list[Edge]:
        """List who calls whom and what runs where."""
        made = [Edge(ENTITIES[a], ENTITIES[b], "calls", "traces", 1.0, now_ms) for a, b in CALLS]
        return made + [
            Edge(entity, "host:box", "runs_on", "labels", 0.9, now_ms)
            for name, entity in ENTITIES.items()
        ]

    def step(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Live for two seconds and say what was measured."""
        rng, state = self.rng, self.state
        out: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        jitter = state.slow_all * float(rng.lognormal(0, 0.1))
        counts: dict[str, int] = {"gateway": int(rng.poisson(state.rate * STEP_S))}
        edge_counts: dict[tuple[str, str], int] = {}
        for (a, b), per in CALLS.items():
            share = per * state.worker if b == "worker" else per
            n = int(rng.poisson(counts.get(a, 0) * share)) if a not in state.down else 0
            edge_counts[a, b] = n
            counts[b] = counts.get(b, 0) + n
        took: dict[str, float] = {}
        failed: dict[str, float] = {}
        for name in reversed(
            (
                "gateway",
                "catalog",
                "recommender",
                "checkout",
                "cart",
                "inventory",
                "orders",
                "worker",
                "payments",
                "shipping",
                "shopdb",
                "cache",
            )
        ):
            self._serve(name, counts.get(name, 0), edge_counts, took, failed, jitter, out)
        self._processes(counts, out)
        self._job(out)
        return {key: value for key, value in out.items() if np.isfinite(value)}

    def _mean(self, mean: float, n: int) -> float:
        """Draw the mean of ``n`` lognormal durations."""
        if n <= 0:
            return float("nan")
        return float(mean * self.rng.lognormal(0, 0.6, min(n, 50)).mean() / np.exp(0.18))

    def _serve(self, name, n, edge_counts, took, failed, jitter, out) -> None:
        state, rng = self.state, self.rng
        own = (SELF_S[name] + state.extra_s.get(name, 0.0)) * jitter
        own *= 1.0 + 2.0 * state.cpu.get(name, 0.0)
        itself = self._mean(own, n)
        waits, fails = 0.0, state.fails.get(name, 0.0)
        for (a, b), per in CALLS.items():
            if a != name:
                continue
            k = edge_counts[a, b]
            gone = b in state.down
            each = (0.5 if gone else took[b]) + 0.0006 * jitter + state.edge_s.get((a, b), 0.0)
            each *= 1.0 + 0.5 * state.cpu.get(a, 0.0)
            bad = min(failed[b] + state.edge_fails.get((a, b), 0.0) + gone, 1.0)
            labels = (("client", ENTITIES[a]), ("server", ENTITIES[b]), *_named(b))
            out["traces_edge_requests_per_second", labels] = k / STEP_S
            if k:
                out["traces_edge_duration_mean_seconds", labels] = self._mean(each, k)
                out["traces_edge_errors_ratio", labels] = rng.binomial(k, bad) / k
            waits += 0.0 if a == "orders" else min(per, k / n if n else per) * each
            passed = 0.0 if b in ("cache", "recommender", "worker") else bad
            fails = min(fails + passed * min(per, 1.0), 1.0)
        took[name], failed[name] = own + waits, fails
        if name not in SERVICES or name in state.down:
            return
        labels = _named(name)
        out["traces_requests_per_second", labels] = n / STEP_S
        out["traces_requests_per_second", (*labels, ("operation", "serve"))] = n / STEP_S
        bad = int(rng.binomial(n, fails)) if n else 0
        out["logs_errors_per_second", labels] = bad / STEP_S + state.logs.get(name, 0.0)
        if n:
            out["traces_errors_ratio", labels] = bad / n
            out["traces_self_duration_mean_seconds", labels] = itself
            out["traces_duration_mean_seconds", labels] = itself + waits
            out["traces_duration_mean_seconds", (*labels, ("operation", "serve"))] = itself + waits

    def _processes(self, counts, out) -> None:
        state, rng = self.state, self.rng
        total = 0.0
        for name in (*SERVICES, "cache"):
            busy = 0.01 + 0.004 * counts.get(name, 0) * float(rng.lognormal(0, 0.2))
            busy += state.cpu.get(name, 0.0)
            total += busy
            self.cpu[name] += busy * STEP_S
            self.rss[name] += state.rss_rate.get(name, 0.0) * STEP_S + float(rng.normal(0, 5e4))
            self.fds[name] += state.fds_rate.get(name, 0.0) * STEP_S
            labels = (("job", name), ("namespace", "shop"))
            out["up", labels] = 0.0 if name in state.down else 1.0
            if name in state.down:
                continue
            out["process_cpu_seconds_total", labels] = self.cpu[name]
            out["process_resident_memory_bytes", labels] = self.rss[name]
            out["process_open_fds", labels] = self.fds[name] + int(rng.integers(0, 4))
        pool = (("job", "inventory"), ("namespace", "shop"))
        usual = float(rng.integers(0, 3))
        out["db_pool_connections_in_use", pool] = state.pool if state.pool is not None else usual
        out["db_pool_connections_max", pool] = 5.0
        queue = (("job", "queue"), ("namespace", "shop"), ("queue", "orders"))
        arrive, done = counts["checkout"], round(counts["checkout"] * state.worker)
        self.backlog = max(self.backlog + arrive - done, 0.0)
        self.oldest = self.oldest + STEP_S if self.backlog > 2 else 0.0
        out["queue_messages_ready", queue] = self.backlog + int(rng.integers(0, 2))
        out["queue_oldest_message_seconds", queue] = self.oldest + float(rng.random())
        model = (*_named("recommender"), ("feature", "price"))
        self.inputs += 0.1 * (2.0 + state.drift - self.inputs) + float(rng.normal(0, 0.02))
        out["recommender.input.mean", model] = self.inputs
        host = (("host", "box"),)
        busy = min((total + state.neighbour + 0.1 * float(rng.gamma(2, 0.3))) / 2, 1.0)
        out["host_cpu_busy_ratio", host] = busy
        out["host_cpu_count", host] = 2.0
        stress = (("host", "box"), ("process", "stress"))
        out["host_process_cpu_ratio", stress] = min(state.neighbour / 2, 1.0)

    def _job(self, out) -> None:
        """Run the nightly job every 24 s."""
        nightly, wrong = (("pipeline", "shop/nightly"),), self.state.job
        self.ran_s += STEP_S
        self.asleep_s += STEP_S
        if self.asleep_s >= 24 and wrong != "late":
            self.asleep_s = 0.0
            self.ran_s = self.ran_s if wrong == "failed" else 0.0
            out["pipeline_failed", nightly] = float(wrong == "failed")
            rows = 1700.0 + float(self.rng.integers(-20, 20))
            if wrong != "failed":
                table = (*nightly, ("dataset", "shopdb/features"))
                out["pipeline_output_rows", table] = rows * (0.5 if wrong == "thin" else 1.0)
        out["pipeline_late_ratio", nightly] = self.ran_s / 24


def _named(name: str) -> tuple[tuple[str, str], ...]:
    if name == "shopdb":
        return (("database", "shopdb"), ("host", "box"))
    if name == "orders":
        return (("queue", "orders"),)
    return (("service_name", name), ("service_namespace", "shop"))


def _set(**changes: object) -> Callable[[State], None]:
    def apply(state: State) -> None:
        for name, value in changes.items():
            setattr(state, name, value)

    return apply


FAULTS: dict[str, tuple[Callable[[State], None], tuple[str, ...]]] = {
    "cpu of catalog": (_set(cpu={"catalog": 0.9}), ("catalog",)),
    "leak in cart": (_set(rss_rate={"cart": 3e6}), ("cart",)),
    "descriptors of shipping": (_set(fds_rate={"shipping": 8.0}), ("shipping",)),
    "lock in database": (_set(extra_s={"shopdb": 0.4}), ("shopdb",)),
    "index dropped": (_set(edge_s={("catalog", "shopdb"): 0.06}), ("shopdb", "catalog")),
    "pool of inventory": (
        _set(pool=5.0, extra_s={"inventory": 1.2}, fails={"inventory": 0.4}),
        ("inventory",),
    ),
    "cache down": (_set(down={"cache"}, extra_s={"shopdb": 0.004}), ("cache",)),
    "worker stuck": (_set(worker=0.0), ("worker", "orders")),
    "poison": (_set(fails={"worker": 0.3}, worker=0.6, logs={"worker": 0.4}), ("worker", "orders")),
    "shipping slow": (_set(extra_s={"shipping": 0.3}), ("shipping",)),
    "payments failing": (_set(fails={"payments": 0.5}), ("payments",)),
    "payments slow": (_set(extra_s={"payments": 0.5}), ("payments",)),
    "way to inventory": (
        _set(edge_s={("checkout", "inventory"): 0.2}, edge_fails={("checkout", "inventory"): 0.1}),
        ("inventory",),
    ),
    "checkout errors": (_set(fails={"checkout": 0.3}), ("checkout",)),
    "catalog slow": (_set(extra_s={"catalog": 0.1}), ("catalog",)),
    "recommender slow": (
        _set(extra_s={"recommender": 0.3}, cpu={"recommender": 0.5}),
        ("recommender",),
    ),
    "certificate": (_set(edge_fails={("checkout", "payments"): 1.0}), ("payments", "checkout")),
    "neighbour": (_set(neighbour=1.7, slow_all=2.5), ("box",)),
    "drift": (_set(drift=1.5), ("recommender",)),
    "job failed": (_set(job="failed"), ("nightly",)),
    "job thin": (_set(job="thin"), ("nightly",)),
    "job late": (_set(job="late"), ("nightly",)),
    "payments gone": (_set(down={"payments"}), ("payments",)),
}
"""What each fault changes, and who may rightly be blamed for it."""
