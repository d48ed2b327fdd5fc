"""What does a model folder say of itself? Its file ``MLmodel``, read as plain values.

Comes in: a folder that nobody trusts yet. Goes out to :mod:`scan` (which paths, modules and types
it names) and to the register (flavor, schema, versions of what made it). The file is YAML; its
signature is JSON in strings. Nothing is made or imported.
Source: MLflow's model format ("MLmodel" and "Model Signature" in its documentation).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twinhelm.core.errors import BadInput, TwinhelmError
from twinhelm.core.json import loads
from twinhelm.mlops.types import Field, Schema

__all__ = ["Description", "describe"]

MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Description:
    """What ``MLmodel`` says: the maker's flavor, the schema, facts, and every (key, text) in it."""

    flavor: str
    schema: Schema
    facts: Mapping[str, str]
    texts: tuple[tuple[str, str], ...]


def describe(folder: Path) -> Description:
    """Read ``MLmodel``; raises :class:`BadInput` where there is none or it is not one."""
    import yaml  # type: ignore[import-untyped]

    path = folder / "MLmodel"
    hint = "log the model with MLflow's log_model or save_model"
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise BadInput(f"there is no MLmodel file of at most {MAX_BYTES} bytes in it", hint=hint)
    try:
        said = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
        flavors = said["flavors"]
        signature = said.get("signature") or {}
        facts = {key: str(said[key]) for key in ("mlflow_version", "model_uuid") if key in said}
        for flavor, held in flavors.items():
            facts |= {
                f"{flavor} {key}": str(value)
                for key, value in held.items()
                if key.endswith("version") or key in ("loader_module", "model_class")
            }
        schema = Schema(_fields(signature.get("inputs")), _fields(signature.get("outputs")))
        texts = tuple(_texts("", flavors, set()))
    except (yaml.YAMLError, UnicodeError, ArithmeticError, LookupError, TypeError, ValueError,
            AttributeError, RecursionError, TwinhelmError) as error:  # fmt: skip
        raise BadInput(f"its MLmodel file cannot be understood: {error!r}", hint=hint) from error
    own = sorted(name for name in flavors if name != "python_function")
    return Description(own[0] if own else "python_function", schema, facts, texts)


def _fields(told: str | None) -> tuple[Field, ...]:
    """Read one side of the signature: columns, or tensors with a shape."""
    return tuple(_field(number, each) for number, each in enumerate(loads(told) if told else ()))


def _field(number: int, told: Mapping[str, Any]) -> Field:
    name = str(told.get("name", number))
    optional = told.get("required") is False
    if told["type"] == "tensor":
        spec = told["tensor-spec"]
        return Field(name, str(spec["dtype"]), optional, tuple(int(each) for each in spec["shape"]))
    return Field(name, str(told["type"]), optional)


def _texts(key: str, value: Any, seen: set[int]) -> Iterator[tuple[str, str]]:
    """Walk all texts; what YAML's aliases name twice is walked once."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict | list) and id(value) not in seen:
        seen.add(id(value))
        pairs = value.items() if isinstance(value, dict) else ((key, each) for each in value)
        for name, each in pairs:
            yield from _texts(str(name), each, seen)
