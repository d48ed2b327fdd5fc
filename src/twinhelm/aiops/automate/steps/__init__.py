"""What can a step of a runbook do? One actor a kind of deed, each in a file of its own.

| do | what | allowed by |
| --- | --- | --- |
| command | runs a program by its argument list | `automate.commands` |
| http | calls an address | `automate.urls` |
| flag | writes a JSON value at an address, and knows what stood there | `automate.urls` |
| systemd | starts, stops, restarts a unit, or looks at it | `automate.units` |
| process | signals the very process that was named | `automate.processes` |
| kubernetes | restarts a workload, takes a rollout back, or looks at it | `automate.namespaces` |
| scale | sets how many replicas a workload has | `automate.namespaces` |
| sql | asks a database, or has it do a listed repair | `automate.databases`, `statements` |
| model_rollback | lets the model version before answer again | `automate.products` |
| wait | lets time pass | |
| ask | a person answers | |
"""

from twinhelm.aiops.automate.steps.actor import Actor, Arguments, Limit, Outcome
from twinhelm.aiops.automate.steps.command import Command
from twinhelm.aiops.automate.steps.fill import filled, parameters_of
from twinhelm.aiops.automate.steps.http import Flag, Http
from twinhelm.aiops.automate.steps.kubernetes import Kubernetes, Scale
from twinhelm.aiops.automate.steps.models import ModelRollback, RollBack
from twinhelm.aiops.automate.steps.people import Ask, Wait
from twinhelm.aiops.automate.steps.process import NameOf, Process
from twinhelm.aiops.automate.steps.sql import Sql
from twinhelm.aiops.automate.steps.systemd import Systemd
from twinhelm.core.own.secrets import Secrets
from twinhelm.core.settings import AutomateSettings

__all__ = ["Actor", "Arguments", "Ask", "Limit", "Outcome", "Wait", "actors", "filled",
           "parameters_of"]  # fmt: skip


def actors(
    settings: AutomateSettings, secrets: Secrets, *, name_of: NameOf, roll_back: RollBack
) -> dict[str, Actor]:
    """Make every actor, by the name that stands behind ``do``.

    ``name_of`` names processes as the host's collector does; ``roll_back`` is the MLOps wing's.
    """
    made: tuple[Actor, ...] = (
        Command(settings, secrets), Http(settings, secrets), Flag(settings, secrets),
        Systemd(settings), Process(settings, name_of), Kubernetes(settings), Scale(settings),
        Sql(settings, secrets), ModelRollback(settings, roll_back), Wait(), Ask(),
    )  # fmt: skip
    return {each.name: each for each in made}
