"""Which process may a step end, wake or tell something? The very one that was named, by a signal.

``pid``, ``name`` and ``seen_ms`` (epoch ms) say which: one of that number and name that had begun
by the time somebody named it. A number given to another process since then is refused, and
between the look and the signal it cannot change hands, as a handle of the kernel's is held
(pidfd_open(2)). ``signal``; ``gone_within_s`` waits for its end, and ``force`` kills it then;
``back`` waits until one of that name has begun anew. Never the first process, never the house
itself, what it came from or what it started. Linux alone.
"""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from twinhelm.aiops.automate.steps.actor import BEAT_S, Actor, Arguments, Given, Limit, Outcome
from twinhelm.core.settings import AutomateSettings

__all__ = ["NameOf", "Process", "ProcessGiven"]

PROC = Path("/proc")
NameOf = Callable[[str, Sequence[str]], str]
"""Names a process by what the kernel calls it and its arguments, as the host's collector does."""


class ProcessGiven(Given):
    """What ``process`` takes."""

    pid: Annotated[int, Field(gt=1, lt=1 << 31)]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    seen_ms: Annotated[int, Field(gt=0)]
    signal: Literal["TERM", "INT", "HUP", "KILL", "USR1", "USR2", "CONT"] = "TERM"
    gone_within_s: Annotated[float, Field(gt=0, le=600)] | None = None
    force: bool = False
    """Kill it where it is not gone in time."""
    back: bool = False
    """Wait until something has started it again."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A process as the kernel tells of it; ``started`` is in ticks since the machine began."""

    pid: int
    name: str
    parent: int
    started: int
    dead: bool


class Process(Actor):
    """Sends a signal to one process."""

    name = "process"
    about = "process"
    given = ProcessGiven
    fixed: ClassVar = ("signal", "gone_within_s", "force", "back")

    def __init__(self, settings: AutomateSettings, name_of: NameOf) -> None:
        super().__init__(settings)
        self._name_of = name_of

    def forbidden(self, given: ProcessGiven) -> list[str]:
        """See :meth:`Actor.forbidden`."""
        if wrong := self.unlisted("processes", self._settings.processes, given.name):
            return wrong
        if not hasattr(os, "pidfd_open") or not (PROC / "self/stat").exists():
            return ["processes can be told apart for sure on Linux alone"]
        seen = self._look(given.pid)
        if seen is None or seen.dead:
            return [f"there is no process {given.pid} any more"]
        if seen.name != given.name:
            return [f"process {given.pid} is {seen.name!r} now, not {given.name!r}"]
        if _started_ms(seen.started) > given.seen_ms:
            return [f"process {given.pid} is another {given.name!r}: it began after it was named"]
        if self._is_ours(seen):
            return [f"process {given.pid} belongs to twinhelm itself"]
        return []

    def repeatable(self, _arguments: Arguments) -> bool:
        """Say yes: a second time the process is gone, or another one."""
        return True

    def dangerous(self, arguments: Arguments) -> bool:
        """See :meth:`Actor.dangerous`: whoever is killed cannot tidy up."""
        given: ProcessGiven = self.sketch(arguments)
        return given.force or given.signal == "KILL"

    def reach(self, arguments: Arguments) -> tuple[str, ...]:
        """Name the process, unless the step says what it touches."""
        return super().reach(arguments) or (f"process:{arguments['name']}",)

    def told(self, given: ProcessGiven) -> str:
        """See :meth:`Actor.told`."""
        told = f"Send SIG{given.signal} to process {given.pid} ({given.name})"
        if given.gone_within_s is not None:
            told += f", wait up to {given.gone_within_s:g} s for its end"
            told += ", then kill it" if given.force else ""
        return told + (", wait for it to be started again" if given.back else "")

    def do(self, given: ProcessGiven, limit: Limit) -> Outcome:
        """See :meth:`Actor.do`."""
        try:
            handle = os.pidfd_open(given.pid)
        except (AttributeError, OSError):
            handle = -1
        try:
            # Looked at once the handle is held: what is refused or not is what gets the signal.
            if why := self.forbidden(given):
                return Outcome(False, "; ".join(why))
            return self._signal(handle, given, limit)
        except ProcessLookupError:
            return Outcome(False, f"process {given.pid} ended before it got the signal")
        except PermissionError:
            return Outcome(False, f"process {given.pid} belongs to a user we may not signal")
        finally:
            if handle >= 0:
                os.close(handle)

    def _signal(self, handle: int, given: ProcessGiven, limit: Limit) -> Outcome:
        seen = self._look(given.pid)
        told = f"SIG{given.signal} was sent to {given.name} ({given.pid})"
        signal.pidfd_send_signal(handle, signal.Signals[f"SIG{given.signal}"])
        if given.gone_within_s is not None:
            if not self._gone(given.pid, seen, limit, given.gone_within_s):
                if over := limit.over():
                    return Outcome(False, f"{told}; {over}")
                if not given.force:
                    return Outcome(False, f"{told}; it runs on after {given.gone_within_s:g} s")
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                told += "; it was killed"
                if not self._gone(given.pid, seen, limit, limit.left_s):
                    return Outcome(False, f"{told} and is not gone: {limit.over()}")
            told += "; it is gone"
        if not given.back or seen is None:
            return Outcome(True, told)
        while (new := self._younger(given.name, seen)) is None:
            if not limit.wait(BEAT_S):
                return Outcome(False, f"{told}; nothing started it again: {limit.over()}")
        return Outcome(True, f"{told}; it runs again as {new}", {"pid": new})

    def _gone(self, pid: int, seen: _Seen | None, limit: Limit, within_s: float) -> bool:
        until = Limit(within_s, limit.over)
        while (now := self._look(pid)) and seen and now.started == seen.started and not now.dead:
            if not until.wait(BEAT_S):
                return False
        return True

    def _younger(self, name: str, than: _Seen) -> int | None:
        """Find a process of a name that began after another one."""
        for entry in PROC.iterdir():
            seen = self._look(int(entry.name)) if entry.name.isdecimal() else None
            if seen and not seen.dead and seen.name == name and seen.started > than.started:
                return seen.pid
        return None

    def _look(self, pid: int) -> _Seen | None:
        """Look at a process; None where there is none of that number."""
        try:
            stat = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
            argv = (PROC / str(pid) / "cmdline").read_text("utf-8", "replace").split("\0")
        except OSError:
            return None
        head, _, rest = stat.rpartition(")")
        fields = rest.split()
        name = self._name_of(head.partition("(")[2], argv)
        return _Seen(pid, name, int(fields[1]), int(fields[19]), fields[0] in "ZX")

    def _is_ours(self, seen: _Seen) -> bool:
        me = os.getpid()
        return me in self._line(seen.pid) or seen.pid in self._line(me)

    def _line(self, pid: int) -> set[int]:
        """Name a process and all that it descends from."""
        line: set[int] = set()
        while pid > 0 and pid not in line and (seen := self._look(pid)):
            line.add(pid)
            pid = seen.parent
        return line


def _started_ms(ticks: int) -> float:
    """Turn ticks since the machine began into epoch ms, to a second's truth."""
    lines = (PROC / "stat").read_text("ascii").splitlines()
    began_s = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    return (began_s + ticks / os.sysconf("SC_CLK_TCK")) * 1000
