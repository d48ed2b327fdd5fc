"""Which units may a step act on? Those that the settings list, through systemctl.

``action`` and ``unit``. ``is-active`` only looks. Where systemd does not run the machine, a step
is refused before anything happens.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from twinhelm.aiops.automate.steps.actor import Actor, Arguments, Given, Limit, Outcome
from twinhelm.aiops.automate.steps.program import Ran, program_path, run_program
from twinhelm.core.settings import AutomateSettings

__all__ = ["Systemd", "SystemdGiven"]

RUNNING = Path("/run/systemd/system")
"""There while systemd is the machine's first process, as sd_booted(3) says."""
_LOOK = "is-active"


class SystemdGiven(Given):
    """What ``systemd`` takes."""

    action: Literal["start", "stop", "restart", "try-restart", "reload", "reset-failed",
                    "is-active"]  # fmt: skip
    unit: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9:_][A-Za-z0-9:_.@-]{0,200}\.(service|socket|timer|mount)$")
    ]


class Systemd(Actor):
    """Asks systemd for one action on one unit."""

    name = "systemd"
    about = "unit"
    given = SystemdGiven
    fixed: ClassVar = ("action",)

    def __init__(
        self,
        settings: AutomateSettings,
        *,
        find: Callable[[str], str | None] = program_path,
        running: Path = RUNNING,
    ) -> None:
        super().__init__(settings)
        self._find = find
        self._running = running

    def forbidden(self, given: SystemdGiven) -> list[str]:
        """See :meth:`Actor.forbidden`."""
        if self._find("systemctl") is None or not self._running.is_dir():
            return ["systemd does not run this machine, so no unit can be acted on here"]
        return self.unlisted("units", self._settings.units, given.unit)

    def changes(self, arguments: Arguments) -> bool:
        """See :meth:`Actor.changes`."""
        return bool(arguments["action"] != _LOOK)

    def repeatable(self, arguments: Arguments) -> bool:
        """See :meth:`Actor.repeatable`: a restart interrupts twice."""
        return arguments["action"] in ("start", "stop", "reset-failed", _LOOK)

    def told(self, given: SystemdGiven) -> str:
        """See :meth:`Actor.told`."""
        return f"Run systemctl {given.action} {given.unit}"

    def do(self, given: SystemdGiven, limit: Limit) -> Outcome:
        """See :meth:`Actor.do`; ``was`` is the unit's state before."""
        was = self._ctl(limit, _LOOK, given.unit).said
        if given.action == _LOOK:
            return Outcome(was == "active", f"{given.unit} is {was}", {"was": was})
        ran = self._ctl(limit, given.action, given.unit)
        return Outcome(ran.code == 0, f"{given.unit} was {was}; {ran.told}", {"was": was})

    def _ctl(self, limit: Limit, action: str, unit: str) -> Ran:
        return run_program([self._find("systemctl") or "systemctl", action, "--", unit], limit)
