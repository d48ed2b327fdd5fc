"""How does an actor run a program? By its argument list, in a clean place, to its end or its limit.

Nothing of the house's environment goes along but what is named here, no shell stands between, and
the whole process group ends with the deed. What it says is kept in memory: a repair must work on a
disk that is full.
"""

import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twinhelm.aiops.automate.steps.actor import Limit, shown
from twinhelm.core.own.process import run
from twinhelm.core.own.secrets import struck

__all__ = ["Ran", "program_path", "run_program"]

CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
"""The environment that a program finds."""
MAX_OUTPUT_BYTES = 64 << 10


def program_path(name: str) -> str | None:
    """Find a program where those of this machine are."""
    return shutil.which(name, path=CLEAN["PATH"])


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended: its exit code (negative: a signal), and what it said, harmless.

    ``code`` is None where the deed had to end before; ``why`` says so in words then.
    """

    code: int | None
    said: str
    why: str = ""

    @property
    def told(self) -> str:
        """All of it in one line."""
        ended = self.why or f"exit {self.code}"
        return f"{ended}: {self.said}" if self.said else ended


class _Ended(Exception):
    """The deed must end."""


def run_program(
    command: Sequence[str],
    limit: Limit,
    *,
    environment: Mapping[str, str] | None = None,
    secrets: Sequence[str] = (),
) -> Ran:
    """Run a program whose file is named by an absolute path; ``secrets`` are struck from its words.

    Raises only what ``limit`` raises.
    """
    output = io.BytesIO()

    def beat(_seconds: float, _line: str) -> None:
        if why := limit.over():
            raise _Ended(why)

    try:
        ended = run(
            command,
            folder=Path("/"),
            environment={**CLEAN, **(environment or {})},
            log=output,
            limit_s=limit.left_s,
            beat=beat,
            max_log_bytes=MAX_OUTPUT_BYTES,
        )
        code, why = ended.code, "" if ended.code is not None else limit.over()
    except _Ended as error:
        code, why = None, str(error)
    except OSError as error:
        code, why = None, f"{command[0]} cannot be started: {error.strerror or error}"
    text = output.getvalue().decode("utf-8", "replace")
    return Ran(code, shown(struck(text, secrets)), why)
