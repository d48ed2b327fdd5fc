"""Which processes must not outlive the house? A recipe and all that it started: here they end.

A program (``python guard.py STATUS ARGV ...``), the leader of a process group. It runs ARGV as a
child and waits for two things: the end of the child, whose exit status it writes to the file
descriptor STATUS, and the end of its own stdin, a pipe that the house holds open. After either it
kills its whole group, itself too. Only a process that left the group on purpose (``setsid``)
escapes.
"""

import os
import signal
import sys
import threading

__all__: list[str] = []


def _main(tells: int, command: list[str]) -> None:
    os.set_inheritable(tells, False)  # whoever outlives us must not hold it open
    child = os.fork()
    if child == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.execvp(command[0], command)  # noqa: S606 - that is its purpose
        except OSError as error:
            sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        os._exit(127)
    threading.Thread(target=_wait_for_end_of_stdin, daemon=True).start()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.write(tells, str(status).encode())
    os.killpg(0, signal.SIGKILL)


def _wait_for_end_of_stdin() -> None:
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
