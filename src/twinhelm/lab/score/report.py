"""What is handed on of a score: one JSON document, and the files it goes into.

In: the tallies of all repeats. Out: a document with a summary over everything, one per repeat,
each fault's verdict, and the incidents that were false.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from twinhelm.lab.score.judge import FLOORS, Opening, Trial, belongs, judge, summarise
from twinhelm.lab.score.page import number, page
from twinhelm.lab.score.run import Tally

__all__ = ["document", "judged", "write_score"]


def document(tallies: Sequence[Tally], *, seed: int, quick: bool) -> dict[str, Any]:
    """Write the whole score, as far as it was measured."""
    parts = [
        judged(tally.trials, tally.openings, tally.quiet_s, repeat=tally.repeat)
        | {
            "complete": tally.complete,
            "busy": tally.busy,
            "failed": tally.failed,
            "left_out": tally.left_out,
            "warm_up_incidents": len(tally.warm_up),
        }
        for tally in tallies
    ]
    return {
        "what": "twinhelm lab score",
        "quick": quick,
        "seed": seed,
        "machine": {"cores": os.cpu_count(), "system": platform.platform(terse=True)},
        "complete": bool(parts) and all(part["complete"] for part in parts),
        **_together(tallies),
        "repeats": parts,
    }


def judged(
    trials: Sequence[Trial], openings: Sequence[Opening], quiet_s: float, *, repeat: int = 1
) -> dict[str, Any]:
    """Judge one stretch of time: its summary, a verdict per fault, and what was false."""
    ordered = sorted(trials, key=lambda trial: trial.start_s)
    false = belongs(ordered, openings)[None]
    verdicts = judge(ordered, openings)
    summary = summarise(verdicts, false_incidents=len(false), quiet_s=quiet_s)
    return {
        "repeat": repeat,
        "summary": asdict(summary),
        "faults": [asdict(verdict) for verdict in verdicts],
        "false": [asdict(opening) for opening in false],
    }


def write_score(
    score: Mapping[str, Any], tallies: Sequence[Tally], folder: Path | None, page_file: Path | None
) -> list[Path]:
    """Write what was asked for, and return the files.

    Into the folder go ``score.json``, ``score.html`` and, per repeat and fault, the file of the
    incident that was judged.
    """
    made: dict[Path, bytes] = {}
    html = page(score).encode()
    if folder is not None:
        made[folder / "score.json"] = _json(score)
        made[folder / "score.html"] = html
        for tally in tallies:
            for trial in tally.trials:
                if trial.file:
                    file = folder / f"repeat-{tally.repeat}" / f"{trial.fault}.json"
                    made[file] = _json(trial.file)
    if page_file is not None:
        made[page_file] = html
    for path, body in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return [path for path in made if path.parent in (folder, page_file and page_file.parent)]


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)


def _together(tallies: Sequence[Tally]) -> dict[str, Any]:
    """Sum up over all repeats."""
    verdicts = [one for tally in tallies for one in judge(tally.trials, tally.openings)]
    false = sum(
        len(belongs(sorted(tally.trials, key=lambda one: one.start_s), tally.openings)[None])
        for tally in tallies
    )
    quiet_s = sum(tally.quiet_s for tally in tallies)
    summary = asdict(summarise(verdicts, false_incidents=false, quiet_s=quiet_s))
    bounds = {name: f"{how} {number(name, value)}" for name, (how, value) in FLOORS.items()}
    return {"summary": summary, "floors": bounds}
