"""A real kubectl, against a small server that answers as a cluster's would."""

from __future__ import annotations

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from peers.deeds import HOSTILE, deed
from peers.programs import require
from twinhelm.aiops.automate.steps.kubernetes import Kubernetes, Scale
from twinhelm.core.errors import BadInput
from twinhelm.core.json import dumps, loads
from twinhelm.core.settings import AutomateSettings

SHOP = "/apis/apps/v1/namespaces/shop"
VERBS = ["get", "list", "patch", "update", "watch"]


def resource(name, kind, **more):
    return {"name": name, "kind": kind, "namespaced": True, "verbs": VERBS, **more}


def template(version):
    containers = [{"name": "checkout", "image": f"shop/checkout:{version}"}]
    return {"metadata": {"labels": {"app": "checkout"}}, "spec": {"containers": containers}}


def revision(number):
    return {"deployment.kubernetes.io/revision": str(number)}


DEPLOYMENT = {
    "kind": "Deployment",
    "apiVersion": "apps/v1",
    "metadata": {
        "name": "checkout", "namespace": "shop", "uid": "u", "generation": 1,
        "resourceVersion": "1", "annotations": revision(7),
    },
    "spec": {
        "replicas": 3, "selector": {"matchLabels": {"app": "checkout"}}, "template": template(7),
    },
    "status": {
        "observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3,
    },
}  # fmt: skip
OWNER = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": "u"}
SETS = [
    {
        "metadata": {
            "name": f"checkout-{number}", "namespace": "shop", "uid": f"u{number}",
            "labels": {"app": "checkout"}, "annotations": revision(number),
            "ownerReferences": [{**OWNER, "controller": True}],
        },
        "spec": {
            "replicas": 3, "selector": {"matchLabels": {"app": "checkout"}},
            "template": template(number),
        },
    }
    for number in (6, 7)
]  # fmt: skip
PREFERRED = {"groupVersion": "apps/v1", "version": "v1"}
ANSWERS = {
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.4"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {
        "kind": "APIGroupList", "apiVersion": "v1",
        "groups": [{"name": "apps", "versions": [PREFERRED], "preferredVersion": PREFERRED}],
    },
    "/apis/apps/v1": {
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "apps/v1",
        "resources": [
            resource("deployments", "Deployment", singularName="deployment"),
            resource("deployments/scale", "Scale", group="autoscaling", version="v1"),
            resource("replicasets", "ReplicaSet", singularName="replicaset"),
        ],
    },
    f"{SHOP}/deployments/checkout": DEPLOYMENT,
    f"{SHOP}/deployments": {
        "kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {"resourceVersion": "1"},
        "items": [DEPLOYMENT],
    },
    f"{SHOP}/deployments/checkout/scale": {
        "kind": "Scale", "apiVersion": "autoscaling/v1", "spec": {"replicas": 3},
        "metadata": {"name": "checkout", "namespace": "shop"}, "status": {"replicas": 3},
    },
    f"{SHOP}/replicasets": {"kind": "ReplicaSetList", "apiVersion": "apps/v1", "items": SETS},
}  # fmt: skip
NONE = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "none"}


class Cluster(BaseHTTPRequestHandler):
    """Answers what kubectl asks, and remembers what it would change."""

    def do(self):
        path = self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command != "GET":
            self.server.changed.append((self.command, path, loads(body)))
        answer = ANSWERS.get(path, NONE)
        said = dumps(answer)
        self.send_response(200 if answer is not NONE else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(said)

    do_GET = do_PATCH = do_PUT = do  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Cluster) as server:
        server.daemon_threads, server.changed = True, []
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [
                {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
            ],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {}}],
        }  # fmt: skip
        (tmp_path / "kubeconfig").write_bytes(dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        monkeypatch.setenv("HOME", str(tmp_path))
        yield server
        server.shutdown()
        serving.join()


IN_SHOP = AutomateSettings(namespaces=["shop"])
CHECKOUT = {"namespace": "shop", "workload": "deployment/{service}"}


@pytest.fixture
def kubectl():
    require("kubectl")


@pytest.mark.peer("kubectl")
def test_a_rollout_is_taken_back_and_forth(cluster, kubectl):
    actor = Kubernetes(IN_SHOP)
    undone = deed(actor, {"action": "undo", **CHECKOUT}, service="checkout")
    assert undone.ok, undone.text
    assert undone.facts == {"revision": "7"}
    ((method, path, changed),) = cluster.changed
    assert (method, path) == ("PATCH", f"{SHOP}/deployments/checkout")
    assert "shop/checkout:6" in str(changed)
    again = {"action": "undo", **CHECKOUT, "revision": "{did.revision}"}
    back = deed(actor, again, service="checkout", **{"did.revision": "6"})
    assert back.ok, back.text
    assert actor.repeatable(again)
    assert not actor.repeatable({"action": "undo", **CHECKOUT})


@pytest.mark.peer("kubectl")
def test_a_workload_is_restarted_and_looked_at(cluster, kubectl):
    actor = Kubernetes(IN_SHOP)
    assert deed(actor, {"action": "restart", **CHECKOUT}, service="checkout").ok
    assert "restartedAt" in str(cluster.changed)
    looked = deed(actor, {"action": "status", **CHECKOUT}, service="checkout")
    assert looked.ok, looked.text
    assert "successfully rolled out" in looked.text
    assert not actor.changes({"action": "status", **CHECKOUT})


@pytest.mark.peer("kubectl")
@pytest.mark.parametrize(
    ("asked", "sent"),
    [({"replicas": "{n}"}, 2), ({"by": 2, "most": 10}, 5), ({"by": 9, "most": 4}, 4)],
)
def test_a_workload_is_scaled_and_the_undo_knows_how_many_there_were(cluster, kubectl, asked, sent):
    outcome = deed(Scale(IN_SHOP), {**CHECKOUT, **asked}, service="checkout", n="2")
    assert outcome.ok, outcome.text
    assert outcome.facts == {"replicas": "3"}
    ((_, path, changed),) = cluster.changed
    assert path.endswith("/checkout/scale")
    assert changed["spec"]["replicas"] == sent


@pytest.mark.peer("kubectl")
def test_a_workload_that_is_not_there_is_an_outcome(cluster, kubectl):
    assert not deed(Kubernetes(IN_SHOP), {"action": "undo", **CHECKOUT}, service="none").ok
    outcome = deed(Scale(IN_SHOP), {**CHECKOUT, "replicas": 2}, service="none")
    assert "cannot be seen" in outcome.text
    assert cluster.changed == []


@pytest.mark.parametrize("value", [*HOSTILE.values(), "a b", "a/b", "UPPER", "a" * 300])
def test_what_cannot_name_a_workload_is_barred(cluster, value):
    actor = Kubernetes(IN_SHOP, find=lambda _: "/bin/true")
    assert not deed(actor, {"action": "restart", **CHECKOUT}, service=value).ok
    given = {"action": "restart", "namespace": "{service}", "workload": "deployment/a"}
    assert not deed(actor, given, service=value).ok
    assert cluster.changed == []


def test_a_value_is_no_option_of_kubectl():
    actor = Kubernetes(IN_SHOP, find=lambda _: "/bin/true")
    with pytest.raises(BadInput, match="read as an option"):
        actor.fill({"namespace": "{a}", "workload": "deployment/a"}, {"a": "--kubeconfig=/tmp/x"})
    assert actor.faults({"action": "delete", **CHECKOUT})
    assert actor.faults({"action": "{a}", **CHECKOUT})


def test_where_it_may_not_act_and_where_no_kubectl_is_it_is_barred():
    given = {"action": "restart", "namespace": "kube-system", "workload": "deployment/dns"}
    assert "namespaces lists" in Kubernetes(IN_SHOP, find=lambda _: "/x").barred(given)[0]
    assert "kubectl is not installed" in Kubernetes(IN_SHOP, find=lambda _: None).barred(given)[0]
    assert Kubernetes(IN_SHOP).reach(given) == ("deployment:kube-system/dns",)


@pytest.mark.parametrize("asked", [{}, {"replicas": 1, "by": 1, "most": 2}, {"by": 1}, {"most": 1}])
def test_a_scale_says_how_many_or_how_many_more(asked):
    assert "either replicas, or by and most" in Scale(IN_SHOP).faults({**CHECKOUT, **asked})[0]
