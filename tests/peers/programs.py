"""The outside programs that tests run against: what each is called and how to get it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["PROGRAMS", "Program", "find", "require"]


@dataclass(frozen=True, slots=True)
class Program:
    """One outside program: names it is installed under, in order, and its Debian package.

    What is no Debian package says the whole command instead.
    """

    executables: tuple[str, ...]
    package: str
    folders: tuple[str, ...] = ()
    """Folders outside PATH to look in, as globs; the last match in sorted order wins."""
    module: str = ""
    """A Python package that the program's environment must hold."""


PROGRAMS = {
    "prometheus": Program(("prometheus",), "prometheus"),
    "alertmanager": Program(("prometheus-alertmanager", "alertmanager"), "prometheus-alertmanager"),
    "node_exporter": Program(
        ("prometheus-node-exporter", "node_exporter"), "prometheus-node-exporter"
    ),
    # Debian keeps the server out of PATH, one folder per major version.
    "postgresql": Program(("initdb",), "postgresql", ("/usr/lib/postgresql/*/bin",)),
    # Of PyPI, in an environment of its own; it forgets to ask for pyOpenSSL.
    "model_signing": Program(("model_signing",), "pip install model-signing pyOpenSSL"),
    # A library without a command: what is found is the Python of the environment that holds it.
    "tritonclient": Program(
        ("python",), "pip install 'tritonclient[http]>=2.73,<3'", module="tritonclient"
    ),
    "kubectl": Program(("kubectl",), "kubernetes-client"),
    "chromium": Program(("chromium", "chromium-browser", "google-chrome"), "chromium"),
}


def find(name: str) -> Path | None:
    """Return where the program is, or None; raises KeyError for a name not in the table."""
    program = PROGRAMS[name]
    for pattern in program.folders:
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            if (folder / program.executables[0]).is_file():
                return folder / program.executables[0]
    if program.module:
        places = map(Path, os.environ.get("PATH", "").split(os.pathsep))
        held = (
            p for p in places if any(p.parent.glob(f"lib/python*/site-packages/{program.module}"))
        )
        return next((p / program.executables[0] for p in held), None)
    for executable in program.executables:
        if path := shutil.which(executable):
            return Path(path)
    return None


def require(name: str) -> Path:
    """Return where the program is, or skip the test that asks, saying how to get it.

    Where ``TWINHELM_REQUIRE_PEERS=1`` (continuous integration) absence fails the test instead.
    """
    key = name.replace("-", "_")
    if key not in PROGRAMS:
        pytest.fail(f"no peer is called {name!r}; they are {', '.join(PROGRAMS)}")
    if path := find(key):
        return path
    package = PROGRAMS[key].package
    how = package if " " in package else f"apt-get install {package}"
    reason = f"{key} is not installed: {how}"
    if os.environ.get("TWINHELM_REQUIRE_PEERS") == "1":
        pytest.fail(f"{reason} (TWINHELM_REQUIRE_PEERS=1 allows no skip)")
    pytest.skip(reason)
