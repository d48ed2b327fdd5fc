"""Runs MLflow's server side: ``python -m twinhelm.mlops.tracking --folder F --socket S``.

It ends when its parent dies or closes its stdin. Not for people: it asks nobody who they are.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import threading
from pathlib import Path

from twinhelm.mlops.tracking.server import serve

__all__ = ["main"]

PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(prog="python -m twinhelm.mlops.tracking")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    asked = parser.parse_args(argv)
    _end_with_parent()
    serve(asked.folder, asked.socket)


def _end_with_parent() -> None:
    """Have Linux end us at the death of the thread that made us; elsewhere stdin tells."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:  # it died just before we asked
        os._exit(1)
    threading.Thread(target=_wait_for_end_of_stdin, name="parent", daemon=True).start()


def _wait_for_end_of_stdin() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1:])
