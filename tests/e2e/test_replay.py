"""``twinhelm lab replay`` as a real process: the recording that comes with the package, twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twinhelm.core import json

PROGRAM = str(Path(sys.executable).with_name("twinhelm"))
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("TWINHELM_")}


def replay(out, seed):
    ran = subprocess.run(
        [PROGRAM, "lab", "replay", "--json", "--out", str(out)],
        capture_output=True,
        env=ENVIRONMENT | {"PYTHONHASHSEED": seed},
        cwd=out.parent,
        timeout=250,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    files = {file.name: file.read_bytes() for file in out.iterdir()}
    return json.loads(ran.stdout), files


def test_the_same_recording_gives_the_same_incidents_byte_for_byte(tmp_path):
    said, files = replay(tmp_path / "one", "1")
    again, same = replay(tmp_path / "two", "2")
    assert files == same
    assert said["score"] == again["score"]
    assert said["refused"] == []
    assert said["times_as_fast"] > 1
    (fault,) = said["score"]["faults"]
    assert fault["detected"]
    assert len(files) > 1
