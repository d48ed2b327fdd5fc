"""What happens in a recipe's own process? It is run as if by hand, from a known beginning.

A program that needs the standard library alone, as a locked environment has no twinhelm in it.
It reads ``TWINHELM_RECIPE`` (``train.py``, ``notebook.ipynb`` or ``package.module:function``)
in the product's folder, seeds ``random`` and, where it is there, numpy, and runs it:

- a script as ``python train.py`` would;
- a notebook's code cells in order in one namespace; lines of shell and magic (``!``, ``%``) are
  left out and told of, a cell of magic (``%%``) ends the run;
- a function with those of ``seed``, ``train``, ``holdout`` and the parameters that it takes.
"""

import importlib.util
import inspect
import json
import linecache
import os
import random
import runpy
import sys
import types
from pathlib import Path
from typing import Any

__all__: list[str] = []


def _main(recipe: str) -> None:
    seed = int(os.environ["TWINHELM_SEED"])
    # Not this file's folder, whose modules would hide the recipe's.
    sys.path[0] = str(Path.cwd())
    sys.argv = [recipe]
    random.seed(seed)
    if importlib.util.find_spec("numpy"):
        # The recipe's own global generator, so that a script that names no seed repeats itself.
        importlib.import_module("numpy.random").seed(seed % 2**32)
    module, _, function = recipe.partition(":")
    if function:
        _call(module, function, seed)
        return
    sys.path.insert(0, str(Path(recipe).resolve().parent))
    if recipe.endswith(".ipynb"):
        _notebook(Path(recipe))
    else:
        runpy.run_path(recipe, run_name="__main__")


def _call(module: str, name: str, seed: int) -> None:
    function: Any = importlib.import_module(module)
    for part in name.split("."):
        function = getattr(function, part)
    given: dict[str, Any] = _read(Path(os.environ["TWINHELM_PARAMS"]))
    given |= {"seed": seed}
    given |= {role: os.environ.get(f"TWINHELM_{role.upper()}", "") for role in ("train", "holdout")}
    takes = inspect.signature(function).parameters
    function(**{key: value for key, value in given.items() if key in takes})


def _notebook(path: Path) -> None:
    main = types.ModuleType("__main__")
    main.__dict__["__file__"] = str(path)
    sys.modules["__main__"] = main
    code = [cell for cell in _read(path)["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(code, 1):
        name = f"{path.name}[code cell {number}]"
        lines = "".join(cell["source"]).splitlines(keepends=True)
        if lines and lines[0].startswith("%%"):
            sys.exit(f"{name}: {lines[0].strip()} is for Jupyter alone; write it as Python")
        for at, line in enumerate(lines):
            if line.lstrip().startswith(("%", "!")):
                sys.stderr.write(f"{name}: left out: {line.strip()}\n")
                lines[at] = line[: len(line) - len(line.lstrip())] + "pass\n"
        source = "".join(lines)
        linecache.cache[name] = (len(source), None, lines, name)  # for tracebacks
        exec(compile(source, name, "exec"), main.__dict__)  # noqa: S102 - the recipe itself


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))  # noqa: TID251 - core is not in here


if __name__ == "__main__":
    _main(os.environ["TWINHELM_RECIPE"])
