"""The whole house: opened, started, ended, copied and restored."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from peers.lab import argv_of
from twinhelm.aiops.detect import DETECTOR
from twinhelm.aiops.diagnose import RANKER
from twinhelm.aiops.flow.watch import CHECKPOINT
from twinhelm.aiops.forecast import FORECASTER
from twinhelm.aiops.types import Received
from twinhelm.app import house as house_module
from twinhelm.app import open_house, open_ledger, restore_backup
from twinhelm.app.lab import Lab
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import Conflict, NewerFormat, NotFound, Refused, StoreFull, Unavailable
from twinhelm.core.labels import labels_of
from twinhelm.core.roles import Right, Role, allows
from twinhelm.core.settings import Settings
from twinhelm.core.telemetry import SampleBlock


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "data", host={"enabled": False})


@pytest.fixture
def opened():
    """``opened(settings)``: a house that is stopped when the test is over."""
    houses = []

    def open_one(settings, **more):
        houses.append(open_house(settings, **more))
        return houses[-1]

    yield open_one
    for house in houses:
        house.stop()


def wait(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def fill(house, count=50):
    """Keep samples of a series; returns what was kept."""
    ids = house.intake.decoders("default").intern([labels_of([("__name__", "load")])])
    now = house.clock.now_ms()
    times = np.arange(now - 1000 * count, now, 1000)
    block = SampleBlock(np.repeat(ids, count), times, np.arange(count, dtype=float))
    house.intake.take(Received(samples=block), door="test", tenant="default")
    return block


def kept(house):
    block = house.telemetry.read_samples(np.zeros(1, np.uint32), 0, 2**62)
    return block.time_ms.tolist(), block.value.tolist()


def kinds(house):
    return [row.kind for row in house.journal.read()]


def test_a_house_starts_judges_and_ends_in_order(opened, settings):
    house = opened(settings)
    assert not house.ready
    house.start()
    wait(lambda: house.ready)
    fill(house)
    wait(lambda: house.meters.judged._value.get() == 50)
    house.stop()
    house.stop()
    assert not house.ready
    again = opened(settings)
    assert len(kept(again)[0]) == 50
    assert again.blobs.get(CHECKPOINT) is not None
    assert kinds(again)[0] == "server.started"
    assert kinds(again)[-1] == "server.stopped"
    assert [thread for thread in threading.enumerate() if "twinhelm-watch" in thread.name] == []


def test_a_house_is_not_ready_while_commands_cannot_find_it(opened, settings):
    house = opened(settings)
    house.announced = False
    house.start()
    wait(lambda: house.watch.resumed)
    assert not house.ready
    house.announced = True
    assert house.ready


def test_a_house_that_was_never_started_tells_of_no_stop(opened, settings):
    house = opened(settings)
    house.stop()
    assert kinds(opened(settings)) == []


def test_its_own_algorithms_are_products_once(opened, settings):
    for _ in range(2):
        house = opened(settings)
        house.start()
        found = {f"{each.name}/{each.live}" for each in house.models.desk.all()}
        assert found == {DETECTOR, RANKER, FORECASTER}
        house.stop()
    assert kinds(opened(settings)).count("detector.registered") == 3


def test_settings_that_changed_are_told_without_their_secrets(opened, settings, tmp_path):
    for sensitivity, endpoint in ((0.5, ""), (0.5, ""), (0.7, "http://ann:hunter2@127.0.0.1:1")):
        changed = settings.model_copy(
            update={
                "detect": settings.detect.model_copy(update={"sensitivity": sensitivity}),
                "tracing": settings.tracing.model_copy(update={"otlp_endpoint": endpoint}),
            }
        )
        house = opened(changed)
        house.start()
        rows = house.journal.read(kind="settings.seen")
        house.stop()
    (row,) = rows
    assert row.body["changed"] == {
        "detect.sensitivity": "0.7",
        "tracing.otlp_endpoint": "http://ann:***@127.0.0.1:1",
    }


def test_the_host_collector_feeds_the_house(opened, settings):
    house = opened(settings.model_copy(update={"host": type(settings.host)(interval_s=1)}))
    house.start()
    wait(lambda: house.telemetry.stats().samples > 20)
    wait(lambda: house.meters.judged._value.get() > 0)


def test_a_disk_that_was_full_for_a_moment_is_in_the_journal(opened, settings, monkeypatch):
    clock = FakeClock()
    house = opened(settings, clock=clock)
    house.housekeeping.measure()
    with monkeypatch.context() as moment:
        moment.setattr(house.telemetry, "_append_log", Full())
        with pytest.raises(StoreFull):
            fill(house)
    fill(house)
    for seconds in (5, 6):  # the next looks of the housekeeping
        clock.advance(seconds)
        house.housekeeping.measure()
    assert kinds(house) == ["store.stopped_taking", "store.resumed_taking"]
    assert house.journal.read()[0].body["reason"] == "just now no room"


class Full:
    """An append log on a disk without room."""

    damage = ()

    def append(self, kind, parts):
        raise StoreFull("no room")

    def wait(self):
        """Nothing was written."""


def test_one_bad_look_at_the_host_is_not_the_last(opened, settings, monkeypatch, caplog):
    house = opened(settings.model_copy(update={"host": type(settings.host)(interval_s=1)}))
    receive = type(house.host).receive
    looks = []

    def once_bad(self, *args):
        looks.append(1)
        if len(looks) == 1:
            raise ZeroDivisionError
        return receive(self, *args)

    monkeypatch.setattr(type(house.host), "receive", once_bad)
    house.start()
    wait(lambda: house.telemetry.stats().samples > 0)
    assert "host not read" in caplog.text


def test_what_a_back_fill_sends_along_rests_in_no_table_and_no_backup(opened, settings, tmp_path):
    house = opened(settings)
    with socket.create_server(("127.0.0.1", 0)) as asked:
        asked.settimeout(20)
        url = f"http://127.0.0.1:{asked.getsockname()[1]}"
        wish = {"selector": "up", "start_ms": 0, "end_ms": 1, "by": "ann"}
        run_id = house.history.backfill(url, headers={"Authorization": "Bearer hush"}, **wish)
        with asked.accept()[0] as question:
            (kept,) = (settings.data / "secrets" / "runs").iterdir()
            assert b"Bearer hush" in kept.read_bytes()
            assert b"hush" not in (settings.data / "workflows.sqlite").read_bytes()
            house.backup(tmp_path / "copy", by="ann")
            house.workflows.cancel(run_id)
            question.sendall(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")
    assert not any((settings.data / "secrets" / "runs").iterdir())
    copies = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert copies
    assert not any(b"hush" in path.read_bytes() for path in copies)


def test_a_backup_holds_everything_and_serving_goes_on(opened, settings, tmp_path):
    house = opened(settings)
    house.start()
    fill(house)
    wait(lambda: house.meters.judged._value.get() == 50)
    house.watch.save()
    house.identities.create_token("prom", [Role.OPERATOR], by="ada")
    target = tmp_path / "copy"
    house.backup(target, by="ada")
    before = kept(house)
    taken = house.journal.read(kind="backup.taken")
    assert taken[0].actor == "ada"
    assert taken[0].body["size_bytes"] > 0
    fill(house, 5)
    house.stop()
    fresh = Settings(data=tmp_path / "fresh", host={"enabled": False})
    fresh.data.mkdir()
    (fresh.data / "twinhelm.toml").write_text("[server]\n")
    restore_backup(target, fresh, by="ben")
    restored = opened(fresh)
    assert kept(restored) == before
    assert restored.journal.verify().ok
    assert kinds(restored)[-1] == "restore.done"
    assert [each.name for each in restored.identities.tokens()] == ["prom"]
    restored.start()
    wait(lambda: restored.ready)
    assert restored.watch.detector.seen_ms().tolist() == [before[0][-1]]


def test_a_backup_goes_nowhere_but_to_an_empty_directory(opened, settings, tmp_path):
    house = opened(settings)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "letter").touch()
    with pytest.raises(Conflict, match="letter"):
        house.backup(tmp_path / "copy", by="ada")
    with pytest.raises(Refused):
        house.backup(tmp_path / "copy" / "letter" / "deeper", by="ada")


def test_only_a_backup_is_restored_and_only_into_nothing(opened, settings, tmp_path):
    with pytest.raises(NotFound):
        restore_backup(tmp_path, settings, by="ada")
    house = opened(settings)
    house.backup(tmp_path / "copy", by="ada")
    house.stop()
    with pytest.raises(Conflict):
        restore_backup(tmp_path / "copy", settings, by="ada")


def test_a_data_directory_that_is_a_file_is_refused(settings, tmp_path):
    (tmp_path / "data").touch()
    with pytest.raises(Refused, match="data"):
        open_house(settings)


def test_a_data_directory_that_cannot_be_written_is_refused(settings):
    # Not even root may make a directory here.
    nowhere = settings.model_copy(update={"data": Path("/proc/twinhelm")})
    with pytest.raises(Refused, match="cannot be used"):
        open_house(nowhere)


def test_a_second_house_in_the_same_directory_is_refused(opened, settings):
    opened(settings)
    with pytest.raises(Conflict):
        open_house(settings)


def test_a_newer_format_is_left_alone(opened, settings):
    opened(settings).stop()
    file = settings.data / "telemetry" / "FORMAT"
    file.write_text("99\n")
    with pytest.raises(NewerFormat, match="99"):
        open_house(settings)
    assert file.read_text() == "99\n"


def test_what_fails_while_opening_leaves_nothing_open(opened, settings, monkeypatch):
    def refuse(*_):
        raise Refused("no rooms today")

    with monkeypatch.context() as patched:
        patched.setattr(house_module, "Watch", refuse)
        with pytest.raises(Refused):
            open_house(settings)
    assert opened(settings).telemetry.stats().samples == 0


@pytest.mark.parametrize("required", [False, True])
def test_the_lab_is_handed_a_token_where_one_is_needed_and_ends_first(
    opened, settings, monkeypatch, required
):
    handed = []

    def lab(folder, url, *, env):
        handed.append(env.get("TWINHELM_LAB_TOKEN"))
        return Lab(folder, url, argv=argv_of(folder), env=env)

    monkeypatch.setattr(house_module, "Lab", lab)
    auth = settings.auth.model_copy(update={"required": required})
    for _ in range(2):
        house = opened(settings.model_copy(update={"auth": auth}))
        tour = house.open_lab("http://127.0.0.1:1")
        wait(lambda tour=tour: tour.faults)
        if required:
            assert allows(house.identities.resolve_token(handed[-1]), Right.INGEST)
            assert not allows(house.identities.resolve_token(handed[-1]), Right.ADMIN)
        house.stop()
        with pytest.raises(Unavailable, match="not started"):
            tour.lab.up()
    assert [bool(token) for token in handed] == [required] * 2


def test_the_ledger_opens_beside_a_running_house(opened, settings):
    house = opened(settings)
    house.start()
    records, journal = open_ledger(settings)
    try:
        assert journal.verify().ok
        assert [row.kind for row in journal.read()][:1] == ["server.started"]
    finally:
        records.close()
