"""What is installed and loaded, and how heavy that is: for the server, and for an outpost.

The server's packages are weighed where they lie. An outpost's environment is built from its own
lock and asked, where packages can be fetched; that an outpost loads nothing besides is tried
everywhere, by taking everything else away.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import httpx
import pytest

from mlops.deploy import models

ROOT = Path(__file__).parents[2]
MOST_MB = 800
MOST_SERVING_MB = 200
HEAVY = ("scipy", "scikit-learn", "pandas", "pyarrow", "mlflow")
"""What users' models and clients bring along, and the server does without."""


def locked(lock: str = "requirements.txt") -> set[str]:
    lines = (ROOT / lock).read_text().splitlines()
    return {found[1].lower() for line in lines if (found := re.match(r"([A-Za-z0-9._-]+)==", line))}


def megabytes(name: str) -> float:
    try:
        files = distribution(name).files or ()
    except PackageNotFoundError:  # of another platform
        return 0.0
    places = (Path(str(each.locate())) for each in files)
    return sum(place.stat().st_size for place in places if place.is_file()) / 1e6


def test_the_server_stays_light():
    weights = {name: megabytes(name) for name in locked()}
    heaviest = sorted(weights.items(), key=lambda one: -one[1])[:12]
    assert sum(weights.values()) < MOST_MB, heaviest
    assert sum(weights.values()) > 100, "nothing was weighed"


def test_the_server_asks_for_nothing_that_only_models_need():
    assert not set(HEAVY) & locked()


BARE = """
import sys
for name in {names!r}:
    sys.modules[name] = None  # which Python takes as "not there"
"""


def test_an_outpost_loads_nothing_but_what_its_lock_holds(exporting_house, start_outpost, tmp_path):
    """Everything else that is installed here is taken away from it; its model has it."""
    known = {name.replace("_", "-").lower() for name in locked("requirements-serving.txt")}
    away = [
        name
        for name, owners in packages_distributions().items()
        if not {owner.replace("_", "-").lower() for owner in owners} & {*known, "twinhelm"}
    ]
    assert {"duckdb", "numba", "nicegui", "dbos", "mlflow", "pandas", "sqlalchemy"} <= {*away}
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "sitecustomize.py").write_text(BARE.format(names=away))
    path = os.pathsep.join([str(tmp_path / "bare"), os.environ.get("PYTHONPATH", "")])
    asked(
        start_outpost(
            exporting_house.export(models.logistic(tmp_path / "m")),
            key=exporting_house.key,
            env={"PYTHONPATH": path.rstrip(os.pathsep)},
        )
    )


@pytest.mark.timeout(900)
def test_an_outpost_is_installed_in_less_than_200_mb(exporting_house, start_outpost, tmp_path):
    """Built from the lock alone; the model's libraries lie in the interpreter of these tests."""
    folder = tmp_path / "outpost"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    install(python, "--require-hashes", "-r", str(ROOT / "requirements-serving.txt"))
    install(python, "--no-deps", "--no-index", str(wheel(tmp_path / "wheel")))
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    weight_mb = sum(path.stat().st_size for path in files) / 1e6
    assert 50 < weight_mb < MOST_SERVING_MB
    asked(
        start_outpost(
            exporting_house.export(models.logistic(tmp_path / "m")),
            key=exporting_house.key,
            flags=("--python", sys.executable),
            env={"PYTHONPATH": ""},
            program=python.with_name("twinhelm"),
        )
    )


def asked(post):
    """Ask an outpost over HTTP, then end it as a crash would."""
    rows = {"dataframe_split": {"columns": ["a", "b", "c"], "data": [[9.0, 9.0, 9.0]]}}
    url = f"{post.url}/models/fraud/invocations"
    answer = httpx.post(url, json=rows, timeout=60, trust_env=False)
    assert answer.json()["predictions"] == ["yes"], answer.text
    post.kill9()


def install(python, *what):
    """Install by pip; without a way to fetch packages skip, but not in CI."""
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        pip = [shutil.which("pip") or "pip"]
    command = [*pip, "--python", str(python), "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, *what], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"packages cannot be fetched: {done.stderr[-2000:]}"
        if os.environ.get("TWINHELM_REQUIRE_PEERS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


def wheel(folder):
    """Build our own wheel of a copy of the source, by what builds it everywhere."""
    folder.mkdir()
    shutil.copytree(
        ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('.'))"
    subprocess.run([sys.executable, "-c", build], cwd=folder, check=True, capture_output=True)
    return next(folder.glob("*.whl"))
