"""``kill -9`` anywhere between training and going live: it goes on by itself, with one champion.

A real server walks a product down its road three times: a first version that a person lets in, a
second one that takes over in steps, a third one that drift had made anew. It is killed at points
of that road, each found by what is recorded, and started again on the same data. Some points
here, one in every phase; ``TWINHELM_KILLS=40`` for all of them.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from e2e.small_product import API, NAME, PATIENCE_S, Desk, learn, question, rows, write_product
from peers.processes import family, gone

FEW = (
    "1 training", "1 build.finished", "1 validating", "1 approval.answered", "2 rollout.advanced",
    "2 rollout.ended", "3 training",
)  # fmt: skip
ROAD = (
    "build.started", "training", "version.registered", "build.finished", "validating",
    "version.validated", "approval.requested", "approval.answered", "rollout.started",
    "rollout.advanced", "deployment.changed", "rollout.ended", "retrain.triggered",
)  # fmt: skip
ALL = (*FEW, *(f"{part} {what}" for part in "123" for what in ROAD if f"{part} {what}" not in FEW))
KILLS = int(os.environ.get("TWINHELM_KILLS", len(FEW)))
SHIFT = 3.0

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="models run in processes of Linux"),
    pytest.mark.timeout(300 + 60 * KILLS),
]


class Walk(Desk):
    """A desk whose server is killed at each of ``points`` once, as soon as it is reached."""

    def __init__(self, server, web, gate: Path, points):
        super().__init__(server, web)
        self.gate, self.points, self.killed = gate, set(points), []
        self.part, self.seq, self.answered, self.crowned = "1", 0, {}, False
        self.life = 0
        """Odd while the server is dead or on its way back."""

    def begin(self, part):
        """Say which part of the road comes now; in training it waits to be killed."""
        self.part = part
        if f"{part} training" in self.points:
            os.mkfifo(self.gate)

    def look(self):
        """Kill the server where a point is reached that was not had yet."""
        for row in self.journal(after_seq=self.seq):
            self.seq = row["seq"]
            self.has_one_champion()
            self.reached(row["kind"])
        if f"{self.part} training" in self.points and self.trains():
            self.reached("training")
        if f"{self.part} validating" in self.points and self.validates():
            self.reached("validating")

    def trains(self):
        found = self.get(f"/products/{NAME}/builds")
        if not found or found[0]["state"] != "running":
            return False
        path = f"/products/{NAME}/builds/{found[0]['number']}/log"
        return "fitting" in self.get(path)["log"]

    def validates(self):
        return any(
            job["name"] == "validate" and job["state"] == "running" for job in self.get("/jobs")
        )

    def has_one_champion(self):
        champions = self.champions()
        assert len(champions) == 1 if self.crowned else len(champions) <= 1
        self.crowned = bool(champions)

    def reached(self, what):
        point = f"{self.part} {what}"
        if point in self.points:
            self.points.remove(point)
            self.kill()
            self.killed.append(point)

    def kill(self):
        """Kill the whole server, see that nothing of it lives on, start it again, look at it."""
        known = {each["id"]: each for each in self.requests() if each["answers"]}
        self.life += 1
        os.kill(self.server.pid, signal.SIGSTOP)  # so that it starts no process meanwhile
        left = family(self.server.pid)
        self.server.kill9()
        deadline = time.monotonic() + PATIENCE_S
        while alive := [each for each in left if not gone(each)]:
            assert time.monotonic() < deadline, f"left over: {alive}"
            time.sleep(0.02)
        self.gate.unlink(missing_ok=True)
        self.server.start()
        assert self.get("/journal/verification")["ok"]
        self.has_one_champion()
        now = {each["id"]: each for each in self.requests()}
        assert {name: now[name]["answers"] for name in known} == {
            name: each["answers"] for name, each in known.items()
        }
        if self.crowned:
            self.warm()
        self.life += 1

    def warm(self):
        """Ask until a version answers: on the way there it says so, and nothing else."""
        deadline = time.monotonic() + PATIENCE_S
        while (answer := self.infer(rows(1, seed=3)[0])).status_code == 503:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.05)
        assert answer.status_code == 200, answer.text

    def requests(self):
        found = self.get(f"/products/{NAME}/versions")
        return [each for one in found for each in self.approvals(one["version"])]

    def build(self, **params):
        """Begin a build; it goes on whatever happens."""
        number = self.post(f"/products/{NAME}/builds", {"params": params})["number"]
        return self.built(number)

    def agree(self, version):
        """Let grace agree to the one request there is for a version, once it is there."""
        asked = self.until(lambda: self.approvals(version), f"a request for {version}")
        assert [each["state"] for each in asked] == ["open"]
        said = {"id": asked[0]["id"], "agrees": True, "note": "looked at it"}
        self.post("/approvals", said, by="grace")

    def crown(self, version):
        self.until(lambda: self.champions() == [version], f"{version} as champion")
        self.until(lambda: self.alias() == version, f"MLflow's champion {version}")
        self.until(self.is_idle, "the end of all work")

    def alias(self):
        """The version that MLflow's clients find as champion; none while MLflow starts."""
        asked = {"name": NAME}
        path = "/mlflow/api/2.0/mlflow/registered-models/get"
        answer = self.web.get(path, params=asked, headers=self.tokens["ada"])
        if answer.status_code == 503:
            return ""
        told = answer.raise_for_status().json()["registered_model"].get("aliases", [])
        return next((each["version"] for each in told if each["alias"] == "champion"), "")

    def is_idle(self):
        """Tell whether nothing is running, by the records and by the workflows."""
        of = f"/products/{NAME}"
        states = [each["state"] for each in self.get(f"{of}/builds")]
        states += [each["state"] for each in self.get(f"{of}/deployment")["rollouts"]]
        states += [each["state"] for each in self.get("/jobs")]
        return not {"running", "waiting"} & set(states)


class Asking:
    """A client that goes on asking, whether somebody answers or not."""

    def __init__(self, walk, pairs):
        self.said, self._walk, self._pairs = [], walk, pairs
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _ask(self):
        headers = {"Content-Type": "application/json"}
        with httpx.Client(base_url=self._walk.server.url, timeout=60, trust_env=False) as web:
            at = 0
            while not self._over.is_set():
                life, body = self._walk.life, question(self._pairs[at % len(self._pairs)])
                try:
                    status = web.post(f"/v2/models/{NAME}/infer", content=body, headers=headers)
                    status = status.status_code
                except httpx.TransportError:
                    status = 0
                self.said.append((life, self._walk.life, status))
                at += 1

    def check(self):
        """Whole lives answer everything; between two there may be nobody, or nobody warm."""
        for before, after, status in self.said:
            lived = before == after and before % 2 == 0
            assert status in ((200,) if lived else (200, 503, 0)), (before, after, status)
        assert any(status == 200 for *_, status in self.said)


def test_killed_anywhere_it_goes_on_with_one_champion(start_twinhelm, tmp_path):
    gate, points = tmp_path / "gate", ALL[:KILLS]
    text = write_product(tmp_path / "product", tier="limited", rollout="canary")
    env = {"TWINHELM_MODELS__LOOK_S": "1", "GATE": str(gate)}
    server = start_twinhelm("--no-host", env=env)
    with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as web:
        walk = Walk(server, web, gate, points)
        walk.post("/products", {"text": text, "folder": str(tmp_path / "product")})
        first(walk)
        second(walk)
        third(walk, tmp_path / "product")
        left = walk.points - {"1 rollout.advanced", "1 retrain.triggered", "2 retrain.triggered"}
        assert not left, f"never reached: {left}"
        is_whole(walk)
    assert server.stop() == 0


def first(walk):
    walk.begin("1")
    version = walk.build()
    walk.validated(version)
    walk.post(f"/products/{NAME}/versions/{version}/promote")
    walk.agree(version)
    walk.crown(version)


def second(walk):
    walk.begin("2")
    version = walk.build(strength=0.5)
    walk.validated(version)
    walk.post(f"/products/{NAME}/versions/{version}/promote")
    walk.agree(version)
    # Nobody asks, so the first step does not end: where it is killed, it is killed within it.
    walk.until(lambda: [p for p in walk.deployment()["parts"] if p["role"] == "canary"], "a canary")
    with Asking(walk, rows(500, seed=4)) as asking:
        walk.crown(version)
    asking.check()


def third(walk, folder):
    walk.begin("3")
    moved = rows(500, seed=5, shift=SHIFT)
    learn(folder / "train.csv", moved)
    with Asking(walk, moved) as asking:

        def retrained():
            found = walk.get(f"/products/{NAME}/builds")
            return next((run["number"] for run in found if run["reason"] == "drift"), None)

        version = walk.built(walk.until(retrained, "a retraining"))
        walk.agree(version)
        walk.crown(version)
    asking.check()


def is_whole(walk):
    """Look at all that is left of it: nothing half, nothing twice."""
    assert walk.get("/journal/verification")["ok"]
    rows = walk.journal()
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    started = [row for row in rows if row["kind"] == "server.started"]
    assert len(started) == len(walk.killed) + 1

    # At each moment one champion, and three of them one after the other.
    changes = [row["body"]["parts"] for row in rows if row["kind"] == "deployment.changed"]
    champions = [[version for version, role, _ in parts if role == "champion"] for parts in changes]
    assert all(len(each) == 1 for each in champions)
    builds = sorted(walk.get(f"/products/{NAME}/builds"), key=lambda run: run["number"])
    versions = [run["version"] for run in builds]
    assert [run["state"] for run in builds] == ["done"] * 3
    assert list(dict.fromkeys(each for (each,) in champions)) == versions
    (live,) = [one for one in walk.get("/live") if one["product"] == NAME]
    assert (live["version"], live["approved_by"]) == (versions[-1], ["grace"])
    stages = {v["version"]: v["stage"] for v in walk.get(f"/products/{NAME}/versions")}
    assert [stages[version] for version in versions] == ["retired", "retired", "live"]

    # Each was asked for once, answered once, rolled out once.
    asked = walk.requests()
    assert [(len(each["answers"]), each["state"]) for each in asked] == [(1, "approved")] * 3
    counted = Counter(row["kind"] for row in rows)
    for kind in ("approval.requested", "approval.answered", "rollout.started", "rollout.ended"):
        assert counted[kind] == 3, (kind, counted)
    rollouts = walk.get(f"/products/{NAME}/deployment")["rollouts"]
    assert [each["state"] for each in rollouts] == ["done"] * 3
    assert {each["state"] for each in walk.get("/jobs")} == {"done"}
    assert walk.web.get(f"{API}/approvals").json() == []
