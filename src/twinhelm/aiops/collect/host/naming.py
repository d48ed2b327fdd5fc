"""Call a process by a name that stays the same when it is started again.

In: what the kernel calls it (``comm``, cut at 15 characters) and its command line; out: a short
name. A program's own name will do, but ``python3`` or ``java`` says nothing, so that for
interpreters the script, module, jar or main class is added. Long runs of digits become ``#``:
names are labels, and a label that holds a number of its own is never seen again. Pure.

>>> process_name("python3", ["/usr/bin/python3", "-u", "/opt/app/train.py", "--lr", "0.1"])
'python3 train.py'
"""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

__all__ = ["kernel_thread_name", "process_name"]

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


def process_name(comm: str, argv: Sequence[str]) -> str:
    """Return the name of a process; ``argv`` is empty where it cannot be read."""
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
    """Bound what a name may hold."""
    return DIGITS.sub("#", UNPRINTABLE.sub("?", name)).strip()[:LONGEST_NAME] or "unnamed"
