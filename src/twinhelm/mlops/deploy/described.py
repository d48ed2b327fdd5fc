"""What does a model directory say of itself? Its flavors, what it takes and gives, an example.

In: a folder as MLflow writes it. Out: :class:`Described`. Reads ``MLmodel`` (YAML) and the serving
example; opens no model. Source: MLflow "MLflow Models", storage format and model signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twinhelm.core import json
from twinhelm.core.errors import BadInput, NotFound
from twinhelm.mlops.types import Field, Schema

__all__ = ["Described", "described"]

EXAMPLE = "serving_input_example.json"
MAX_EXAMPLE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Described:
    """A model directory; ``params`` are the names it takes besides rows, ``example`` a request."""

    folder: Path
    flavors: Mapping[str, Any]
    schema: Schema
    params: tuple[str, ...] = ()
    example: str = ""
    mlflow_version: str = ""


def described(folder: Path) -> Described:
    """Read a model directory; raises :class:`NotFound` or :class:`BadInput`."""
    import yaml  # type: ignore[import-untyped]

    file = folder / "MLmodel"
    try:
        said = yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader)
        signature = said.get("signature") or {}
        schema = Schema(_fields(signature.get("inputs")), _fields(signature.get("outputs")))
        params = json.loads(signature.get("params") or "[]", what="signature")
        names = tuple(str(each["name"]) for each in params)
        flavors = dict(said["flavors"])
    except FileNotFoundError as error:
        raise NotFound(f"{folder} holds no MLmodel file", hint="log it with MLflow") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise BadInput(f"{file} cannot be read: {error!r}") from error
    example = folder / EXAMPLE
    small = example.is_file() and example.stat().st_size <= MAX_EXAMPLE_BYTES
    text = example.read_text("utf-8") if small else ""
    return Described(folder, flavors, schema, names, text, str(said.get("mlflow_version") or ""))


def _fields(text: str | None) -> tuple[Field, ...]:
    """Read one side of a signature; nameless columns are named by their place, as in MLflow."""
    found = json.loads(text or "[]", what="signature")
    made = []
    for at, each in enumerate(found):
        optional = not each.get("required", True)
        if each["type"] == "tensor":
            spec = each["tensor-spec"]
            shape = tuple(int(length) for length in spec["shape"])
            made.append(Field(each.get("name") or "", spec["dtype"], optional, shape))
        else:
            made.append(Field(str(each.get("name") or at), str(each["type"]), optional))
    return tuple(made)
