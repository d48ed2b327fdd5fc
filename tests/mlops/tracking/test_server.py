"""MLflow's own server side in its process: what it asks for, and what becomes of old tables."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from twinhelm.mlops.tracking import Tracking

WATCH = """
import sys

def note(event, args):
    if event in {"socket.connect", "socket.getaddrinfo"} and not str(args).startswith("(None, '/"):
        with open(%r, "a") as file:
            file.write(f"{event} {args}\\n")

sys.addaudithook(note)
open(%r, "w").close()
"""
OLD = """
import sys
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db import utils

engine = utils.create_sqlalchemy_engine(sys.argv[1])
utils.InitialBase.metadata.create_all(engine)
config = utils._get_alembic_config(str(engine.url))
head = utils._get_latest_schema_revision()
before = ScriptDirectory.from_config(config).get_revision(head).down_revision
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, before)
"""


def revision(database):
    with closing(sqlite3.connect(database)) as made:
        return made.execute("SELECT version_num FROM alembic_version").fetchone()[0]


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "mlflow"
    made.mkdir()
    return made


def test_it_asks_no_outside_address(folder, tmp_path, monkeypatch):
    noted, watched = tmp_path / "asked", tmp_path / "watched"
    (tmp_path / "sitecustomize.py").write_text(WATCH % (str(noted), str(watched)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    tracking = Tracking(folder)
    try:
        with tracking.client(patience_s=200) as client:
            made = client.post("experiments/create", name="e")
            client.post("runs/create", experiment_id=made["experiment_id"])
            client.post("registered-models/create", name="m")
            assert client.get("registered-models/get", name="m")["registered_model"]
    finally:
        tracking.close()
    assert watched.exists()
    assert not noted.exists(), noted.read_text()


def test_an_older_database_is_copied_and_brought_up_and_a_newer_one_left(folder):
    database = folder / "mlflow.sqlite"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OLD, f"sqlite:///{database}"],
        check=True, capture_output=True, timeout=250,
    )  # fmt: skip
    before = revision(database)
    tracking = Tracking(folder)
    try:
        tracking.wait_ready(200)
    finally:
        tracking.close()
    (copy,) = folder.glob("*before*")
    assert revision(copy) == before
    assert revision(database) != before
    with closing(sqlite3.connect(database)) as made, made:
        made.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    tracking = Tracking(folder)
    pause = threading.Event()
    try:
        tracking.start()
        for _ in range(2000):
            if "ffffffffffff" in str(tracking.trouble()):
                break
            pause.wait(0.1)
        assert "ffffffffffff" in str(tracking.trouble())
    finally:
        tracking.close()
    assert revision(database) == "ffffffffffff"
