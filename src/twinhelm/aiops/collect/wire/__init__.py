"""Bytes from the network, read without making one object per sample.

:mod:`compression` unpacks bodies.
"""

from __future__ import annotations

__all__: list[str] = []
