"""A house that tells, on stores in memory, with real receivers at the other end."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiops.flow.notices.telling import Teller


@pytest.fixture
def teller(tmp_path: Path):
    """``teller(plan_text, secrets={...})``: see :class:`Teller`."""
    return lambda text, **secrets: Teller(tmp_path, text, secrets)
