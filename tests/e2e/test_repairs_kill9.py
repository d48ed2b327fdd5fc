"""``kill -9`` anywhere in a repair: each deed at most once, no approval lost, no undo forgotten.

A real server meets alerts and repairs them by a program that writes down what it does: one round
that helps, one that does not and is undone, one whose step fails, one that is stopped half-way and
taken back by a person. It is killed at the boundaries of steps, found in the journal, and inside
deeds, where the program waits at a gate, and started again on the same data. Where it asks whether
a deed happened, grace looks at what was written, as a person would. Some points here, of every
kind; ``TWINHELM_KILLS=50`` for all of them.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from collections import Counter
from datetime import UTC, datetime

import httpx
import pytest

from e2e.small_product import API, PATIENCE_S, Desk
from peers.processes import family, gone
from peers.runbooks import of_numbers, step
from peers.server import Twinhelm
from twinhelm.core import json
from twinhelm.core.clock import SystemClock

HELPS, USELESS, FAILS, STOPPED, AGAIN = "12345"
FEW = (
    f"{HELPS} inside move", f"{HELPS} repair.answered", f"{USELESS} inside unmove",
    f"{FAILS} repair.step_ended move done", f"{STOPPED} stop.pulled",
)  # fmt: skip
ROAD = (
    "repair.proposed", "repair.asked", "repair.answered", "repair.started",
    "repair.step_begun note", "inside note", "repair.step_ended note done",
    "repair.step_begun move", "inside move", "repair.step_ended move done",
)  # fmt: skip
BACK = ("repair.step_begun move undo", "inside unmove", "repair.step_ended move undone")
ENDS = {
    HELPS: ("repair.asked sure", "inside finish", "repair.step_ended finish done", "repair.ended"),
    USELESS: ("repair.step_ended finish done", *BACK, "repair.ended"),
    FAILS: ("inside finish", "repair.step_ended finish failed", *BACK, "repair.ended"),
    STOPPED: ("inside finish", "stop.pulled", "stop.released", *BACK, "repair.ended"),
    AGAIN: ("repair.step_begun finish",),
}
ALL = (*FEW, *(point for part, ends in ENDS.items() for what in (*ROAD, *ends)
               if (point := f"{part} {what}") not in FEW))  # fmt: skip
KILLS = int(os.environ.get("TWINHELM_KILLS", len(FEW)))

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="its gates are named pipes"),
    pytest.mark.timeout(300 + 60 * KILLS),
]

DEED = f"""#!{sys.executable}
import os, pathlib, sys
what, number = sys.argv[1:]
here = pathlib.Path(__file__).parent
def tell(word):
    with open(here / "deeds", "a") as file:
        file.write(f"{{number}} {{what}} {{word}}\\n")
tell("begun")
gate = here / f"gate-{{number}}-{{what}}"
if gate.is_fifo():
    gate.read_bytes()
if (here / f"fail-{{number}}-{{what}}").exists():
    sys.exit("it cannot be done")
tell("done")
"""
SURE = """[[steps]]
name = "sure"
do = "ask"
arguments = { question = "Shall number {number} be finished?" }
"""
TOUCHES = ', touches = ["other:thing-{number}"]'
POLICY = "[limits]\nrunning = 9\nwaiting = 99\nper_hour = 1000\nper_entity_hour = 1000\n"


class Walk(Desk):
    """A desk whose server is killed at each of ``points`` once, as soon as it is reached."""

    def __init__(self, server, web, folder, points):
        super().__init__(server, web)
        admin = server.headers()
        roles = {"roles": ["operator"]}
        web.put(f"{API}/people/ada/roles", json=roles, headers=admin).raise_for_status()
        said = {"name": "carl", "roles": ["operator"]}
        web.post(f"{API}/people", json=said, headers=admin).raise_for_status()
        made = web.post(f"{API}/tokens", json=said, headers=admin).raise_for_status()
        self.tokens["carl"] = {"Authorization": f"Bearer {made.json()['secret']}"}
        self.folder, self.points, self.killed = folder, set(points), []
        self.part, self.seq, self.pulled = HELPS, 0, False

    def wrote(self):
        file = self.folder / "deeds"
        return Counter(file.read_text().splitlines()) if file.exists() else Counter()

    def look(self):
        """Kill the server where a point is reached that was not had yet."""
        for row in self.journal(after_seq=self.seq):
            self.seq = row["seq"]
            for point in names(row):
                self.reached(f"{self.part} {point}")
        for point in sorted(self.points):
            part, inside, *what = point.split()
            if inside == "inside" and part == self.part:
                wrote = self.wrote()
                if wrote[f"{part} {what[0]} begun"] and not wrote[f"{part} {what[0]} done"]:
                    self.reached(point)

    def reached(self, point):
        if point in self.points:
            self.points.remove(point)
            self.kill()
            self.killed.append(point)

    def kill(self):
        """Kill the whole server, see that nothing of it lives on, start it again, look at it."""
        known = {one["id"]: one["answers"] for one in self.repairs()}
        os.kill(self.server.pid, signal.SIGSTOP)  # so that it starts no process meanwhile
        left = family(self.server.pid)
        self.server.kill9()
        for gate in self.folder.glob(f"gate-{self.part}-*"):
            gate.unlink()
        deadline = time.monotonic() + PATIENCE_S
        while alive := [each for each in left if not gone(each)]:
            assert time.monotonic() < deadline, f"left over: {alive}"
            time.sleep(0.02)
        self.gates()
        self.server.start()
        assert self.get("/journal/verification")["ok"]
        now = {one["id"]: one["answers"] for one in self.repairs()}
        assert all(now[name][: len(answers)] == answers for name, answers in known.items())

    def gates(self):
        """Put a gate before each deed that is to be killed or stopped and was not yet."""
        for point in self.points:
            self.gate(point)
        if not self.pulled:
            self.gate(f"{STOPPED} inside finish")

    def gate(self, point):
        part, inside, *what = point.split()
        gate = self.folder / f"gate-{part}-{what[0] if what else ''}"
        if inside == "inside" and part == self.part and not gate.exists():
            os.mkfifo(gate)

    def repairs(self):
        return self.get("/repairs", limit=1000)

    def alert(self, name, *, over=False):
        """Tell of an alert, or that it ended a minute ago."""
        now = SystemClock().now_ms() / 1000
        said = {
            "labels": {"alertname": name, "severity": "critical", "number": self.part,
                       "instance": f"thing-{self.part}:1"},
            "annotations": {"summary": "it is broken"},
            "startsAt": datetime.fromtimestamp(now - 300, UTC).isoformat(),
        }  # fmt: skip
        if over:
            said["endsAt"] = datetime.fromtimestamp(now - 60, UTC).isoformat()
        self.web.post("/api/v2/alerts", json=[said]).raise_for_status()

    def walk(self, part, alert, *, end):
        """Let one incident be repaired to its end; returns its repair."""
        self.part = part
        self.gates()
        self.alert(alert)

        def over():
            found = [one for one in self.repairs() if one["plan"]["values"]["number"] == part]
            if not found:
                return None
            (repair,) = found
            self.serve(repair, alert)
            return repair if repair["state"] == end else None

        deadline, killed = time.monotonic() + PATIENCE_S, 0
        while not (found := (self.look(), over())[1]):
            if killed != len(self.killed):  # each kill may take all the patience there is
                deadline, killed = time.monotonic() + PATIENCE_S, len(self.killed)
            assert time.monotonic() < deadline, f"{end} of {part} never; {self.server.log[-4000:]}"
            time.sleep(0.1)
        self.look()  # at what was told after the last look, while it is still of this part
        return found

    def serve(self, repair, alert):
        """Do what people do: agree, look, answer, mend the thing, pull the switch, take back."""
        path, part = f"/repairs/{repair['id']}", self.part
        wrote = self.wrote()
        if repair["state"] == "asked" and not repair["question"]:
            self.say(f"{path}/answer", {"agrees": True}, by="grace")
        elif repair["state"] == "asked":
            step = repair["steps"][repair["at"]]["name"]
            deed = f"un{step}" if repair["then"] else step
            happened = "done" if wrote[f"{part} {deed} done"] else "again"
            choice = "yes" if step == "sure" else happened
            self.say(f"{path}/answer", {"agrees": True, "choice": choice}, by="grace")
        elif repair["state"] == "verifying" and part in (HELPS, AGAIN):
            self.alert(alert, over=True)
        elif part == STOPPED and not self.pulled and wrote[f"{part} finish begun"]:
            self.pulled = True
            self.say("/stop", {"reason": "enough"}, by="carl")
        elif repair["state"] == "stopped":
            if self.get("/stop")["on"]:
                self.say("/stop/release", {}, by="grace")
            self.say(f"{path}/undo", {}, by="carl")

    def say(self, path, body, *, by):
        """Ask for something that a kill may have let happen already."""
        answer = self.web.post(f"{API}{path}", json=body, headers=self.tokens[by])
        assert answer.status_code in (200, 202, 403, 409), answer.text


def names(row):
    """Say by which names a row of the journal is a point."""
    body = row["body"]
    match row["kind"]:
        case "repair.step_begun":
            yield f"repair.step_begun {body['step']}{' undo' if body['undo'] else ''}"
        case "repair.step_ended":
            yield f"repair.step_ended {body['step']} {body['outcome']}"
        case "repair.asked" if body["question"].startswith("Shall"):
            yield "repair.asked sure"
        case kind:
            yield kind


def test_killed_anywhere_each_deed_happens_once_and_is_undone_where_it_must(tmp_path):
    folder = tmp_path / "deeds"
    folder.mkdir()
    deed = folder / "deed"
    deed.write_text(DEED)
    deed.chmod(deed.stat().st_mode | stat.S_IXUSR)
    books = tmp_path / "books"
    books.mkdir()
    for name, alert, within_s in (("mend", "Broken", 3000), ("try", "Stubborn", 0.1)):
        steps = (
            step(deed, "note", ", repeatable = true", "a note harms nobody"),
            step(deed, "move", TOUCHES, "unmove"),
            SURE,
            step(deed, "finish", undo="what is finished is finished"),
        )
        text = of_numbers(name, alert, *steps, within_s=within_s, per_hour=1000)
        (books / f"{name}.toml").write_text(text)
    (books / "policy.toml").write_text(POLICY)
    (folder / f"fail-{FAILS}-finish").touch()
    env = {
        "TWINHELM_AUTOMATE__COMMANDS": json.dumps([str(deed)]).decode(),
        "TWINHELM_AUTOMATE__RUNBOOKS": str(books),
    }
    server = Twinhelm(tmp_path / "data", "--no-host", env=env, patience_s=PATIENCE_S)
    try:
        server.start()
        walked(server, folder)
    except BaseException:
        server.kill9()
        raise
    assert server.stop(patience_s=PATIENCE_S) == 0, server.log


def walked(server, folder):
    with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as web:
        walk = Walk(server, web, folder, ALL[:KILLS])
        walk.until(lambda: {"mend", "try"} <= {one["name"] for one in walk.get("/runbooks")})
        walk.walk(HELPS, "Broken", end="verified")
        walk.walk(USELESS, "Stubborn", end="useless")
        walk.walk(FAILS, "Broken", end="undone")
        walk.walk(STOPPED, "Broken", end="undone")
        walk.walk(AGAIN, "Broken", end="verified")
        assert not walk.points, f"never reached: {walk.points}"
        is_whole(walk)


def is_whole(walk):
    """Look at all that is left of it: nothing lost, nothing twice, nothing forgotten."""
    assert walk.get("/journal/verification")["ok"]
    rows = walk.journal()
    assert len([row for row in rows if row["kind"] == "server.started"]) == len(walk.killed) + 1
    wrote = walk.wrote()
    for part in (HELPS, USELESS, FAILS, STOPPED, AGAIN):
        assert wrote[f"{part} note done"] >= 1
        assert wrote[f"{part} move done"] == 1, wrote
        assert wrote[f"{part} unmove done"] == (part in (USELESS, FAILS, STOPPED)), wrote
        assert wrote[f"{part} finish done"] == (part in (HELPS, USELESS, AGAIN)), wrote
    # Each was asked for once, agreed to once, begun once and, but for the stopped one, ended once.
    counted = Counter((row["kind"], row["subject"]) for row in rows)
    repairs = walk.repairs()
    assert len(repairs) == 5
    for repair in repairs:
        subject = f"repair/{repair['id']}"
        assert sum(1 for each in repair["answers"] if not each["choice"]) == 1
        for kind in ("repair.proposed", "repair.started"):
            assert counted[kind, subject] == 1
        twice = repair["plan"]["values"]["number"] == STOPPED
        assert counted["repair.ended", subject] == 1 + twice
    assert {each["state"] for each in walk.get("/jobs")} == {"done"}
