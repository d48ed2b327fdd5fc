"""What GitHub and GitLab tell of CI, pushes and deploys, once their signature was checked.

In: the body and the name of the event, as the door hands them over; out: a
:class:`~twinhelm.aiops.types.Received` with at most one change. Runs and jobs count when they have
ended, deploys at each state, the last one standing. What is read of which event is data
(``hooks.toml``); events that it does not name give nothing, so a hook that sends everything does
no harm. Pure. Source: "Webhook events and payloads" (GitHub), "Webhook events" (GitLab).

>>> body = b'{"ref": "refs/heads/main", "after": "f00", "repository": {"full_name": "a/shop"}}'
>>> decode_hook("github", "push", body, now_ms=5).changes[0].entity
'pipeline:a/shop'
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from pydantic import TypeAdapter

from twinhelm.aiops.collect.development.told import OUTCOMES, Told, made, takes_back
from twinhelm.aiops.collect.words import given
from twinhelm.aiops.types import Received
from twinhelm.core.errors import BadInput
from twinhelm.core.json import loads

__all__ = ["MAX_BYTES", "decode_hook"]

MAX_BYTES = 4 << 20
"""A body above it is refused; events that are read here are well below 200 kB."""

REPOSITORY = {"github": "repository.full_name", "gitlab": "project.path_with_namespace"}
ALIKE = {"deployment_status": "deployment"}
"""Events that are read as another one is."""


@dataclass(frozen=True, slots=True)
class _Form:
    """What is read of one event; see ``hooks.toml``."""

    kind: str
    type: str
    id: str
    entity: str
    title: str
    read: Mapping[str, str | list[str]]
    when: Mapping[str, list[str]] = field(default_factory=dict)
    began: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    outcome: str = ""


@cache
def _forms() -> Mapping[str, Mapping[str, _Form]]:
    text = (files(__package__) / "hooks.toml").read_text(encoding="utf-8")
    return TypeAdapter(dict[str, dict[str, _Form]]).validate_python(tomllib.loads(text))


def decode_hook(sender: str, event: str, body: bytes, *, now_ms: int) -> Received:
    """Decode one delivery of ``github`` or ``gitlab``; ``event`` is what its header names.

    Raises :class:`BadInput` for a body that is no object or names no repository.
    """
    told = Told(given(loads(body, max_bytes=MAX_BYTES, what="event"), dict, "an event"))
    form = _forms()[sender].get(ALIKE.get(event, event))
    if form is None or any(told.text(name) not in held for name, held in form.when.items()):
        return Received()
    repo = told.text(REPOSITORY[sender])
    if not repo:
        wanted = f"the event names no {REPOSITORY[sender]}"
        raise BadInput(wanted, hint="send it as the service does, as application/json")
    said = {name: told.text(*_paths(path)) for name, path in form.read.items()}
    said["branch"] = said.get("branch", "").removeprefix("refs/heads/")
    if server := said.pop("server", ""):  # of a job of GitLab's: where it is seen and run again
        said["url"] = f"{server}/-/jobs/{said['job_id']}"
        root = server.removesuffix(repo)
        said["api"] = f"{root}api/v4/projects/{said['project']}/jobs/{said['job_id']}"
    name = said.pop("service", "") or repo.rpartition("/")[2]
    words = said | {"repo": repo, "name": name}
    outcome = told.text(form.outcome) if form.outcome else ""
    began = told.moment(*form.began)
    change = made(
        form.id.format_map(words),
        form.kind,
        form.entity.format_map(words).removesuffix("/"),
        form.title.format_map(words),
        now_ms if began is None else began,
        end_ms=told.moment(*form.ended) if outcome in OUTCOMES else None,
        outcome=outcome,
        type=form.type,
        repo=repo,
        reverts="yes" if form.type == "push" and takes_back(told) else "",
        **said,
    )
    return Received(changes=(change,))


def _paths(read: str | list[str]) -> list[str]:
    return [read] if isinstance(read, str) else read
