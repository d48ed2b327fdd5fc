"""The laws that every module of the house keeps, read from the source text alone.

Ruff, mypy and import-linter say much already (``make check``); here stands what they do not
say. Each law lists what breaks it, so that one run shows everything there is to mend.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "twinhelm"
TESTS = ROOT / "tests"

MAX_LINES_A_FILE = 400
MAX_LINES_OF_CODE = {"house": 48_900, "lab": 7_500}  # decision 017
MAX_ENTRIES_A_FOLDER = 16  # about twelve is meant; past sixteen nobody sees the whole
MIN_WORDS_OF_A_MODULE = 5

# Brackets keep each pattern from finding itself.
UNFINISHED = re.compile(r"TO[D]O|FIX[M]E|XX[X]|NotImplemented[E]rror|Not furnished [y]et")
FOREIGN = re.compile(
    r"p[y]pi\.org|pythonh[o]sted|registry\.n[p]m|deb\.d[e]bian"  # an index belongs to the reader
    r"|/w[o]rk/[a-z.]|/r[o]ot/|/h[o]me/[a-z]|/tm[p]/w/"  # a path of somebody's machine
)
# What calls such a function is the registry that it is handed to, never an importer.
REGISTERING = {"callback", "command", "delete", "get", "page", "patch", "post", "put"}
FILLER = {
    "a",
    "all",
    "an",
    "and",
    "for",
    "from",
    "in",
    "is",
    "of",
    "on",
    "or",
    "return",
    "the",
    "to",
}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@functools.cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package by its path, parsed."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(SOURCE.rglob("*.py"))
    }


def holds(wrong: list[str]) -> None:
    """Fail with every breach on a line of its own."""
    if wrong:
        pytest.fail("\n".join(sorted(wrong)), pytrace=False)


def public(body: list[ast.stmt]) -> Iterator[Definition]:
    """The functions and classes of a body that outsiders may use."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node


def loaded_by_path(path: str) -> bool:
    """Whether a tool runs the module by its path (Alembic does), so that nobody imports it."""
    return "/migrations/" in path


def registered(node: Definition) -> bool:
    """Whether a decorator hands the function to a registry, such as ``@app.command()``."""
    return any(
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr in REGISTERING
        for decorator in node.decorator_list
    )


def handed_over(tree: ast.Module) -> set[str]:
    """The registered functions of a module, and the types that only their signatures need."""
    names: set[str] = set()
    for node in public(tree.body):
        if registered(node):
            names.add(node.name)
            if not isinstance(node, ast.ClassDef):
                for part in (node.args, node.returns):
                    names |= {
                        leaf.id
                        for leaf in ast.walk(part or node.args)
                        if isinstance(leaf, ast.Name)
                    }
    return names


def top_names(tree: ast.Module) -> set[str]:
    """The names that a module binds at its top, also under ``if`` and ``try``."""
    names: set[str] = set()
    blocks: list[ast.stmt] = list(tree.body)
    while blocks:
        node = blocks.pop()
        if isinstance(node, Definition):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                names |= {leaf.id for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}
        elif isinstance(node, ast.If | ast.Try):
            blocks += [*node.body, *node.orelse, *getattr(node, "finalbody", [])]
            blocks += [inner for handler in getattr(node, "handlers", []) for inner in handler.body]
    return names


def declared(tree: ast.Module) -> list[str] | None:
    """``__all__`` as written, or None where there is none."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            assert node.value is not None
            return [str(name) for name in ast.literal_eval(node.value)]
    return None


def words(text: str) -> set[str]:
    """The words of a name or sentence, lower case, without filler."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    return {word.lower() for word in re.findall(r"[A-Za-z0-9]+", spaced)} - FILLER


def says_nothing(doc: str | None, name: str) -> bool:
    """Whether a docstring is absent or only repeats the name it stands under."""
    return not doc or words(doc) <= words(name)


def test_every_module_says_what_it_is_for():
    wrong = [
        path
        for path, tree in modules().items()
        if len((ast.get_docstring(tree) or "").split()) < MIN_WORDS_OF_A_MODULE
    ]
    holds(wrong)


def test_every_public_name_says_what_it_does():
    wrong = []
    for path, tree in modules().items():
        for node in public(tree.body):
            if says_nothing(ast.get_docstring(node), node.name):
                wrong.append(f"{path}:{node.lineno} {node.name}")
            if isinstance(node, ast.ClassDef):
                wrong += [
                    f"{path}:{inner.lineno} {node.name}.{inner.name}"
                    for inner in public(node.body)
                    if says_nothing(ast.get_docstring(inner), inner.name)
                ]
    holds(wrong)


def test_all_is_there_and_true():
    """Ruff keeps it sorted; a package that only carries a docstring needs none."""
    wrong = []
    for path, tree in modules().items():
        if loaded_by_path(path) or (len(tree.body) == 1 and path.endswith("__init__.py")):
            continue
        names = declared(tree)
        if names is None:
            wrong.append(f"{path}: no __all__")
            continue
        bound, over = top_names(tree), handed_over(tree)
        wrong += [f"{path}: {name} is listed twice" for name in set(names) if names.count(name) > 1]
        wrong += [f"{path}: {name} does not exist" for name in names if name not in bound]
        wrong += [
            f"{path}:{node.lineno} {node.name} is public and not in __all__"
            for node in public(tree.body)
            if node.name not in names and node.name not in over
        ]
    holds(wrong)


def test_files_stay_readable_in_one_sitting():
    wrong = [
        f"{path.relative_to(ROOT)}: {count} lines, the limit is {MAX_LINES_A_FILE}"
        for path in SOURCE.rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES_A_FILE
    ]
    holds(wrong)


def lines_of_code(tree: ast.Module, text: str) -> int:
    """Count the lines that are neither blank, nor a comment alone, nor part of a docstring."""
    told: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            told.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and number not in told
        for number, line in lines
    )


def test_the_source_stays_readable_in_a_week():
    total = dict.fromkeys(MAX_LINES_OF_CODE, 0)
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        part = "lab" if SOURCE / "lab" in path.parents else "house"
        total[part] += lines_of_code(ast.parse(text), text)
    holds([f"{part}: {n} lines" for part, n in total.items() if n > MAX_LINES_OF_CODE[part]])


def test_folders_stay_small():
    wrong = []
    for folder in [SOURCE, *(path for path in SOURCE.rglob("*") if path.is_dir())]:
        entries = [
            entry.name
            for entry in folder.iterdir()
            if entry.name not in {"__init__.py", "__pycache__", "py.typed"}
        ]
        if folder.name != "__pycache__" and len(entries) > MAX_ENTRIES_A_FOLDER:
            wrong.append(f"{folder.relative_to(ROOT)}: {len(entries)} entries")
    holds(wrong)


def test_no_room_is_empty():
    """A package holds modules, packages, or code of its own."""
    wrong = [
        path
        for path, tree in modules().items()
        if path.endswith("__init__.py")
        and len(tree.body) == 1
        and not any(
            other.startswith(path.removesuffix("__init__.py"))
            for other in modules()
            if other != path
        )
    ]
    holds(wrong)


def test_nothing_is_unfinished():
    wrong = [
        f"{path}:{number} {line.strip()}"
        for path in modules()
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    holds(wrong)


def test_only_commands_print():
    wrong = [
        f"{path}:{node.lineno}"
        for path, tree in modules().items()
        if "/cli/" not in path
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    holds(wrong)


def test_nothing_names_a_machine_or_an_index():
    texts = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in ("src", "tests", "docs", "benchmarks", ".ci"):
        texts += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    wrong = []
    for path in texts:
        if "__pycache__" in path.parts or ".egg-info" in str(path):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a picture or another binary file
            continue
        if found := FOREIGN.search(text):
            wrong.append(f"{path.relative_to(ROOT)}: {found.group()}")
    holds(wrong)


def test_every_room_has_its_tests():
    """The tests of a package stand under its path in ``tests``, or name it from the room above."""
    rooms = {
        Path(path).parent.relative_to("src/twinhelm")
        for path in modules()
        if not path.endswith("__init__.py") and not loaded_by_path(path)
    }
    wrong = []
    for room in rooms:
        name = ".".join(("twinhelm", *room.parts))
        tests = [*(TESTS / room).rglob("test_*.py")] or [
            test
            for test in (TESTS / room).parent.glob("test_*.py")
            if name in test.read_text(encoding="utf-8")
        ]
        if not tests:
            wrong.append(room.as_posix())
    holds(wrong)


def test_what_is_imported_is_asked_for():
    """Every outside package that the source imports stands in ``pyproject.toml`` itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split(r"[\[<>=~ ]", line)[0] for line in project["dependencies"]}
    owners = importlib.metadata.packages_distributions()
    wrong = []
    for path, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            else:
                continue
            for name in {name.partition(".")[0] for name in names} - sys.stdlib_module_names:
                known = {owner.lower().replace("_", "-") for owner in owners.get(name, [name])}
                if name != "twinhelm" and not known & asked:
                    wrong.append(f"{path}:{node.lineno} {name}")
    holds(wrong)


def test_imports_go_down_only():
    """The contracts in ``pyproject.toml``; see docs/architecture.md for what they mean."""
    # A process of its own: in ours it would silence every logger that exists already.
    program = Path(sys.executable).with_name("lint-imports")
    told = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr
