"""The program in this process, and one real server for all questions."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest

from peers.server import Twinhelm
from twinhelm.cli.main import main
from twinhelm.core import json


@dataclass
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out, max_bytes=1 << 28)


@pytest.fixture
def twinhelm(capsys, monkeypatch, tmp_path):
    """``twinhelm("status", "--json")``: run a command here, in a directory of its own."""
    for name in [name for name in os.environ if name.startswith("TWINHELM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*args):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        said = capsys.readouterr()
        return Ran(ended.value.code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def live(tmp_path_factory):
    """A server that watches no host, on a port that the system chose before."""
    server = Twinhelm(tmp_path_factory.mktemp("live") / "data", "--no-host")
    server.start()
    yield server
    assert server.stop() == 0, server.log
