"""A version runs in the locked environment that it was built in, or says what to do without it.

uv's part is played by ``venv`` and a package without an index: the environments are real.
"""

from __future__ import annotations

import os
import shutil
import site
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlops.deploy import models
from mlops.flow.test_builds import SPEC, Shop
from mlops.flow.test_rollouts import until
from peers.memory_predictions import MemoryPredictions
from twinhelm.core.errors import NotFound
from twinhelm.mlops import records as rows
from twinhelm.mlops.deploy import Serving
from twinhelm.mlops.deploy.seeds import DoesNotLoad
from twinhelm.mlops.flow.rollouts import Rollouts
from twinhelm.mlops.types import ProductVersion, RolloutState, Stage

UV = """\
#!{python}
import pathlib, subprocess, sys
words = sys.argv[1:]
if "compile" in words:
    pathlib.Path(words[-1]).write_text(pathlib.Path(words[-3]).read_text())
elif words[0] == "venv":
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", words[-1]], check=True)
else:
    place = next(pathlib.Path(words[-2]).parent.parent.glob("lib/python*/site-packages"))
    (place / "house.pth").write_text({packages!r})
    (place / "only_here.py").write_text({module!r})
"""
ONLY_HERE = """\
import numpy as np
class Model:
    def predict(self, x):
        return np.full(len(x), 42.0)
"""
PICKLED = b"conly_here\nModel\n(tR."


@pytest.fixture
def shop(tmp_path, monkeypatch):
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    packages = "\n".join(site.getsitepackages())
    uv.write_text(UV.format(python=sys.executable, packages=packages, module=ONLY_HERE))
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}:{os.environ['PATH']}")
    made = Shop(tmp_path)
    made.put("requirements.txt", "only-here==1.0\n")
    made.put("train.py", "import only_here\n" + (made.folder / "train.py").read_text())
    made.frame(SPEC + 'environment = "locked"\n')
    yield made
    made.workflows.close()


def built(shop):
    """Build version 1, and remember which run made it, as the register does."""
    run = shop.build()
    assert run.state == "done", run.error
    with shop.journal.writing("ada") as write:
        version = rows.need(write, ProductVersion, "digits/1")
        rows.put(write, replace(version, build=str(run.number), stage=Stage.APPROVED))


def test_what_was_built_apart_is_served_apart_and_says_when_that_place_is_gone(shop, tmp_path):
    built(shop)
    python = Path(shop.builds.python_of("digits", "1"))
    assert python.is_relative_to(tmp_path / "runs" / ".environments")
    folder = models.write(tmp_path / "m", PICKLED, inputs=models.columns(*models.FEATURES))
    serving = Serving(MemoryPredictions(), shop.clock)
    rollouts = Rollouts(
        shop.records, shop.journal, shop.clock, shop.workflows, serving, shop.desk.spec,
        lambda *_: folder, lambda *_: None, shop.builds.python_of,
    )  # fmt: skip
    rollouts.register()
    try:
        with pytest.raises(DoesNotLoad, match="only_here"):
            serving.scorer(folder, serving.limits(None)).__enter__()
        with serving.scorer(folder, serving.limits(None, str(python))) as scorer:
            table = {name: np.zeros(2) for name in models.FEATURES}
            assert scorer.score(table).prediction.tolist() == [42.0, 42.0]
        rollouts.start("digits", "1", by="ada")
        until(lambda: rollouts.rollouts("digits")[0].state is not RolloutState.RUNNING)
        assert rollouts.deployment("digits").champion == "1", rollouts.rollouts("digits")
    finally:
        serving.close()

    shutil.rmtree(python.parent.parent)
    with pytest.raises(NotFound, match="environment that digits/1 was built in is gone") as gone:
        shop.builds.python_of("digits", "1")
    assert "twinhelm run again digits 1" in gone.value.hint
    again = shop.wait(shop.builds.again("digits", 1, by="ada"))
    assert again.state == "done", again.error
    assert shop.builds.python_of("digits", "1") == str(python)


def test_what_somebody_brought_runs_in_the_house_s_own(shop):
    with shop.journal.writing("ada") as write:
        rows.put(write, ProductVersion("digits", "9", Stage.REGISTERED, 0, "m"))
    assert shop.builds.python_of("digits", "9") == ""
