"""What could one begin with? A runbook, a rule, a workflow or a schedule, as text that runs.

In: what is known of the toil; out: a :class:`~.types.Draft`. A runbook is made of what people did,
where that was one program with its arguments: what stayed the same stays, what was the name of the
thing in trouble becomes a parameter. Where it was more (a shell's line, or words), a step asks a
person. It starts at level ``suggest``. Pure; :mod:`.trial` reads runbooks back and tries them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twinhelm.advise.types import Deed, Draft, Past
from twinhelm.advise.words import SHELL, argv_of
from twinhelm.aiops.automate.draft import runbook_text
from twinhelm.aiops.automate.pattern import literal
from twinhelm.core.documents import table, written
from twinhelm.core.entities import split_key
from twinhelm.core.json import dumps

__all__ = [
    "chore", "level", "pattern_of", "repair", "rerun_pipeline", "rerun_workflow", "rollback",
    "rule", "schedule", "slug",
]  # fmt: skip

MOST_PATTERNS = 10
NAME = "[a-z0-9][a-z0-9._-]{0,60}"
"""What a name of a service, host or pipeline looks like."""
CHECK = "Drafted from history: read it, try it on an incident, then raise its level."
EITHER = ["conclusive", "inconclusive"]


def slug(*words: str) -> str:
    """Make a name of words that a runbook or a key may have.

    >>> slug("repeat", "service:shop/cart")
    'repeat-service-shop-cart'
    """
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")[:60].strip("-")


def pattern_of(text: str) -> str:
    r"""Make a pattern that takes this text with any numbers in it.

    >>> pattern_of("host:web-3")
    'host:web-[0-9]+'
    """
    parts = re.split(r"(\d+)", text)
    return "".join("[0-9]+" if part.isdigit() else literal(part) for part in parts)


def repair(name: str, says: str, pasts: Sequence[Past], deeds: Mapping[str, Deed]) -> Draft:
    """Draft the runbook for incidents of one kind; ``deeds`` are what ended them, by reference."""
    suspects = [past.case.suspects[0] for past in pasts if past.case.suspects]
    sure = min((each.confidence for each in suspects), default=0.0)
    seen = {past.case.incident.verdict for past in pasts}
    when = {
        "verdict": [each for each in EITHER if each in seen] or EITHER,
        "metric": _few(past.shows for past in pasts),
        "entity": _few(past.entity for past in pasts),
        "confidence": 0.0 if len(suspects) < len(pasts) else round(min(sure, 0.65) - 0.005, 2),
    }
    done = [(past.entity, deeds[past.ref]) for past in pasts if past.ref in deeds]
    return _runbook(name, says, when, done)


def chore(name: str, deeds: Sequence[Deed]) -> Draft:
    """Draft the runbook of something that people do without an incident; a person begins it."""
    when = {"verdict": EITHER, "confidence": 0.0}
    when["entity"] = _few(deed.entity for deed in deeds) or ["[a-z]+:[a-zA-Z0-9/_-]+"]
    says = f"What people do by hand now and then: {deeds[-1].text}"
    return _runbook(name, says[:1000], when, [(deed.entity, deed) for deed in deeds])


def rerun_pipeline(name: str, entity: str, deeds: Sequence[Deed]) -> Draft:
    """Draft the runbook that begins a pipeline again, by the command that people used."""
    metrics = ["pipeline_late_ratio", "pipeline_failed"]
    when = {"verdict": EITHER, "metric": metrics, "entity": _few([entity]), "confidence": 0.0}
    says = f"Begin {split_key(entity)[1]} again when it failed or is late."
    return _runbook(name, says, when, [(entity, deed) for deed in deeds])


def rollback(name: str, entity: str) -> Draft:
    """Draft the runbook that asks for the deploy before, when a deploy is suspected."""
    when = {"change": ["deploy"], "entity": _few([entity]), "confidence": 0.5}
    return _runbook(name, f"Go back when a deploy of {split_key(entity)[1]} broke it.", when, [])


def rule(alert: str, hold_s: int) -> Draft:
    """Draft a Prometheus rule that speaks only of what lasts; it needs no change of the old one."""
    said = {
        "alert": f"{alert}Lasting",
        "expr": f'ALERTS{{alertname={written(alert)},alertstate="firing"}}',
        "for": f"{hold_s}s",
        "labels": {"severity": "warning"},
        "annotations": {"summary": f"{alert} has been firing for {hold_s // 60} min"},
    }
    body = {"groups": [{"name": slug("lasting", alert), "rules": [said]}]}
    head = f"# Page people for {alert}Lasting, and let {alert} page nobody."
    return Draft("rule", f"{slug('lasting', alert)}.yml", f"{head}\n{_yaml(body)}\n")


def rerun_workflow(workflow: str, job: str, sender: str) -> Draft:
    """Draft what runs failed jobs again, once; JSON is YAML, so each service reads it as it is."""
    if sender == "gitlab":
        head = "# Add to .gitlab-ci.yml"
        said: dict[str, Any] = {job: {"retry": {"max": 1, "when": ["script_failure"]}}}
    else:
        head = "# Save as .github/workflows/rerun.yml"
        run = "github.event.workflow_run"
        step = {
            "run": f"gh run rerun ${{{{ {run}.id }}}} --failed",
            "env": {"GH_TOKEN": "${{ github.token }}", "GH_REPO": "${{ github.repository }}"},
        }
        once = f"{run}.conclusion == 'failure' && {run}.run_attempt < 2"
        said = {
            "name": f"Run {job} again, once",
            "on": {"workflow_run": {"workflows": [workflow], "types": ["completed"]}},
            "permissions": {"actions": "write"},
            "jobs": {"rerun": {"if": once, "runs-on": "ubuntu-latest", "steps": [step]}},
        }
    return Draft("workflow", f"{slug('rerun', workflow, job)}.yml", f"{head}\n{_yaml(said)}\n")


def schedule(product: str, every_hours: float) -> Draft:
    """Draft what a product file says for builds that begin by themselves."""
    head = f"# Add to product.toml of {product}; gates and people stay as they are."
    lines = [head, *table("build", {"every_hours": every_hours})]
    return Draft("schedule", f"{slug(product)}-build.toml", "\n".join(lines).strip() + "\n")


def level(runbook: str) -> Draft:
    """Draft the command that lets a runbook act by itself."""
    text = "# Its limits stay, and one repair that does not help makes it ask again.\n"
    return Draft("command", f"{runbook}-act.sh", f"{text}twinhelm runbook level {runbook} act\n")


def _runbook(
    name: str, says: str, when: Mapping[str, Any], done: Sequence[tuple[str, Deed]]
) -> Draft:
    """Write a runbook; ``done`` are an entity and what was done to it, the newest last."""
    argv, parameters = _common(done), {}
    if argv:
        step = {
            "name": "repair", "do": "command", "arguments.command": argv, "undo": "none",
            "because": "people did not undo it either; say here how, if it can be",
        }  # fmt: skip
        if "{name}" in " ".join(argv):
            said = {"from": "suspect.name", "pattern": NAME, "says": "the one in trouble"}
            parameters = {"name": said}
    else:
        told = f"People did this by hand: {done[-1][1].text}." if done else says
        asked = f"{told} Is it right here, and was it done?".replace("{", "(").replace("}", ")")
        step = {"name": "repair", "do": "ask", "arguments.question": asked[:1000]}
    text = runbook_text(name, says, when, step, head=[CHECK], parameters=parameters)
    return Draft("runbook", f"{name}.toml", text)


def _few(texts: Iterable[str]) -> list[str]:
    """Return the patterns that take all of these, if they are few."""
    found = sorted({pattern_of(text) for text in texts if text})
    return found if len(found) <= MOST_PATTERNS else []


def _common(done: Sequence[tuple[str, Deed]]) -> list[str] | None:
    """Find the one argument list behind commands, ``{name}`` where the thing's own name stands."""
    if not done or any(deed.kind != "command" or SHELL.search(deed.text) for _, deed in done):
        return None
    plain = [argv_of(deed.text) for _, deed in done]
    names = [split_key(entity)[1].rpartition("/")[2] for entity, _ in done]
    named = [
        [first, *(word.replace(name, "{name}") if len(name) > 2 else word for word in rest)]
        for name, (first, *rest) in zip(names, plain, strict=True)
    ]
    for lists in (plain, named):
        if "{" not in " ".join(plain[0]) and all(each == lists[0] for each in lists):
            program, *rest = lists[0]
            return [program if "/" in program else f"/usr/bin/{program}", *rest]
    return None


def _yaml(value: Any) -> str:
    return dumps(value, indent=True).decode()
