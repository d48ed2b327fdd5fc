"""Which call of the MLflow API asks for something that the house decides, and what it asks for.

In: method, endpoint (``registered-models/alias``) and JSON fields of a request to MLflow. Out: a
:class:`Wish` that a :class:`Gate` is asked about before MLflow hears of it, or None where MLflow
may answer by itself. Pure functions but for the gate, which others bring; :mod:`twinhelm.web`
walks them. What MLflow would read differently than this module is refused, never guessed: the
door hands on the very fields that were judged here, written anew.

Source: MLflow 3.17 REST API, "Set Registered Model Alias", "Transition ModelVersion Stage".

    >>> wish_of("POST", "registered-models/alias", {"name": "a", "alias": "champion", "version": 3})
    Wish(kind=<Kind.PROMOTE: 'promote'>, product='a', version='3')
    >>> wish_of("POST", "registered-models/alias", {"name": "a", "alias": "try", "version": "3"})
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote

from twinhelm.core.errors import BadInput, NotFound

__all__ = [
    "ARTIFACTS", "CREATE_VERSION", "JUDGED", "PROTECTED", "Gate", "Kind", "Wish", "artifact_path",
    "endpoint_of", "judged", "wish_of",
]  # fmt: skip

PROTECTED = frozenset({"champion"})
"""Aliases that say what is live: they follow the house, and are moved by nobody else."""

ARTIFACTS_ROOT = "/api/2.0/mlflow-artifacts/"
ARTIFACTS = re.compile(re.escape(ARTIFACTS_ROOT) + "(?:artifacts|mpu)(?:/.*)?", re.DOTALL)
CALL = re.compile(r"/api/[23]\.0/mlflow/([a-z][^/]*)(?:/[^/]+){0,4}")
FAMILIES = frozenset({
    "artifacts", "datasets", "experiments", "logged-models", "metrics", "model-versions",
    "registered-models", "runs", "server-info",
})  # fmt: skip
"""What is served. Left out are pages, webhooks and gateways (which have the server send requests
to addresses of a client's choice), traces (the doors for OpenTelemetry take them), and jobs."""

ALSO = frozenset({"/health", "/version"})
CREATE_VERSION = ("POST", "model-versions/create")
USER_TAG = "mlflow.user"
DECODINGS = 4
"""Nobody encodes a path more than twice; what is still encoded after this is hiding something."""


class Kind(StrEnum):
    """What is wished.

    PROMOTE: that a version be the live one. UNSET: that it no longer be called so. DELETE: that a
    version, or (with an empty one) the whole product, be gone or bear another name.
    """

    PROMOTE = "promote"
    UNSET = "unset"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Wish:
    """A wish about one version; ``version`` is empty for whichever is live, or for all."""

    kind: Kind
    product: str
    version: str = ""


class Gate(Protocol):
    """Who decides; blocking, called from any thread. ``by`` is the name of whoever asks."""

    def promote(self, product: str, version: str, *, by: str) -> str:
        """Ask that a version go live.

        Returns an empty text where it is live already, so that MLflow may say so too; otherwise
        what happens now, in a sentence ("approval churn/3/1 waits for 1 other person"). Raises
        :class:`~twinhelm.core.errors.Denied` with the reason, and what to do as its hint.
        """
        ...

    def may_unset(self, product: str, version: str, *, by: str) -> None:
        """Raise ``Denied`` where the version (empty: any) is live, so that it stays called so."""
        ...

    def may_delete(self, product: str, version: str, *, by: str) -> None:
        """Raise ``Denied`` where the version (empty: any) is live or under a legal hold."""
        ...


def endpoint_of(path: str) -> str:
    """Return ``family/rest`` of a call's path (below the mount), empty for ``/health`` and such.

    Raises :class:`NotFound` for what is not served.
    """
    if path in ALSO:
        return ""
    found = CALL.fullmatch(path)
    dots = any(part in {".", ".."} for part in path.split("/"))
    if found is None or dots or found[1] not in FAMILIES:
        hint = "this is MLflow's REST API for tracking and registry; the pages are at /products"
        raise NotFound(f"MLflow's {path[:200]!r} is not served here", hint=hint)
    return path.split("/mlflow/", 1)[1]


def artifact_path(raw_path: str, query: str) -> None:
    """Raise :class:`BadInput` where a path to artifacts could lead out of their folder.

    ``raw_path`` is as it came over the wire, ``query`` likewise; both are looked at in every
    layer of percent-encoding. Names with a backslash or control characters are refused, too.
    """
    if not raw_path.startswith(ARTIFACTS_ROOT):
        raise BadInput(f"{raw_path[:200]!r} has encoded letters where none belong")
    asked = parse_qs(query, keep_blank_values=True).get("path", [])
    for text in (raw_path.removeprefix(ARTIFACTS_ROOT), *asked):
        _check_path(text)


def _check_path(text: str) -> None:
    for _ in range(DECODINGS):
        parts = text.split("/")
        bad = "" in parts[:-1] or any(part in {".", ".."} for part in parts)
        if bad or "\\" in text or any(ord(letter) < 32 for letter in text):
            hint = "name a file by its path below the run, such as model/MLmodel"
            raise BadInput(f"the artifact path {text[:200]!r} is not a plain one", hint=hint)
        text, before = unquote(text), text
        if text == before:
            return
    raise BadInput("the artifact path is percent-encoded again and again", hint="encode it once")


def wish_of(method: str, endpoint: str, fields: Mapping[str, Any]) -> Wish | None:
    """Return what a call wishes of the house, or None; :class:`BadInput` without its fields."""
    rule = RULES.get((method, endpoint))
    return rule(fields) if rule else None


def judged(method: str, endpoint: str, fields: Mapping[str, Any], *, by: str) -> dict[str, Any]:
    """Return the fields that MLflow is to be handed: a run bears the name of whoever began it.

    Raises :class:`BadInput` for an experiment whose files would lie elsewhere than here.
    """
    made = dict(fields)
    if (method, endpoint) == NEW_RUN and by:
        tags = made.get("tags") or []
        if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
            raise BadInput("tags is not a list of keys and values")
        if not any(tag.get("key") == USER_TAG for tag in tags):
            made["tags"] = [*tags, {"key": USER_TAG, "value": by}]
    for name in ("artifact_location", "artifactLocation"):
        place = made.get(name) or ""
        if (method, endpoint) == NEW_EXPERIMENT and place and not _is_ours(place):
            said = f"artifact_location {str(place)[:200]!r} is not a place of this server"
            raise BadInput(said, hint="leave it out: files go through the server")
    return made


def _is_ours(place: object) -> bool:
    return isinstance(place, str) and place.startswith("mlflow-artifacts:/") and "//" not in place


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{name} is missing or not a text")
    return value


def _alias_set(fields: Mapping[str, Any]) -> Wish | None:
    if not _is_protected(fields):
        return None
    return Wish(Kind.PROMOTE, _text(fields, "name"), _text(fields, "version"))


def _alias_gone(fields: Mapping[str, Any]) -> Wish | None:
    return Wish(Kind.UNSET, _text(fields, "name")) if _is_protected(fields) else None


def _is_protected(fields: Mapping[str, Any]) -> bool:
    return _text(fields, "alias").strip().casefold() in PROTECTED


def _staged(fields: Mapping[str, Any]) -> Wish:
    live = _text(fields, "stage").strip().casefold() == "production"
    kind = Kind.PROMOTE if live else Kind.UNSET
    return Wish(kind, _text(fields, "name"), _text(fields, "version"))


def _version_gone(fields: Mapping[str, Any]) -> Wish:
    return Wish(Kind.DELETE, _text(fields, "name"), _text(fields, "version"))


def _model_gone(fields: Mapping[str, Any]) -> Wish:
    return Wish(Kind.DELETE, _text(fields, "name"))


RULES: dict[tuple[str, str], Callable[[Mapping[str, Any]], Wish | None]] = {
    ("POST", "registered-models/alias"): _alias_set,
    ("DELETE", "registered-models/alias"): _alias_gone,
    ("POST", "registered-models/rename"): _model_gone,
    ("DELETE", "registered-models/delete"): _model_gone,
    ("POST", "model-versions/transition-stage"): _staged,
    ("DELETE", "model-versions/delete"): _version_gone,
}
NEW_RUN = ("POST", "runs/create")
NEW_EXPERIMENT = ("POST", "experiments/create")
JUDGED = frozenset({*RULES, NEW_RUN, NEW_EXPERIMENT})
"""The calls whose fields are read here."""
