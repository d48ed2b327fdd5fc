"""In what does a recipe run? Which code, which packages, which machine, named by content.

In: a product's folder; out: facts as text, of which equal ones mean an equal environment. A
*locked* environment is made by ``uv`` of the product's requirements, once for each set of pinned
versions, and kept. Wrong about code outside the product's folder that a recipe imports by a path
of its own.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import distributions
from pathlib import Path

from twinhelm.core.errors import BadInput, NotFound, TooLarge, Unavailable
from twinhelm.core.own.commit import commit_of
from twinhelm.core.own.process import run
from twinhelm.mlops.build.data import file_digest

__all__ = ["code", "described", "interpreter", "locked"]

CODE = {
    *(".py", ".ipynb", ".toml", ".txt", ".cfg", ".ini", ".lock"),
    *(".yaml", ".yml", ".json", ".sql", ".sh", ".r"),
}
NOT_CODE = {"product.toml", "mlruns", "mlartifacts", "__pycache__", "venv", "node_modules"}
"""The product file is no code: what of it matters for a run is recorded by itself."""
MAX_FILES = 10_000
UV_LIMIT_S = 1800.0


def described() -> dict[str, str]:
    """Tell of this interpreter and what is installed in it."""
    names = {f"{each.metadata['Name']}=={each.version}".lower() for each in distributions()}
    packages = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
    return {**_machine(), "environment": "own", "packages": packages}


def code(folder: Path) -> str:
    """Return the digest of a folder's code; behind a blank, the git commit where there is one.

    Counted are files by their ending (Python, notebooks, settings, queries), except hidden ones
    and the product file. Raises :class:`TooLarge` where the folder is no product's.
    """
    listed = []
    for place, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each not in NOT_CODE and each[0] != "."]
        here = Path(place)
        for name in files:
            path = here / name
            wanted = path.suffix.lower() in CODE and name not in NOT_CODE and name[0] != "."
            if wanted and path.is_file():
                listed.append(f"{path.relative_to(folder).as_posix()} {file_digest(path)}")
        if len(listed) > MAX_FILES:
            said = f"{folder} holds more than {MAX_FILES} files of code"
            raise TooLarge(said, hint="give the product a folder of its own")
    digest = hashlib.sha256("\n".join(sorted(listed)).encode()).hexdigest()
    return f"{digest} {commit_of(folder) or ''}".strip()


def locked(
    requirements: Path, cache: Path, *, log: Path, beat: Callable[[float, str], None]
) -> tuple[Path, dict[str, str]]:
    """Return the interpreter of an environment that holds exactly these requirements, and facts.

    Made by ``uv`` below ``cache`` where it is not there yet; what it says goes to ``log``.
    Raises :class:`NotFound` where uv or the file is missing, :class:`BadInput` where the
    requirements cannot be met, and what ``beat`` raises.
    """
    uv = _uv()
    if not requirements.is_file():
        hint = 'write it, or set build.environment = "own"'
        raise NotFound(f"there is no {requirements}", hint=hint)
    cache.mkdir(parents=True, exist_ok=True)
    pinned = log.with_suffix(".requirements")

    def call(*words: str) -> None:
        with log.open("ab") as said:
            ended = run(
                [*uv, *words], folder=requirements.parent, environment=os.environ, log=said,
                limit_s=UV_LIMIT_S, beat=beat,
            )  # fmt: skip
        if ended.code is None:
            raise Unavailable(f"uv {words[0]} took more than {UV_LIMIT_S:.0f} s")
        if ended.code:
            why = f"uv {' '.join(words[:2])} failed: {ended.last_line}"
            raise BadInput(why, hint=f"mend {requirements.name}; all uv said is in the run's log")

    call("pip", "compile", "--quiet", "--no-header", "--no-annotate", "--generate-hashes",
         "--python", sys.executable, str(requirements), "--output-file", str(pinned))  # fmt: skip
    packages = hashlib.sha256(pinned.read_bytes()).hexdigest()
    facts = {**_machine(), "environment": "locked", "packages": packages}
    place = _place(facts, cache)
    python = place / "bin" / "python"
    if interpreter(facts, cache) is None:
        shutil.rmtree(place, ignore_errors=True)  # what a crash left
        call("venv", "--quiet", "--python", sys.executable, str(place))
        call("pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(pinned))
        (place / "whole").touch()
    return python, facts


def interpreter(facts: Mapping[str, str], cache: Path) -> Path | None:
    """Find the interpreter of the locked environment with these facts; None where it is gone."""
    place = _place(facts, cache)
    python = place / "bin" / "python"
    return python if (place / "whole").is_file() and python.exists() else None


def _place(facts: Mapping[str, str], cache: Path) -> Path:
    told = "".join(facts[each] for each in ("python", "platform", "environment", "packages"))
    return cache / hashlib.sha256(told.encode()).hexdigest()[:32]


def _machine() -> Mapping[str, str]:
    return {"python": platform.python_version(), "platform": f"{sys.platform} {platform.machine()}"}


def _uv() -> list[str]:
    if path := shutil.which("uv"):
        return [path]
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    hint = 'pip install uv, or set build.environment = "own"'
    raise NotFound("a locked environment needs uv, which is not here", hint=hint)
