"""Makes a process end when its parent does, however the parent ended.

On Linux the kernel is asked to send a signal at the parent's death; everywhere a thread can wait
for the end of stdin, a pipe that the stage holds open. Run as a program (``python guard.py SIGNAL
USER ARGV ...``) it does so for a program that is not ours: it becomes USER (``-`` for no change),
asks for SIGNAL, and becomes ARGV.

Wrong on other systems than Linux for programs that are not ours: they outlive a ``kill -9`` of
the stage.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
import threading
from collections.abc import Sequence

__all__ = ["die_with_parent", "guarded", "tie_to_parent"]

PR_SET_PDEATHSIG = 1


def guarded(
    command: Sequence[str], *, by: signal.Signals = signal.SIGKILL, user: str = "-"
) -> list[str]:
    """Return the command line that runs ``command`` so that it gets ``by`` when we die."""
    return [sys.executable, "-IS", __file__, by.name, user, *command]


def die_with_parent() -> None:
    """End this process at once, without clean-up, when its parent dies or closes its stdin."""
    tie_to_parent(signal.SIGKILL)
    threading.Thread(target=_wait_for_end_of_stdin, name="parent", daemon=True).start()


def tie_to_parent(number: signal.Signals) -> None:
    """Ask Linux for a signal at the parent's death; does nothing on other systems.

    To be called after the last change of user, which clears it. The parent is the *thread* that
    made this process: it must be one that stays.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number))
    if os.getppid() != parent:  # it died just before we asked
        os._exit(1)


def _wait_for_end_of_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def _main(argv: list[str]) -> None:
    number, user, *command = argv
    if user != "-":
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    tie_to_parent(signal.Signals[number])
    os.execvp(command[0], command)  # noqa: S606 - that is its purpose


if __name__ == "__main__":
    _main(sys.argv[1:])
