"""A runbook that is sound, and actors that do nothing but remember what they were told to do."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twinhelm.aiops.automate.steps import Ask, Outcome, Wait, filled

RESTART = """\
[runbook]
name = "restart"
says = "Stop a service whose memory grows."
level = "ask"
[when]
resource = ["memory"]
entity = ["service:[a-z/-]+"]

[parameters.service]
from = "suspect.name"
pattern = "[a-z][a-z0-9-]{0,40}"
[[steps]]
name = "stop"
do = "doer"
arguments = { what = "stop {service}" }
before = [{ do = "look", arguments = { what = "is {service} there" } }]
undo = { do = "doer", arguments = { what = "start {service} as {did.before}" } }
[verify]
within_s = 300
"""


def of_numbers(
    name: str, alert: str, *steps: str, more: str = "", within_s: float = 3000, per_hour: int = 2
) -> str:
    """A runbook for alerts of one name, whose label ``number`` its steps know."""
    return f"""
[runbook]
name = "{name}"
says = "Do something about it."
{more}
[when]
verdict = ["conclusive", "inconclusive"]
confidence = 0
metric = ["{alert}"]
[parameters.number]
from = "label.number"
pattern = "[0-9]+"
{"".join(steps)}
[verify]
within_s = {within_s}
[limits]
per_hour = {per_hour}
cooldown_s = 0
"""


def step(program: Any, word: str, more: str = "", undo: str = "") -> str:
    """A step that calls a program with a word and the number; ``undo`` is a word, or why not."""
    back = f'undo = "none"\nbecause = "{undo}"'
    if undo and " " not in undo:
        back = f'undo = {{ do = "command", arguments = {{ {_command(program, undo)} }} }}'
    head = f'[[steps]]\nname = "{word}"\ndo = "command"\ntimeout_s = 600'
    return f"{head}\narguments = {{ {_command(program, word)}{more} }}\n{back}\n"


def _command(program: Any, word: str) -> str:
    return f'command = ["{program}", "{word}", "{{number}}"]'


@dataclass(slots=True)
class Doer:
    """Does ``what``, and says that the thing was ``up`` before; may be made to fail or to hang."""

    name: str = "doer"
    alters: bool = True
    again: bool = False
    risky: bool = False
    done: list[str] = field(default_factory=list)
    fails: set[str] = field(default_factory=set)
    reaches: tuple[str, ...] = ()
    begun: threading.Event = field(default_factory=threading.Event)
    hangs: bool = False

    def faults(self, arguments: Mapping[str, Any]) -> list[str]:
        return [] if isinstance(arguments.get("what"), str) else ["what must be a text"]

    def fill(self, arguments, values):
        return dict(filled(arguments, values))

    def barred(self, arguments) -> list[str]:
        return ["it is forbidden here"] if "forbidden" in arguments["what"] else []

    def changes(self, _arguments) -> bool:
        return self.alters

    def repeatable(self, _arguments) -> bool:
        return self.again

    def dangerous(self, _arguments) -> bool:
        return self.risky

    def tell(self, arguments) -> str:
        return f"Do: {arguments['what']}."

    def reach(self, arguments) -> tuple[str, ...]:
        named = f"service:{arguments['what'].split()[1]}" if " " in arguments["what"] else ""
        return self.reaches or ((named,) if named and self.alters else ())

    def act(self, arguments, limit) -> Outcome:
        self.done.append(arguments["what"])
        self.begun.set()
        while self.hangs and limit.wait(1.0):
            pass
        if over := limit.over():
            return Outcome(False, over, {"before": "up"})
        ok = not any(word in arguments["what"] for word in self.fails)
        return Outcome(ok, "did it" if ok else "did not do it", {"before": "up"})


def house_actors(doer: Doer, *more: Doer):
    """The doer, a look that changes nothing, and those that only wait."""
    look = Doer("look", alters=False, again=True, done=doer.done, fails=doer.fails)
    return {each.name: each for each in (doer, look, *more, Wait(), Ask())}
