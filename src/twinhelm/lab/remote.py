"""How is a lab asked that is up? Over its control API, with what ``control.json`` says.

In: the lab's folder. Out: what it answers; what it refuses is a :class:`LabError` with its hint.
:func:`started` starts a lab of its own as a child process, which ends with the caller.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

import httpx

from twinhelm.lab.house import child
from twinhelm.lab.plan import SECRET_HEADER, Plan
from twinhelm.lab.words import LabError, Symptom, read_json

__all__ = ["Lab", "nearest", "started"]

TIMEOUT_S = 310.0
"""A fault that restarts a process takes seconds; to write a case may take minutes."""


class Lab:
    """One lab that is up; may be used by one thread only."""

    def __init__(self, client: httpx.Client, folder: Path) -> None:
        self.folder = folder
        self._client = client

    @classmethod
    def attach(cls, folder: Path) -> Self:
        """Find the lab of a folder; raises :class:`LabError` where none is up there."""
        try:
            said = read_json(folder / "control.json")
        except LabError as error:
            raise _none(folder) from error
        headers = {SECRET_HEADER: said["secret"]}
        client = httpx.Client(
            base_url=said["url"], headers=headers, timeout=TIMEOUT_S, trust_env=False
        )
        return cls(client, folder)

    def status(self) -> dict[str, Any]:
        """Tell how the lab is: its processes, active faults and what was sent."""
        return dict(self._ask("GET", "/status"))

    def faults(self) -> list[dict[str, Any]]:
        """List the catalogue."""
        return list(self._ask("GET", "/faults"))

    def break_(self, name: str) -> None:
        """Begin a fault; raises :class:`LabError` where it is unknown or active already."""
        self._ask("POST", f"/faults/{name}")

    def repair(self, name: str) -> None:
        """End a fault; raises :class:`LabError` where it is unknown or not active."""
        self._ask("DELETE", f"/faults/{name}")

    def repair_all(self) -> list[str]:
        """End every active fault, the last first, and name them."""
        names = [each["fault"] for each in self.status()["active"]][::-1]
        for name in names:
            self.repair(name)
        return names

    def shows(self, symptom: Symptom) -> bool | None:
        """Tell whether a symptom is in what the agent carried lately; None where nobody knows."""
        agent = Plan.load(self.folder / "plan.json").own_url("agent")
        value = self._ask("POST", f"{agent}/_lab/ask", {"symptom": asdict(symptom)})["value"]
        if value is None:
            return None
        above, below = symptom.above, symptom.below
        return (above is not None and value > above) or (below is not None and value < below)

    def write_case(self, case_id: str, folder: Path, start_s: float, end_s: float) -> None:
        """Have the agent write what it carried in a stretch of time into a case's folder."""
        body = {"case_id": case_id, "start_s": start_s, "end_s": end_s, "folder": str(folder)}
        self._ask("POST", "/cases", body)

    def close(self) -> None:
        """Close the connection; the lab stays up."""
        self._client.close()

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            answer = self._client.request(method, path, json=body)
            said = answer.json() if answer.content else None
        except httpx.ConnectError as error:
            raise _none(self.folder) from error
        except (httpx.HTTPError, ValueError) as error:
            raise LabError(f"the lab in {self.folder} did not answer: {error}") from error
        if answer.is_success:
            return said
        told = said if isinstance(said, dict) else {}
        if answer.status_code == 404 and path.startswith("/faults/"):
            name = path.rpartition("/")[2]
            raise LabError(
                f"no fault is called {name!r}",
                hint=nearest(name, (each["name"] for each in self.faults())),
            )
        hint = str(told.get("hint", ""))
        if answer.status_code == 409:
            hint = "`twinhelm lab status` shows what is active"
        raise LabError(str(told.get("error", f"the lab answered {answer.status_code}")), hint=hint)


@contextmanager
def started(
    folder: Path, *flags: str, environment: Mapping[str, str] | None = None
) -> Iterator[Lab]:
    """Start a lab in a folder and wait until it is well; it ends when the block does."""
    argv = (sys.executable, "-m", "twinhelm.lab", "up", "--folder", str(folder), *flags)

    def ready() -> Lab | None:
        if not (folder / "control.json").exists():
            return None
        lab = Lab.attach(folder)
        try:
            if lab.status()["ready"]:
                return lab
        except LabError:
            pass
        lab.close()
        return None

    log = folder.with_name(f"{folder.name}.log")
    with child("the lab", argv, log, ready, environment) as lab:
        try:
            yield lab
        finally:
            lab.close()


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which names come close, for a hint."""
    names = list(known)
    close = get_close_matches(name, names, n=3, cutoff=0.5)
    told = f"did you mean {' or '.join(close)}? " if close else ""
    return f"{told}`twinhelm lab faults` lists all {len(names)}"


def _none(folder: Path) -> LabError:
    return LabError(
        f"no lab is up in {folder}",
        hint="start one with `twinhelm lab up`, or name its folder with --folder",
    )
