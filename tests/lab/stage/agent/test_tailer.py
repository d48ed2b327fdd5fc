import httpx
import orjson
import pytest
from prometheus_client import CollectorRegistry

from twinhelm.lab.plan import Backend, Plan
from twinhelm.lab.stage.agent import tailer as tailer_module
from twinhelm.lab.stage.agent.sender import Sender, Tally
from twinhelm.lab.stage.agent.tailer import Tailer

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def tail(tmp_path):
    """``tail()`` looks once and returns (job, level, line, trace) of what was pushed."""
    plan = Plan(tmp_path, {}, "sqlite://", Backend(), "s", "box")
    pushes = []
    sender = Sender("x", "", httpx.AsyncClient(), Tally(CollectorRegistry()))
    tailer = Tailer(plan, sender, keep=lambda _at, body: pushes.append(orjson.loads(body)))

    def look():
        pushes.clear()
        tailer.look()
        stamps = [v[0] for p in pushes for s in p["streams"] for v in s["values"]]
        assert len(set(stamps)) == len(stamps)
        assert all(isinstance(stamp, str) and len(stamp) == 19 for stamp in stamps)
        return [
            (
                stream["stream"]["job"],
                stream["stream"].get("level"),
                line,
                more[0]["trace_id"] if more else "",
            )
            for push in pushes
            for stream in push["streams"]
            for _, line, *more in stream["values"]
        ]

    look.catalog = plan.log_file("catalog")
    look.queue = plan.output("queue")
    look.catalog.parent.mkdir()
    look.queue.parent.mkdir()
    return look


def test_lines_come_once_with_level_and_trace(tail):
    assert tail() == []
    said = f"10:00 ERROR catalog: no such thing trace_id={TRACE}"
    tail.catalog.write_text(f"{said}\n10:01 WARNING x\n")
    tail.queue.write_text("just a line\n\n")
    assert tail() == [
        ("catalog", "error", said, TRACE),
        ("catalog", "warn", "10:01 WARNING x", ""),
        ("queue", None, "just a line", ""),
    ]
    assert tail() == []


def test_half_a_line_waits_and_a_file_that_begins_anew_is_read_anew(tail):
    tail.queue.write_bytes(b"one INFO\ntwo IN")
    assert [line for _, _, line, _ in tail()] == ["one INFO"]
    with tail.queue.open("ab") as file:
        file.write(b"FO \xff\n")
    assert [line for _, _, line, _ in tail()] == ["two INFO \ufffd"]
    tail.queue.write_text("anew\n")
    assert [line for _, _, line, _ in tail()] == ["anew"]


def test_a_flood_is_spread_over_several_looks(tail):
    lines = 3 * (1 << 20) // 64
    tail.queue.write_text(("x" * 63 + "\n") * lines)
    seen = [len(tail()) for _ in range(4)]
    assert sum(seen) == lines
    assert seen[0] < lines
    assert seen[3] == 0


def test_logs_are_emptied_once_they_are_long_and_their_writers_go_on(tail, monkeypatch):
    monkeypatch.setattr(tailer_module, "MOST_BYTES", 1000)
    unread = tail.queue.with_name("database.log")
    lost = tail.queue.with_name("worker.log")
    with tail.queue.open("ab", 0) as queue, unread.open("ab", 0) as database:
        for turn in range(5):
            queue.write(b"x" * 900 + b"\n")
            database.write(b"y" * 900 + b"\n")
            assert [line[:1] for _, _, line, _ in tail()] == ["x"], turn
        queue.write(b"half a li")
        lost.write_text("z" * 3000)  # an unfinished line is waited for, but not without end
        tail()
        assert tail.queue.stat().st_size <= 2000
        assert unread.stat().st_size <= 2000
        assert lost.stat().st_size == 3000
        queue.write(b"ne\n")
        lost.write_text("z" * 4001)
        assert [line for _, _, line, _ in tail()] == ["half a line"]
    assert lost.stat().st_size == 0
