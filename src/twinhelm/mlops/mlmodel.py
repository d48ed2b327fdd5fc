"""What does a model folder say of itself? Its file ``MLmodel``, read as plain values.

Comes in: a folder as MLflow writes it, which nobody may trust yet. Goes out to the register (which
paths, modules and types it names; facts) and to deploy (how it is opened, what it takes, an
example). The file is YAML; its signature is JSON in strings. Nothing is made or imported.
Source: MLflow's model format ("MLmodel" and "Model Signature" in its documentation).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twinhelm.core.errors import BadInput, TwinhelmError
from twinhelm.core.json import loads
from twinhelm.mlops.types import Field, Schema

__all__ = ["Described", "described"]

EXAMPLE = "serving_input_example.json"
MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Described:
    """A model folder: its flavors, its schema, facts, and every (key, text) in it.

    ``params`` are the names that it takes besides rows, ``example`` a request; both may be empty.
    """

    folder: Path
    flavors: Mapping[str, Any]
    schema: Schema
    params: tuple[str, ...]
    example: str
    facts: Mapping[str, str]
    texts: tuple[tuple[str, str], ...]

    @property
    def flavor(self) -> str:
        """Its maker's own flavor, where it has one."""
        own = sorted(name for name in self.flavors if name != "python_function")
        return own[0] if own else "python_function"


def described(folder: Path) -> Described:
    """Read ``MLmodel``; raises :class:`BadInput` where there is none or it is not one."""
    import yaml  # type: ignore[import-untyped]

    path, example = folder / "MLmodel", folder / EXAMPLE
    hint = "log the model with MLflow's log_model or save_model"
    if not _small(path):
        raise BadInput(f"there is no MLmodel file of at most {MAX_BYTES} bytes in it", hint=hint)
    try:
        said = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
        flavors = dict(said["flavors"])
        signature = said.get("signature") or {}
        facts = {key: str(said[key]) for key in ("mlflow_version", "model_uuid") if key in said}
        for flavor, held in flavors.items():
            facts |= {
                f"{flavor} {key}": str(value)
                for key, value in held.items()
                if key.endswith("version") or key in ("loader_module", "model_class")
            }
        schema = Schema(_fields(signature.get("inputs")), _fields(signature.get("outputs")))
        params = tuple(str(each["name"]) for each in _list(signature.get("params")))
        texts = tuple(_texts("", flavors, set()))
        asked = example.read_text("utf-8") if _small(example) else ""
    except (OSError, yaml.YAMLError, UnicodeError, ArithmeticError, LookupError, TypeError,
            ValueError, AttributeError, RecursionError, TwinhelmError) as error:  # fmt: skip
        raise BadInput(f"its MLmodel file cannot be understood: {error!r}", hint=hint) from error
    return Described(folder, flavors, schema, params, asked, facts, texts)


def _small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= MAX_BYTES


def _list(told: str | None) -> list[Any]:
    made: list[Any] = loads(told, what="signature") if told else []
    return made or []


def _fields(told: str | None) -> tuple[Field, ...]:
    """Read one side of the signature: columns, or tensors with a shape."""
    return tuple(_field(number, each) for number, each in enumerate(_list(told)))


def _field(number: int, told: Mapping[str, Any]) -> Field:
    """Read a column, which without a name bears its place's, or a tensor, which may have none."""
    optional = told.get("required") is False
    if told["type"] == "tensor":
        spec = told["tensor-spec"]
        shape = tuple(int(each) for each in spec["shape"])
        return Field(str(told.get("name") or ""), str(spec["dtype"]), optional, shape)
    return Field(str(told.get("name") or number), str(told["type"]), optional)


def _texts(key: str, value: Any, seen: set[int]) -> Iterator[tuple[str, str]]:
    """Walk all texts; what YAML's aliases name twice is walked once."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict | list) and id(value) not in seen:
        seen.add(id(value))
        pairs = value.items() if isinstance(value, dict) else ((key, each) for each in value)
        for name, each in pairs:
            yield from _texts(str(name), each, seen)
