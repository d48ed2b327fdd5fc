"""Workers that die, hang, leak or fork are contained and replaced; nothing of them stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from mlops.deploy import models
from mlops.deploy.conftest import until
from twinhelm.core.errors import TwinhelmError, Unavailable
from twinhelm.core.json import loads
from twinhelm.mlops.deploy.pool import Died, TooSlow
from twinhelm.mlops.deploy.seeds import DoesNotLoad


def alive(pid):
    """Whether a process lives; one that has ended and is not yet buried does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


def worker_of(bench, version="1"):
    return until(lambda: bench.pool(version).workers)[0]


def test_one_that_is_killed_is_replaced(bench, tmp_path):
    bench.live("1", models.odd(tmp_path / "m"))
    bench.ask()
    pid = worker_of(bench).pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: bench.pool().workers and worker_of(bench).pid != pid)
    assert bench.ask().status == 200


def test_a_request_whose_worker_dies_is_asked_once_more(bench, tmp_path):
    body = f"p = '{tmp_path}/died'\nif not os.path.exists(p): open(p, 'w').close(); os._exit(9)"
    bench.live(
        "1", models.odd(tmp_path / "m", "if x[0, 0] == 7:\n    " + body.replace("\n", "\n    "))
    )
    assert bench.ask([[7.0, 0.0, 0.0]]).status == 200


def test_a_request_that_kills_two_workers_is_told_so(bench, tmp_path):
    bench.live("1", models.odd(tmp_path / "m", "if x[0, 0] == 7: os.kill(os.getpid(), 11)"))
    with pytest.raises(Died, match="died over this request"):
        bench.ask([[7.0, 0.0, 0.0]])
    assert bench.ask().status == 200


def test_one_that_hangs_is_killed_and_its_caller_told(bench, tmp_path):
    bench.live("1", models.odd(tmp_path / "m", "if x[0, 0] == 7: time.sleep(600)"), timeout_s=0.5)
    pid = worker_of(bench).pid
    with pytest.raises(TooSlow, match="no answer within") as caught:
        bench.ask([[7.0, 0.0, 0.0]])
    assert caught.value.status == 504
    until(lambda: not alive(pid))
    until(lambda: bench.pool().workers)
    assert bench.ask().status == 200


def test_one_that_leaks_is_replaced_by_a_warm_one(bench, tmp_path):
    leak = "kept.append(np.ones(4_000_000))\ntime.sleep(0.05)"
    bench.live("1", models.odd(tmp_path / "m", leak), memory_mb=128)
    first = worker_of(bench).pid
    pids = set()
    until(lambda: bench.ask().status == 200 and (pids.add(worker_of(bench).pid) or len(pids) > 1))
    until(lambda: not alive(first))
    assert bench.serving.measures("m", "1")["errors"] == 0


def test_one_that_takes_too_much_at_once_is_refused_it(bench, tmp_path):
    hog = "if x[0, 0] == 7: np.ones(300_000_000)"
    bench.live("1", models.odd(tmp_path / "m", hog), memory_mb=64)
    reply = bench.ask([[7.0, 0.0, 0.0]])
    assert reply.status == 500
    assert "needs more memory than rollout.memory_mb" in loads(reply.body)["error"]
    assert bench.ask().status == 200


FORKS = """
if x[0, 0] == 7:
    a = subprocess.Popen(['sleep', '600'])
    b = subprocess.Popen(['sleep', '600'], start_new_session=True)
    c = os.fork()
    if c == 0:
        os.setsid()
        time.sleep(600)
    x = np.array([[a.pid, b.pid, c]], float)
    x = x.T
"""


def test_what_it_forked_goes_with_it(bench, tmp_path):
    bench.live("1", models.odd(tmp_path / "m", FORKS))
    pid = worker_of(bench).pid
    children = [int(each) for each in loads(bench.ask([[7.0, 0, 0]]).body)["outputs"][0]["data"]]
    assert len(children) == 3
    assert all(alive(child) for child in children)
    bench.serving.release("m", "1")
    until(lambda: not any(alive(each) for each in (pid, *children)), "children are left")


def test_a_model_that_does_not_load_says_why(bench, tmp_path):
    folder = models.odd(tmp_path / "m")
    (folder / "code" / "odd.py").write_text("raise RuntimeError('broken')")
    with pytest.raises(DoesNotLoad, match="RuntimeError: broken"):
        bench.hold("1", folder)
    assert not bench.serving.holds("m", "1")


def test_a_model_that_fails_at_a_made_up_row_of_numbers_is_not_warm(bench, tmp_path):
    with pytest.raises(DoesNotLoad, match="ValueError: never"):
        bench.hold("1", models.odd(tmp_path / "m", "raise ValueError('never')"))


def test_a_model_that_ends_its_process_while_loading_is_told(bench, tmp_path):
    folder = models.odd(tmp_path / "m")
    (folder / "code" / "odd.py").write_text("import os; os._exit(3)")
    with pytest.raises(Unavailable, match="ended or hung while it loaded"):
        bench.hold("1", folder)


def test_another_interpreter_that_is_not_there_is_told(bench, tmp_path):
    with pytest.raises(DoesNotLoad, match="cannot be run"):
        bench.hold("1", models.odd(tmp_path / "m"), python=str(tmp_path / "python"))


def test_a_worker_sees_nothing_of_our_environment(bench, tmp_path, monkeypatch):
    body = "x = np.array([[float(k.startswith('TWINHELM')) for k in os.environ] + [0.0]]).T"
    bench.live("1", models.odd(tmp_path / "m", body))
    assert sum(loads(bench.ask().body)["outputs"][0]["data"]) == 0


def test_several_workers_share_what_comes(bench, tmp_path):
    body = "time.sleep(0.05)\nx = x * 0 + os.getpid()"
    bench.live("1", models.odd(tmp_path / "m", body), workers=2)
    import asyncio

    from twinhelm.mlops.deploy import Form

    async def many():
        return await asyncio.gather(
            *(bench.serving.predict("m", Form.V2, models.v2([[i, 0, 0]])) for i in range(8))
        )

    pids = {loads(reply.body)["outputs"][0]["data"][0] for reply in bench.run(many())}
    assert len(pids) == 2


PROGRAM = """
import sys
from pathlib import Path
from twinhelm.mlops.deploy import Limits, Seeds
from twinhelm.mlops.mlmodel import described
seeds = Seeds()
started = seeds.start("m", "1", described(Path(sys.argv[1])), Limits())
print(started.pid, flush=True)
sys.stdin.read()
"""


def test_workers_die_with_the_house_however_it_dies(tmp_path):
    folder = models.odd(tmp_path / "m")
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as house:  # fmt: skip
        pid = int(house.stdout.readline())
        assert alive(pid)
        house.kill()
    until(lambda: not alive(pid))


def test_a_burst_of_deaths_is_answered_with_patience(bench, tmp_path):
    bench.live("1", models.odd(tmp_path / "m", "if x[0, 0] == 7: os._exit(1)"), timeout_s=5.0)
    begun = time.monotonic()
    for _ in range(3):
        with pytest.raises(TwinhelmError):
            bench.ask([[7.0, 0.0, 0.0]])
    assert time.monotonic() - begun > 0.05
    until(lambda: bench.pool().workers)
    assert bench.ask().status == 200
