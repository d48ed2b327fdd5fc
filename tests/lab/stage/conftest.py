"""What the stage's tests share: backends, and one lab for all tests of a module."""

from __future__ import annotations

import pytest

from lab.stage.running import LabRun, Sink


@pytest.fixture
def sink():
    """A backend that keeps what it is sent."""
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture(scope="module")
def lab_sink():
    """The backend of ``lab``."""
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory, lab_sink):
    """A lab that is up and scrapes twice a second; no longer than needed, for it is busy."""
    folder = tmp_path_factory.mktemp("lab") / "shop"
    lab = LabRun(folder, "--to", lab_sink.url, "--interval", "0.5")
    try:
        yield lab.wait_ready()
    finally:
        lab.end()
