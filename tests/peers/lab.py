"""A stand-in for the lab that has a control address and nothing behind it.

``python lab.py FOLDER`` serves it until SIGTERM or the end of stdin, as the lab does; what it was
asked is in ``asked``. ``python lab.py FOLDER broken`` says why it cannot start and ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

__all__ = ["FAULTS", "argv_of"]

FAULTS = [
    {
        "name": name,
        "title": title,
        "repair": repair,
        "truth": {"service": service, "also": [], "change": change, "blame": True},
    }
    for name, title, repair, service, change in (
        ("cache_down", "The cache is down", "Start the cache", "cache", ""),
        (
            "deploy_errors",
            "checkout 2.1.0 fails three orders in ten",
            "Roll back checkout to 2.0.3",
            "checkout",
            "deploy",
        ),
    )
]


def argv_of(folder: Path, *how: str) -> list[str]:
    """The command line that runs it."""
    return [sys.executable, __file__, str(folder), *how]


class Handler(BaseHTTPRequestHandler):
    """Knows two faults and remembers which one lasts."""

    active: ClassVar[set[str]] = set()
    asked = Path()

    def answer(self) -> None:
        with self.asked.open("a") as out:
            out.write(f"{self.command} {self.path}\n")
        status, said = self.handled()
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handled(self) -> tuple[int, object]:
        """Return the status and the answer."""
        if self.headers.get("X-Lab-Secret") != "open sesame":
            return 403, {"error": "the secret is wrong", "hint": ""}
        if self.path == "/status":
            return 200, {"ready": True}
        if self.path == "/faults":
            return 200, FAULTS
        name, begin = self.path.rpartition("/")[2], self.command == "POST"
        if begin == (name in self.active):
            return 409, {"error": f"{name} is {'' if begin else 'not '}active", "hint": "look"}
        (self.active.add if begin else self.active.remove)(name)
        return 200, {"fault": name, "active": begin}

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names that the library asks for

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def main(folder: Path, *how: str) -> None:
    """Serve until told to end."""
    print("the lab is starting", flush=True)  # noqa: T201 - its log
    if how:
        sys.exit("lab: no room for a shop (make some)")
    Handler.asked = folder / "asked"
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        said = {"url": f"http://127.0.0.1:{server.server_port}", "secret": "open sesame"}
        (folder / "control.json").write_text(json.dumps(said | {"pid": os.getpid()}))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        threading.Thread(target=_end_with_stdin, daemon=True).start()
        signal.sigwait([signal.SIGTERM])
        server.shutdown()


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    main(Path(sys.argv[1]), *sys.argv[2:])
