"""The words of the MLOps wing: products and their versions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Product", "ProductVersion"]


@dataclass(frozen=True, slots=True)
class Product:
    """An algorithm as an ongoing product.

    ``name`` is unique; ``decides`` says in a sentence what decision it supports; ``tier`` is the
    risk tier (low, limited, high); ``live`` is the version in use, empty for none.
    """

    name: str
    decides: str
    owner: str
    tier: str
    live: str = ""


@dataclass(frozen=True, slots=True)
class ProductVersion:
    """One immutable version: what it was made with, and where its method is written down.

    ``stage`` is one of registered, live, retired. ``facts`` holds settings and measurements.
    """

    product: str
    version: str
    stage: str
    registered_ms: int
    method: str
    facts: Mapping[str, str] = field(default_factory=dict)
