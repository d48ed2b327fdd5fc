"""The lab beside the house: a small shop in processes of its own, broken and repaired on purpose.

In: the folder that it keeps, and the address that it is to send telemetry to. It is started as a
child (``python -m twinhelm.lab up``) that ends when our end of its stdin closes, so also when this
process is killed. Once up it leaves ``control.json`` in the folder: where it takes orders, and the
secret to show there. What it says goes to ``stage.log`` beside it.

Wrong where another lab uses the folder: then the child says so and ends.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from twinhelm.core import json
from twinhelm.core.errors import NotFound, Refused, TwinhelmError, Unavailable

__all__ = ["Lab", "LabFault"]

PATIENCE_S = 30.0
"""How long the lab may take to end in order: longer than all that it waits for itself, since what
a killed lab leaves behind is gone a moment later only."""
TIMEOUT_S = httpx.Timeout(5.0, read=60.0)
"""Breaking and repairing restart processes."""
TAIL = 300
RATE = 25
"""Pages a second: enough orders among them that a fault of a few shows soon."""


@dataclass(frozen=True, slots=True)
class LabFault:
    """One way to break the shop: what it is, how it is repaired, and who is truly to blame.

    ``also`` are others whom to name is right too; without ``blame`` it is no fault at all.
    """

    name: str
    title: str
    repair: str
    service: str
    also: tuple[str, ...] = ()
    change: str = ""
    blame: bool = True


class Lab:
    """One lab; used by one thread at a time. ``argv`` runs another program in its place."""

    def __init__(
        self,
        folder: Path,
        url: str,
        *,
        argv: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        up = [sys.executable, "-m", "twinhelm.lab", "up", "--to", url, "--folder", str(folder)]
        self._argv = argv or [*up, "--rate", str(RATE)]
        self._env = {**os.environ, **(env or {})}
        self._child: subprocess.Popen[bytes] | None = None
        self._control: httpx.Client | None = None
        self._ready = False

    @property
    def log(self) -> Path:
        """Where the lab says what it does."""
        return self.folder / "stage.log"

    def start(self) -> None:
        """Start it; the calling thread must live as long as the lab, which dies with it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self.log.open("wb") as said:
                self._child = subprocess.Popen(  # noqa: S603 - our own program
                    self._argv,
                    stdin=subprocess.PIPE,
                    stdout=said,
                    stderr=said,
                    env=self._env,
                    start_new_session=True,  # Ctrl-C is for us, who then end the lab in order
                )
        except OSError as error:
            raise Unavailable(f"the lab cannot be started: {error}") from error

    def up(self) -> bool:
        """Tell whether it takes orders; raises :class:`Unavailable` once it has ended."""
        child = self._child
        if child is None:
            raise Unavailable("the lab was not started")
        if (code := child.poll()) is not None:
            said = self._last_words() or f"exit status {code}"
            raise Unavailable(f"the lab has ended: {said}", hint=f"all it said is in {self.log}")
        if self._ready:
            return True
        try:
            if self._control is None:
                self._control = self._found(child.pid)
            self._ready = self._control is not None and bool(self._ask("GET", "/status")["ready"])
        except (OSError, TwinhelmError, KeyError, TypeError, httpx.InvalidURL):
            self._let_go()
        return self._ready

    def faults(self) -> dict[str, LabFault]:
        """List the ways to break it, by name."""
        return {each["name"]: _fault(each) for each in self._ask("GET", "/faults")}

    def break_(self, fault: str) -> None:
        """Begin a fault; raises :class:`Refused` where it lasts already."""
        self._ask("POST", f"/faults/{fault}")

    def repair(self, fault: str) -> None:
        """End a fault."""
        self._ask("DELETE", f"/faults/{fault}")

    def stop(self) -> None:
        """End it in order; kill it where that takes too long. May be called twice."""
        self._let_go()
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if child.stdin is not None:
            child.stdin.close()

    def _ask(self, method: str, path: str) -> Any:
        if self._control is None:
            raise Unavailable("the lab is not up")
        try:
            answer = self._control.request(method, path)
        except httpx.HTTPError as error:
            why = f"the lab does not answer: {error or type(error).__name__}"
            raise Unavailable(why, hint=f"see {self.log}") from error
        said: Any = json.loads(answer.content, what="the lab's answer") if answer.content else None
        if answer.is_success:
            return said
        told: dict[str, Any] = said if isinstance(said, dict) else {}
        why = f"the lab refused {method} {path}: {told.get('error', answer.status_code)}"
        family = {404: NotFound, 503: Unavailable}.get(answer.status_code, Refused)
        raise family(why, hint=str(told.get("hint", "")))

    def _found(self, pid: int) -> httpx.Client | None:
        """Read where the lab of this process takes orders; None where it has not said yet."""
        told = json.loads((self.folder / "control.json").read_bytes(), what="control.json")
        if told["pid"] != pid:
            return None  # an earlier lab's
        secret = {"X-Lab-Secret": str(told["secret"])}
        return httpx.Client(
            base_url=str(told["url"]), headers=secret, timeout=TIMEOUT_S, trust_env=False
        )

    def _let_go(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = self.log.read_text(errors="replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")[-TAIL:]
        return ""


def _fault(said: Mapping[str, Any]) -> LabFault:
    truth = said["truth"]
    return LabFault(
        name=said["name"],
        title=said["title"],
        repair=said["repair"],
        service=truth["service"],
        also=tuple(truth.get("also", ())),
        change=truth.get("change", ""),
        blame=truth.get("blame", True),
    )
