"""The model card: what a reader must know of one version, filled from facts alone.

In come the facts; out come sections for the page, or Markdown whose front matter Hugging Face
reads (``license``, ``datasets``, ``metrics``, ``model-index``). What is not known says
``unknown`` and how to make it known; a figure that nobody measured is not in the index at all,
because an index holds numbers. Pure.

Source: the model card specification of the Hugging Face Hub (front matter), after Mitchell et
al., "Model Cards for Model Reporting", 2019 (what a card answers).
"""

from collections.abc import Mapping
from typing import Any

from twinhelm.mlops.govern.facts import UNKNOWN, Fact
from twinhelm.mlops.govern.page import Section, markdown

__all__ = ["card", "fact_rows", "parts"]

TITLES = {
    "Model details": ("product", "version"),
    "Uses": ("purpose", "success"),
    "Training data": ("data",),
    "Training": ("build", "run"),
    "Evaluation": ("gates", "slices", "validation"),
    "Approval": ("approval",),
    "In use": ("rollout", "rollouts", "deployment", "monitor", "health", "retrain"),
    "Records": ("retention", "remarks", "stated", "journal"),
}
"""The card's sections, and the families of facts that each holds."""


def parts(facts: Mapping[str, Fact]) -> list[Section]:
    """Return the card as sections, for a page."""
    return [
        Section(
            title,
            head=("what", "answer", "source or to do"),
            rows=fact_rows(each for each in facts.values() if each.name.split(".")[0] in families),
        )
        for title, families in TITLES.items()
    ]


def fact_rows(facts: Any) -> tuple[tuple[str, ...], ...]:
    """Write facts as rows: what, answer, source with the start of its digest, or what to do."""
    return tuple(
        (each.says, each.text, f"{each.source} {each.digest[:12]}".strip() or each.wants)
        for each in facts
    )


def card(facts: Mapping[str, Fact]) -> str:
    """Return the card as Markdown with front matter."""
    import yaml  # type: ignore[import-untyped]  # it ships no types

    name, version = facts["product.name"].text, facts["version.number"].text
    front = yaml.safe_dump(_front(facts, name), sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n{markdown(f'{name}, version {version}', parts(facts))}"


def _front(facts: Mapping[str, Fact], name: str) -> dict[str, Any]:
    digests = facts["version.data"].value or facts["validation.data"].value or {}
    datasets = [_dataset(facts, role, digest) for role, digest in digests.items()]
    measured = facts["validation.measured"].value or []
    front: dict[str, Any] = {
        "license": facts["version.license"].text,
        "library_name": facts["version.flavor"].text,
        "tags": ["twinhelm", f"tier-{facts['product.tier'].text}"],
        "datasets": datasets or [UNKNOWN],
        "metrics": [each["metric"] for each in measured] or [UNKNOWN],
    }
    if measured:
        holdout = (facts["validation.data"].value or {}).get("holdout", UNKNOWN)
        result = {
            "task": {"type": f"tabular-{facts['data.task'].text}"},
            "dataset": {"name": _dataset(facts, "holdout", holdout), "type": "holdout"},
            "metrics": [{"type": each["metric"], "value": each["value"]} for each in measured],
        }
        front["model-index"] = [{"name": name, "results": [result]}]
    return front


def _dataset(facts: Mapping[str, Fact], role: str, digest: str) -> str:
    place = facts[f"data.{role}"].value if f"data.{role}" in facts else None
    return f"{place or role}@{digest}"
