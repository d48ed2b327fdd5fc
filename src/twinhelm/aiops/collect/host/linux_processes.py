"""Count what each process on a Linux machine uses, from ``/proc/PID``.

One look reads two files a process: ``stat`` (CPU time, resident pages, start) and ``io`` (bytes
it caused to be written; only where we may), and the size of ``fd``, which is the number of
descriptors since Linux 6.2. A process that ends between two calls is left out.

Source: proc_pid_stat(5), proc_pid_io(5); Linux commit f1f1f2569901 for the size of ``fd``.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from twinhelm.aiops.collect.host.linux import TICKS_PER_S

__all__ = ["LinuxProcesses", "ProcessCount", "kernel_thread_name", "process_name"]

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
KERNEL_THREAD = 0x00200000
"""PF_KTHREAD among the flags of include/linux/sched.h."""
WRITTEN = re.compile(rb"\nwrite_bytes: (\d{1,19})\ncancelled_write_bytes: (\d{1,19})")
MAX_PROCESSES = 20_000
LONGEST_NAME = 64
COMM_LENGTH = 15
"""The kernel keeps no more of a name."""

INTERPRETER = re.compile(
    r"(?:python|pypy|ruby|perl|php|lua|node|nodejs|java|dotnet|bash|dash|ash|ksh|zsh|sh|Rscript|R|"
    r"julia|deno|bun)[\d.-]*"
)
SHELL = re.compile(r"(?:bash|dash|ash|ksh|zsh|sh)")
CONSUMING = frozenset({"-W", "-X", "-cp", "-classpath", "--class-path", "-p", "--module-path",
                       "-r", "--require", "-I", "-o", "-O"})  # fmt: skip
"""Options of interpreters that take the next word with them."""
DIGITS = re.compile(r"\d{4,}|(?=[0-9a-f]*\d)[0-9a-f]{8,}")
UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\uffff]+")


@dataclass(frozen=True, slots=True)
class ProcessCount:
    """One process now: totals since its start, and what it holds.

    ``start`` tells a process from a later one with the same ``pid`` and is in seconds on the
    scanner's own uptime. ``written_bytes`` and ``descriptors`` are -1 where they cannot be read.
    """

    pid: int
    start: float
    name: str
    cpu_s: float
    rss_bytes: int
    written_bytes: int
    descriptors: int


class LinuxProcesses:
    """Looks at all processes below ``root``; remembers names and what may not be read."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._names: dict[int, tuple[str, str, str, bool]] = {}
        self._denied: set[tuple[int, str]] = set()

    def uptime_s(self) -> float:
        """Return seconds since boot, 0 where they cannot be read."""
        words = _read(f"{self._root}/uptime").split()
        try:
            return float(words[0]) if words else 0.0
        except ValueError:
            return 0.0

    def scan(self) -> list[ProcessCount]:
        """Look at every process once."""
        try:
            entries = [entry for entry in os.listdir(self._root) if entry.isdigit()]  # noqa: PTH208 - Path objects cost more than the reads
        except OSError:
            return []
        looked = map(self._look, entries[:MAX_PROCESSES])
        found = [count for count in looked if count is not None]
        alive = {count.pid for count in found}
        for pid in self._names.keys() - alive:
            start = self._names.pop(pid)[0]
            self._denied.discard((pid, start))
        return found

    def _look(self, entry: str) -> ProcessCount | None:
        """Look at one process; None where it is gone or its line cannot be read."""
        base = f"{self._root}/{entry}"
        line = _read(f"{base}/stat")
        # The name stands in parentheses and may hold anything, parentheses included.
        opened, closed = line.find(b"("), line.rfind(b")")
        fields = line[closed + 2 :].split()
        if opened < 0 or closed < opened or len(fields) < 22:
            return None
        try:
            pid = int(entry)
            cpu_ticks = int(fields[11]) + int(fields[12])
            start, pages, flags = int(fields[19]), int(fields[21]), int(fields[6])
        except ValueError:
            return None
        comm = line[opened + 1 : closed].decode(errors="replace")
        name, kernel = self._name(pid, str(start), comm, bool(flags & KERNEL_THREAD), base)
        written = 0 if kernel else self._written(base, pid, str(start))
        descriptors = 0 if kernel else _descriptors(base)
        cpu_s, held = cpu_ticks / TICKS_PER_S, max(pages, 0) * PAGE_BYTES
        return ProcessCount(pid, start / TICKS_PER_S, name, cpu_s, held, written, descriptors)

    def _name(self, pid: int, start: str, comm: str, kernel: bool, base: str) -> tuple[str, bool]:
        """Return a process's name, read again when it became another program."""
        known = self._names.get(pid)
        if known is not None and known[0] == start and known[1] == comm:
            return known[2], known[3]
        if kernel:
            name = kernel_thread_name(comm)
        else:
            line = _read(f"{base}/cmdline")[:4096].decode(errors="replace")
            name = process_name(comm, line.split("\0"))
        self._names[pid] = (start, comm, name, kernel)
        return name, kernel

    def _written(self, base: str, pid: int, start: str) -> int:
        """Read how many bytes a process caused to be written; only owner and root may."""
        if (pid, start) in self._denied:
            return -1
        try:
            found = WRITTEN.search(_read_strictly(f"{base}/io"))
        except PermissionError:
            self._denied.add((pid, start))
            return -1
        except OSError:
            return -1
        # What was written and then truncated before it reached a disk is taken off again.
        return max(int(found[1]) - int(found[2]), 0) if found else -1


def _descriptors(base: str) -> int:
    """Count the open descriptors of a process; -1 where that is not for us to know."""
    try:
        size = os.stat(f"{base}/fd").st_size  # noqa: PTH116 - see scan
        return size or len(os.listdir(f"{base}/fd"))  # noqa: PTH208 - see scan
    except OSError:
        return -1


def _read(path: str) -> bytes:
    try:
        return _read_strictly(path)
    except OSError:
        return b""


def _read_strictly(path: str) -> bytes:
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.read(handle, 8192)
    finally:
        os.close(handle)


def process_name(comm: str, argv: Sequence[str]) -> str:
    """Call a process by a name that stays the same when it is started again.

    In: what the kernel calls it and its command line, empty where it cannot be read. For
    interpreters the script, module, jar or main class is added. Long runs of digits become ``#``:
    a label that holds a number of its own is never seen again.

    >>> process_name("python3", ["/usr/bin/python3", "-u", "/opt/app/train.py", "--lr", "0.1"])
    'python3 train.py'
    """
    name = comm
    words = [word for word in argv if word]
    if words:
        first = PurePosixPath(words[0]).name.removeprefix("-")
        if len(comm) >= COMM_LENGTH:
            bases = (PurePosixPath(word).name for word in words[:2])
            name = next((base for base in bases if base.startswith(comm)), comm)
        if INTERPRETER.fullmatch(name):
            hint = _hint(name, words[1:])
            name = f"{name} {hint}" if hint else (name or first)
    return _clean(name)


def kernel_thread_name(comm: str) -> str:
    """Return the kind of a kernel thread: ``kworker/u8:1-events`` is ``kworker``."""
    return _clean(re.split(r"[/:]", comm)[0].rstrip("0123456789._-") or comm)


def _hint(interpreter: str, words: Sequence[str]) -> str:
    """Say what an interpreter runs: script, module, jar, main class, ``-c`` for inline code."""
    skip = False
    for position, word in enumerate(words):
        if skip:
            skip = False
        elif word in ("-m", "-jar", "--jar") and position + 1 < len(words):
            return PurePosixPath(words[position + 1]).name
        elif word in ("-c", "-e", "--eval"):
            return "-c"
        elif word in CONSUMING:
            skip = not SHELL.fullmatch(interpreter) or word in ("-o", "-O")
        elif not word.startswith(("-", "+")):
            base = PurePosixPath(word).name
            return base.rpartition(".")[2] if interpreter == "java" else base
    return ""


def _clean(name: str) -> str:
    return DIGITS.sub("#", UNPRINTABLE.sub("?", name)).strip()[:LONGEST_NAME] or "unnamed"
