"""The very process that was named gets the signal, and no other; all of them are real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from peers.deeds import HOSTILE, deed
from twinhelm.aiops.automate.steps import Limit
from twinhelm.aiops.automate.steps.process import Process
from twinhelm.aiops.collect.host.linux_processes import process_name
from twinhelm.core.settings import AutomateSettings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tells processes apart by /proc")

WORKER = """
import os, signal, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
while True:
    time.sleep(600)
"""
KEEPER = """
import subprocess, sys
while True:
    subprocess.run([sys.executable, *sys.argv[1:]], stdin=subprocess.DEVNULL)
"""
LATER_MS = str(int(time.time() * 1000) + 3_600_000)  # noqa: TID251 - the machine's, as processes have
ONCE = {"pid": "{pid}", "name": "{name}", "seen_ms": "{ms}"}
GONE = {**ONCE, "gone_within_s": 30}


def actor(*listed):
    return Process(AutomateSettings(processes=list(listed or ["python*"])), process_name)


@pytest.fixture
def started(tmp_path):
    """Start the worker apart from us, as another's service is; returns its number."""
    (tmp_path / "shop_worker.py").write_text(WORKER)
    (tmp_path / "keeper.py").write_text(KEEPER)
    groups = []

    def start(*words, kept=False):
        keeper = [sys.executable, str(tmp_path / "keeper.py")] if kept else [sys.executable]
        # A double fork: whatever we started is ours, and never touched.
        code = (
            "import os, subprocess, sys\n"
            "p = subprocess.Popen(sys.argv[1:], start_new_session=True, stdout=sys.stdout)\n"
            "print('group', p.pid, flush=True)\n"
        )
        command = [*keeper, str(tmp_path / "shop_worker.py"), *words]
        said = subprocess.Popen(
            [sys.executable, "-c", code, *command], stdout=subprocess.PIPE, text=True
        )
        lines = {}
        while len(lines) < 2:
            *what, pid = said.stdout.readline().split()
            lines["group" if what else "worker"] = int(pid)
        said.wait()
        said.stdout.close()
        groups.append(lines["group"])
        return lines["worker"]

    yield start
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            continue


def stat(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid):
    found = stat(pid).rpartition(")")[2].split()
    return bool(found) and found[0] not in "ZX"


def name_of(pid):
    called = stat(pid).partition("(")[2].rpartition(")")[0]
    return process_name(called, Path(f"/proc/{pid}/cmdline").read_text().split("\0"))


def test_a_process_is_ended_and_seen_to_be_gone(started):
    pid = started()
    outcome = deed(actor(), GONE, pid=str(pid), name=name_of(pid), ms=LATER_MS)
    assert outcome.ok, outcome.text
    assert "it is gone" in outcome.text
    assert not alive(pid)


def test_a_deaf_process_is_killed_where_the_step_says_so(started):
    pid = started("deaf")
    who = {"pid": str(pid), "name": name_of(pid), "ms": LATER_MS}
    patient = {**ONCE, "gone_within_s": 0.5}
    outcome = deed(actor(), patient, **who)
    assert (outcome.ok, alive(pid)) == (False, True)
    assert "it runs on after 0.5 s" in outcome.text
    assert not actor().dangerous(patient)
    forced = {**patient, "force": True}
    assert deed(actor(), forced, **who).ok
    assert not alive(pid)
    assert actor().dangerous(forced)
    assert actor().dangerous({**ONCE, "signal": "KILL"})


def test_what_a_supervisor_starts_again_is_waited_for(started):
    pid = started(kept=True)
    given = {**GONE, "back": True}
    outcome = deed(actor(), given, pid=str(pid), name=name_of(pid), ms=LATER_MS)
    assert outcome.ok, outcome.text
    assert outcome.facts["pid"] != pid
    assert alive(outcome.facts["pid"])


def test_what_nobody_starts_again_is_told(started):
    pid = started()
    given = {**GONE, "back": True}
    who = {"pid": str(pid), "name": name_of(pid), "ms": LATER_MS}
    outcome = deed(actor(), given, limit_s=3, **who)
    assert not outcome.ok
    assert "nothing started it again" in outcome.text


def test_a_number_that_was_given_to_another_process_is_refused(started):
    pid = started()
    other = deed(actor(), GONE, pid=str(pid), name="python billing.py", ms=LATER_MS)
    assert "not 'python billing.py'" in other.text
    later = deed(actor(), GONE, pid=str(pid), name=name_of(pid), ms="1")
    assert "it began after it was named" in later.text
    assert alive(pid)


def test_a_process_that_is_gone_is_told(started):
    pid = started()
    who = {"pid": str(pid), "name": name_of(pid), "ms": LATER_MS}
    assert deed(actor(), GONE, **who).ok
    assert "there is no process" in deed(actor(), GONE, **who).text


def test_the_house_and_its_family_are_never_touched(started):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        for pid in (os.getpid(), os.getppid(), child.pid):
            who = {"pid": str(pid), "name": name_of(pid), "ms": LATER_MS}
            outcome = deed(actor("*"), {**ONCE, "signal": "KILL"}, **who)
            assert "belongs to twinhelm itself" in outcome.text
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("pid", ["0", "1", "-1", "-9", "1e3", "99999999999", *HOSTILE.values()])
def test_what_is_no_number_of_a_process_is_barred(pid):
    given = {"pid": pid, "name": "python", "seen_ms": LATER_MS}
    assert not actor("*").act(given, Limit(5)).ok


def test_a_name_that_is_not_listed_is_barred(started):
    pid = started()
    who = {"pid": str(pid), "name": name_of(pid), "ms": LATER_MS}
    assert "automate.processes lists" in deed(actor("nginx"), GONE, **who).text
    assert alive(pid)


def test_a_signal_is_a_word_of_the_list():
    assert actor().faults({**ONCE, "signal": "STOP"})
    assert actor().faults({**ONCE, "signal": "{a}"})
    assert actor().reach({"name": "nginx", "pid": 5}) == ("process:nginx",)
    assert actor().reach({"name": "nginx", "touches": ["service:web"]}) == ("service:web",)
