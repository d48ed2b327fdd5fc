"""Runs MLflow's server side: ``python -m twinhelm.mlops.tracking FOLDER SOCKET``.

It ends when its parent dies or closes its stdin. Not for people: it asks nobody who they are.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from pathlib import Path

from twinhelm.mlops.tracking.server import serve

__all__: list[str] = []

PR_SET_PDEATHSIG = 1


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
    _end_with_parent()
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
