"""The reference pages say what the program does, and every link in the docs leads somewhere."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest

from twinhelm.mlops.types import spec

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def wanted(group: str = "") -> list[str]:
    """The packages that the project asks for: to run, or in a dependency group."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = project["dependency-groups"][group] if group else project["project"]["dependencies"]
    return [re.split(r"[\[<>=~ ]", line)[0] for line in lines]


def pinned(lock: str) -> dict[str, str]:
    """The versions that a lock names."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, flags=re.MULTILINE))


PAGES = ["settings.md", "events.md", "commands.md", "routes.md", "product-file.md"]


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_the_program_says(name):
    page = runpy.run_path(str(DOCS / "generate.py"))["PAGES"][name]
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == page(), f"docs/{name} is stale: run `make docs`"


def test_every_key_of_a_product_file_has_a_meaning():
    tables = [
        value
        for value in vars(spec).values()
        if isinstance(value, type) and issubclass(value, spec.Part) and value is not spec.Part
    ]
    unsaid = [
        f"{each.__name__}.{name}"
        for each in tables
        for name, field in each.model_fields.items()
        if each is not spec.Spec and not field.description
    ]
    assert not unsaid


def test_every_link_leads_somewhere():
    wrong = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not wrong


def test_every_decision_is_listed():
    index = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    missing = [
        page.name
        for page in (DOCS / "decisions").glob("*.md")
        if page.name != "README.md" and page.name not in index
    ]
    assert not missing


def test_every_dependency_has_its_reason():
    """What is installed with the server is named on a page of decisions."""
    said = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "decisions").glob("*.md"))
    assert not [name for name in [*wanted(), *wanted("dev")] if f"`{name}`" not in said]


@pytest.mark.parametrize(
    ("lock", "groups"),
    [
        ("requirements.txt", ("", "build")),
        ("requirements-dev.txt", ("", "build", "dev")),
        ("requirements-serving.txt", ("serving",)),
    ],
)
def test_the_lock_holds_every_dependency_and_names_no_index(lock, groups):
    text = (ROOT / lock).read_text(encoding="utf-8")
    missing = {name for group in groups for name in wanted(group)} - set(pinned(lock))
    assert not missing, "run `make lock`"
    assert "://" not in text
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) > len(pinned(lock))


def test_an_outpost_has_the_very_packages_of_the_server():
    assert set(wanted("serving")) <= set(wanted())
    assert pinned("requirements-serving.txt").items() <= pinned("requirements.txt").items()
