"""The bill of materials: what a version consists of, as CycloneDX 1.6 (ML-BOM).

In come the facts, out goes a JSON document: one component of type ``machine-learning-model`` with
its model card, the sealed files with their hashes, the data with its digests, the libraries that
the model's requirements name as dependencies. What is not known says ``unknown`` where the schema
takes text, and is left out where it takes an enumeration, a number or a hash. Pure; equal facts
give an equal bill but for its time.

Source: CycloneDX 1.6 JSON schema, definitions ``component`` and ``modelCard``.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from twinhelm.mlops.govern.facts import UNKNOWN, Fact, instant, words

__all__ = ["bill"]

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_NEEDED = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?\s*(?:==\s*([\w.+!-]+))?")


def bill(facts: Mapping[str, Fact], *, made_ms: int) -> dict[str, Any]:
    """Return the bill of one version."""
    name, version = facts["product.name"].text, facts["version.number"].text
    ref = f"model:{name}/{version}"
    data = facts["version.data"].value or facts["run.data"].value or {}
    needed = [_library(line) for line in facts["version.requirements"].value or ()]
    files = facts["version.files"].value or {}
    parts = [
        *({"type": "file", "bom-ref": f"file:{path}", "name": path, "hashes": _hash(digest)}
          for path, digest in sorted(files.items())),
        *({"type": "data", "bom-ref": f"data:{role}", "name": role, "version": digest,
           "hashes": _hash(digest)} for role, digest in sorted(data.items())),
        *({each["bom-ref"]: each for each in needed if each}.values()),
    ]  # fmt: skip
    serial = uuid5(NAMESPACE_URL, f"{ref} {words(facts['version.digest'].value)}")
    tool = {"type": "application", "name": "twinhelm"}
    made = {"timestamp": instant(made_ms), "tools": {"components": [tool]}}
    model = {
        "type": "machine-learning-model",
        "bom-ref": ref,
        "name": name,
        "version": version,
        "description": facts["purpose.use_case"].text,
        "hashes": _hash(facts["version.digest"].text),
        "licenses": [{"license": {"name": facts["version.license"].text}}],
        "modelCard": _card(facts, ref, data),
    }
    leans = [{"ref": ref, "dependsOn": [each["bom-ref"] for each in parts]}]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": made | {"component": model},
        "components": parts,
        "dependencies": leans + [{"ref": each["bom-ref"]} for each in parts],
    }


def _card(facts: Mapping[str, Fact], ref: str, data: Mapping[str, str]) -> dict[str, Any]:
    task = facts["data.task"]
    measured = [*(facts["validation.measured"].value or []),
                *(facts["validation.slices"].value or [])]  # fmt: skip
    parameters = {
        # Both tasks that a product file may name learn from labels.
        **({"approach": {"type": "supervised"}} if task.known else {}),
        "task": task.text,
        "architectureFamily": facts["version.flavor"].text,
        "modelArchitecture": facts["version.method"].text,
        "datasets": [{"ref": f"data:{role}"} for role in sorted(data)],
        **{key: [{"format": each} for each in facts[f"version.{key}"].value or [UNKNOWN]]
           for key in ("inputs", "outputs")},
    }  # fmt: skip
    return {
        "bom-ref": f"card:{ref}",
        "modelParameters": parameters,
        "quantitativeAnalysis": {"performanceMetrics": [_metric(each) for each in measured]},
        "considerations": {
            "users": [facts["product.owner"].text],
            "useCases": [facts["purpose.use_case"].text, facts["product.decides"].text],
            "technicalLimitations": [facts["validation.robustness"].text],
            "performanceTradeoffs": [facts["success.cost_of_wrong"].text],
            "ethicalConsiderations": [
                {"name": facts["purpose.affects"].text,
                 "mitigationStrategy": facts["approval.four_eyes"].text}],
            "fairnessAssessments": [
                {"groupAtRisk": facts["slices.protected"].text,
                 "mitigationStrategy": facts["validation.fairness"].text}],
        },
    }  # fmt: skip


def _metric(each: Mapping[str, Any]) -> dict[str, Any]:
    limits = {"lowerBound": words(each["low"]), "upperBound": words(each["high"])}
    told = {"type": each["metric"], "value": words(each["value"]), "confidenceInterval": limits}
    return told | ({"slice": each["slice"]} if each["slice"] else {})


def _library(line: str) -> dict[str, Any] | None:
    """Read a line of requirements.txt; only ``name==version`` says what was really there."""
    found = _NEEDED.match(line.strip())
    if found is None:
        return None
    name, at = found[1], found[2]
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}" + (f"@{quote(at)}" if at else "")
    version = {"version": at} if at else {}
    return {"type": "library", "bom-ref": purl, "name": name, "purl": purl} | version


def _hash(digest: str) -> list[dict[str, str]]:
    found = _SHA256.fullmatch(digest)
    return [{"alg": "SHA-256", "content": found[1]}] if found else []
