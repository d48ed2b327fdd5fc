"""Where a version comes from and where it went: data, run, version, approval, deployment.

In come the :class:`~twinhelm.mlops.govern.facts.Sources` of one version or several; out go edges
between named things, and a Mermaid flowchart of them. Text of people and records is escaped: what
is neither a letter, a digit nor harmless is written as a character number. Pure; what was not
recorded has no edge.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from twinhelm.mlops.govern.facts import Sources
from twinhelm.mlops.types import ApprovalState

__all__ = ["Edge", "Lineage", "edges", "mermaid"]

_RISKY = re.compile(r"[^\w .,:/@+=-]")
_SHAPES = {"data": ("[(", ")]"), "approval": ("{{", "}}"), "deployment": ("([", "])")}
_SHORT = 12


@dataclass(frozen=True, slots=True)
class Edge:
    """``start`` led to ``end``, as ``says`` tells; both are ``kind:name``."""

    start: str
    end: str
    says: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """Edges from raw data to who answers, and their picture."""

    mermaid: str
    edges: tuple[Edge, ...]


def edges(sources: Sources) -> list[Edge]:
    """Return the edges of one version; none without a version."""
    return list(dict.fromkeys(_walk(sources)))


def _walk(sources: Sources) -> Iterator[Edge]:
    version, run, spec = sources.version, sources.run, sources.spec
    if version is None:
        return
    at = f"version:{version.ref}"
    made = f"run:{run.product}/{run.number}" if run else at
    used = dict(version.data) or (dict(run.data) if run else {})
    for role, digest in used.items():
        place = getattr(spec.data, role, "") if spec else ""
        if place:
            yield Edge(f"data:{place}", f"data:{digest}", "read as")
        yield Edge(f"data:{digest}", made if role == "train" else at, role)
    if run:
        if run.code:
            yield Edge(f"code:{run.code}", made, "recipe")
        if run.again:
            yield Edge(f"run:{run.product}/{run.again}", made, "made again")
        yield Edge(made, at, "made")
    elif version.run_id:
        yield Edge(f"mlflow:{version.run_id}", at, "logged")
    checked = sources.validation
    last = at
    if checked:
        last = f"validation:{version.ref}"
        yield Edge(at, last, "passed" if checked.passed else "did not pass")
        if checked.against:
            yield Edge(f"version:{version.product}/{checked.against}", last, "compared with")
    if asked := sources.approval:
        agreed = asked.state is ApprovalState.APPROVED
        who = ", ".join(sorted(each.by for each in asked.answers)) or asked.asked_by
        yield Edge(last, f"approval:{asked.id}", f"{asked.state} by {who}")
        last = f"approval:{asked.id}" if agreed else last
    for part in sources.deployment.parts if sources.deployment else ():
        if part.version == version.version:
            yield Edge(last, f"deployment:{version.product}", f"{part.role} {part.share:.0%}")


def mermaid(found: Iterable[Edge]) -> str:
    """Draw edges as a Mermaid flowchart; digests are shortened, labels escaped."""
    drawn = list(found)
    names = {each: f"n{i}" for i, each in enumerate(
        dict.fromkeys(end for edge in drawn for end in (edge.start, edge.end)))}  # fmt: skip
    lines = ["flowchart LR"]
    for name, node in names.items():
        kind, _, rest = name.partition(":")
        left, right = _SHAPES.get(kind, ("[", "]"))
        lines.append(f'  {node}{left}"{kind} {_escaped(_short(rest))}"{right}')
    lines += [f'  {names[e.start]} -->|"{_escaped(e.says)}"| {names[e.end]}' for e in drawn]
    return "\n".join(lines) + "\n"


def _short(name: str) -> str:
    return re.sub(r"\b[0-9a-f]{40,}\b", lambda found: found[0][:_SHORT], name)


def _escaped(text: str) -> str:
    return _RISKY.sub(lambda found: f"#{ord(found[0])};", " ".join(text.split())) or "#32;"
