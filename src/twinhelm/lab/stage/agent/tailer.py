"""Reads the log files of the lab as they grow, and pushes their lines to Loki's address.

In: the files that services write, and what the stage keeps of their stdout. Out: one push per
look, with a stream per service and level (``job``, ``namespace``, ``instance``, ``host``,
``filename``, ``level`` where a line names one); a line's ``trace_id=...`` becomes structured
metadata. A line's time is when it was read. A file that became shorter is read from its start; a
line without its end waits for it. Any log of the lab is emptied once it is larger than
``MOST_BYTES`` and was read, or four times as large: who writes it appends, and so goes on at its
start. What is written in that instant is lost.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from twinhelm.lab.plan import Plan
from twinhelm.lab.stage.agent.scraper import target_labels
from twinhelm.lab.stage.agent.sender import Item, Sender
from twinhelm.lab.words import LOG_FILES, STDOUT_LOGS, now_s

__all__ = ["Tailer"]

READ_BYTES = 1 << 20
"""At most so much of one file per look: a flood is spread, not swallowed."""
MOST_BYTES = 32 << 20
LEVEL = re.compile(r"\b(DEBUG|INFO|WARN|ERROR|CRITICAL|FATAL)(?:ING)?\b")
LEVEL_WITHIN = 80
TRACE = re.compile(r"\btrace_id=([0-9a-f]{32})\b")


class Tailer:
    """Looks at every file each time :meth:`look` is called; ``keep`` gets every push."""

    def __init__(self, plan: Plan, sender: Sender, *, keep: Callable[[float, bytes], None]) -> None:
        self._sender = sender
        self._keep = keep
        files = {name: plan.log_file(name) for name in LOG_FILES}
        files |= {name: plan.output(name) for name in STDOUT_LOGS}
        self._files = {
            path: target_labels(plan, name) | {"filename": str(path)}
            for name, path in files.items()
        }
        self._read: dict[Path, int] = dict.fromkeys(self._files, 0)
        self._folders = (plan.log_file("any").parent, plan.output("any").parent)

    def look(self) -> None:
        """Read what is new in every file and queue it."""
        at_s = now_s()
        at_ns = int(at_s * 1e9)
        streams: dict[tuple[Path, str], list[Any]] = {}
        count = 0
        for path in self._files:
            for line in self._new_lines(path):
                level = LEVEL.search(line, 0, LEVEL_WITHIN)
                trace = TRACE.search(line)
                said = [str(at_ns + count), line]
                values = streams.setdefault((path, level[1].lower() if level else ""), [])
                values.append([*said, {"trace_id": trace[1]}] if trace else said)
                count += 1
        self._bound()
        if not count:
            return
        pushed = [
            {"stream": self._files[path] | ({"level": level} if level else {}), "values": values}
            for (path, level), values in streams.items()
        ]
        body = orjson.dumps({"streams": pushed})
        self._keep(at_s, body)
        self._sender.put(Item(body, {"Content-Type": "application/json"}, {"logs": count}))

    def _bound(self) -> None:
        for path in (each for folder in self._folders for each in folder.glob("*.log")):
            with suppress(FileNotFoundError):
                size = path.stat().st_size
                read = self._read.get(path, size) >= size
                if size > MOST_BYTES and (read or size > 4 * MOST_BYTES):
                    os.truncate(path, 0)
                    self._read |= {path: 0} if path in self._files else {}

    def _new_lines(self, path: Path) -> list[str]:
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return []
        start = self._read[path]
        if size == start:
            return []
        with path.open("rb") as file:
            file.seek(start if size > start else 0)
            start = file.tell()
            got = file.read(READ_BYTES)
        end = got.rfind(b"\n") + 1 or (len(got) if len(got) == READ_BYTES else 0)
        self._read[path] = start + end
        return [line for line in got[:end].decode("utf-8", "replace").split("\n") if line.strip()]
