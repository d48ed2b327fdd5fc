"""Runs one process of the lab: ``python -m twinhelm.lab PROCESS --plan PLAN.json``.

``python -m twinhelm.lab up`` is the whole lab, for a parent that holds this process's stdin:
it stops in order when that closes. Every other process ends at once when its parent dies.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from twinhelm.lab.words import PROCESSES

__all__ = ["main"]

ONCE = {"seed": "twinhelm.lab.shop.seed"}
"""Fills the prepared, empty database; ``run(plan, version)`` returns when it is done."""


def main(argv: list[str]) -> None:
    """Run what the arguments name; returns when it has ended."""
    if argv[:1] == ["up"]:
        from twinhelm.lab.stage.up import main as up

        up(argv[1:])
        return
    parser = argparse.ArgumentParser(prog="python -m twinhelm.lab")
    parser.add_argument("process", choices=[*PROCESSES, *ONCE])
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--version", default="")
    asked = parser.parse_args(argv)

    from twinhelm.lab.plan import Plan
    from twinhelm.lab.stage.guard import die_with_parent

    die_with_parent()
    plan = Plan.load(asked.plan)
    version = asked.version or plan.versions.get(asked.process, "1.0.0")
    import_module((PROCESSES | ONCE)[asked.process]).run(plan, version)


if __name__ == "__main__":
    main(sys.argv[1:])
