"""Which program may a step run, and how? One of a list in the settings, by its argument list.

``command``: the whole argument list; the first is a file of ``automate.commands`` and takes no
parameter. ``environment``: variables, each ``secret:NAME``, or a constant. ``ok``: exit codes that
count as done, 0 alone unless told. Shells and what runs others are refused on the list itself.
"""

import os
import shlex
from typing import Annotated, ClassVar

from pydantic import Field

from twinhelm.aiops.automate.steps.actor import Actor, Arguments, Given, Limit, Outcome
from twinhelm.aiops.automate.steps.fill import parameters_of
from twinhelm.aiops.automate.steps.program import run_program

__all__ = ["Command", "CommandGiven"]

Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,60}$")]
Word = Annotated[str, Field(min_length=1, max_length=2000)]
_LOADERS = ("LD_", "PYTHON", "PERL", "RUBY", "NODE_", "BASH_", "GIT_", "PATH", "IFS", "ENV")
"""Variables that begin so make a program run other code than its own."""


class CommandGiven(Given):
    """What ``command`` takes."""

    command: Annotated[tuple[Word, ...], Field(min_length=1, max_length=100)]
    environment: dict[Variable, Word] = Field(default_factory=dict)
    ok: Annotated[tuple[Annotated[int, Field(ge=0, le=255)], ...], Field(min_length=1)] = (0,)
    repeatable: bool = False
    """Whether doing it twice is as good as once."""
    changes: bool = True
    """False for one that only looks."""


class Command(Actor):
    """Runs one program of the list."""

    name = "command"
    given = CommandGiven
    fixed: ClassVar = ("environment", "ok", "repeatable", "changes")

    def misused(self, arguments: Arguments) -> list[str]:
        """See :meth:`Actor.misused`."""
        given, wrong, program = self.sketch(arguments), [], str(arguments["command"][0])
        if parameters_of(program) or not program.startswith("/"):
            wrong.append(f"{program!r} is no program; write its whole path, without a parameter")
        wrong += [
            f"the variable {name} could make a program run other code"
            for name in given.environment
            if name.startswith(_LOADERS)
        ]
        return wrong

    def forbidden(self, given: CommandGiven) -> list[str]:
        """See :meth:`Actor.forbidden`."""
        program = given.command[0]
        if program not in self._settings.commands:
            return self.not_listed(f"the program {program}", "commands")
        there = os.access(program, os.X_OK)
        return [] if there else [f"{program} is not there, or cannot be run"]

    def changes(self, arguments: Arguments) -> bool:
        """See :meth:`Actor.changes`."""
        given: CommandGiven = self.sketch(arguments)
        return given.changes

    def repeatable(self, arguments: Arguments) -> bool:
        """See :meth:`Actor.repeatable`; its author knows."""
        given = self.sketch(arguments)
        return given.repeatable or not given.changes

    def told(self, given: CommandGiven) -> str:
        """See :meth:`Actor.told`."""
        return f"Run {shlex.join(given.command)}"

    def do(self, given: CommandGiven, limit: Limit) -> Outcome:
        """See :meth:`Actor.do`."""
        environment, held = self.named(given.environment)
        ran = run_program(given.command, limit, environment=environment, secrets=held)
        return Outcome(ran.code in given.ok, ran.told, {"code": ran.code})
