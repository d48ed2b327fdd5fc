"""What did somebody type, in words that it shares with the next time? Shapes, risk, discipline.

Numbers, hashes and whatever stands in quotes differ each time, so :func:`shape_of` leaves a star
for them; what only looks or develops has no shape. The lists are data (``commands.toml``). Pure.

>>> shape_of("sudo systemctl restart shop@3.service")
'systemctl restart shop@*.service'
>>> shape_of("kubectl get pods -n shop")
''
"""

import re
import shlex
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from twinhelm.advise.types import Discipline

__all__ = ["SHELL", "argv_of", "discipline_of", "risk_of", "shape_of"]

SHELL = re.compile(r"[|;&<>`\n*?]|\$[({A-Za-z]")
"""What only a shell understands; a step of a runbook has none."""
MOST_WORDS = 12
LONGEST_NOTE = 80
_VARIES = re.compile(r"[0-9a-f]{8,}(?:-[0-9a-f]{4,})*|\d+")
_BEFORE = re.compile(r"^(?:\w+=\S*\s+|sudo(?:\s+-\w+)*\s+|time\s+|nohup\s+)+")


@cache
def _lists() -> dict[str, Any]:
    text = (files(__package__) / "commands.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def argv_of(text: str) -> list[str]:
    """Split a command as a shell would, without what stands before the program."""
    bare = _BEFORE.sub("", text.strip())
    try:
        return shlex.split(bare)
    except ValueError:  # a quote that nobody closed
        return bare.split()


def shape_of(text: str, *, note: bool = False) -> str:
    """Return what a command, or a note in words, has in common with its next time.

    Empty for a command that changes nothing.
    """
    if note:
        return _VARIES.sub("*", " ".join(text.lower().split()))[:LONGEST_NOTE].strip(" .!")
    argv = argv_of(text)
    if not argv:
        return ""
    argv[0] = argv[0].rpartition("/")[2]
    harmless = set(_lists()["harmless"])
    if argv[0] in harmless or any(" ".join(argv[:n]) in harmless for n in (2, 3)):
        return ""
    return _VARIES.sub("*", " ".join(argv[:MOST_WORDS]))


def risk_of(text: str, *entities: str) -> float:
    """Say how much can go wrong if this were done by itself, from 0.1 to 0.8."""
    words = set(re.findall(r"[\w-]+", text.lower()))
    dangers = (one["risk"] for one in _lists()["danger"] if words & set(one["words"]))
    stateful = any(each.startswith(("database:", "queue:")) for each in entities)
    return float(next(dangers, 0.1) + 0.2 * stateful)


def discipline_of(text: str, entity: str) -> tuple[Discipline, str]:
    """Say whether it is machines or processes, and why."""
    kind = entity.partition(":")[0]
    words = set(re.findall(r"[\w-]+", f"{text} {entity}".lower()))
    hits = sorted(words & set(_lists()["process"]))
    if kind in {"model", "dataset"} or hits:
        said = f"{kind} {entity.partition(':')[2]}" if kind in {"model", "dataset"} else hits[0]
        why = f"It is a step in the life of a model ({said}): it should be the same every time, "
        return Discipline.PROCESSES, why + "so the process is to be standardised (MLOps)."
    why = f"It acts on a running system ({entity or 'no entity named'}): a symptom, and the same "
    return Discipline.MACHINES, why + "hand movement each time, so a machine can do it (AIOps)."
