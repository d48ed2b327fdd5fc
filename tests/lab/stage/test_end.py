"""How a lab ends, however it ends: no process and no port is left, and the next one starts."""

import os
import signal
import socket

import pytest

from lab.stage.running import LabRun, alive, descendants, until
from twinhelm.lab.plan import Plan


def open_ports(plan):
    found = []
    for name, port in plan.ports.items():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(name)
    return found


@pytest.fixture
def running():
    """Start labs, and see to their end."""
    labs = []

    def start(*args):
        labs.append(LabRun(*args))
        return labs[-1]

    yield start
    for lab in labs:
        lab.end()


def test_nothing_outlives_a_killed_stage_and_the_folder_can_be_used_again(tmp_path, running):
    folder = tmp_path / "shop"
    lab = running(folder).wait_ready()
    plan, below = Plan.load(folder / "plan.json"), descendants(lab.process.pid)
    assert len(below) > len(plan.ports) - 3
    os.kill(lab.pid("cart"), signal.SIGSTOP)  # a stopped process must go too
    lab.process.kill()
    lab.process.wait()
    until(lambda: not alive(below) and not open_ports(plan), "all processes and ports are gone")

    again = running(folder, "--database", "sqlite").wait_ready()
    assert again.status()["database"] == "SQLite"
    plan, below = Plan.load(folder / "plan.json"), descendants(again.process.pid)
    assert again.close_stdin() == 0
    assert alive(below) == []
    assert open_ports(plan) == []
    assert not (folder / "control.json").exists()
    assert not (folder / "database").exists()


def test_a_stage_that_is_told_to_end_while_it_starts_leaves_nothing(tmp_path, running):
    lab = running(tmp_path / "shop")
    below = until(lambda: descendants(lab.process.pid), "it has begun to start something")
    lab.end()
    assert lab.process.returncode == 0
    assert alive(below) == []
