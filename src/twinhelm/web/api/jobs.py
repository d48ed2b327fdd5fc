"""Long work that is asked for over HTTP."""

from __future__ import annotations

from fastapi import APIRouter

__all__ = ["router"]

router = APIRouter(tags=["jobs"])
