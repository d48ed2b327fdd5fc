"""The examples of docs/runbooks.md are what the reader takes."""

from __future__ import annotations

import re
from pathlib import Path

from twinhelm.aiops.automate.policy import read_policy
from twinhelm.aiops.automate.runbook import read_runbook
from twinhelm.aiops.automate.steps import actors
from twinhelm.core.own.secrets import Secrets
from twinhelm.core.settings import AutomateSettings

PAGE = Path(__file__).parents[3] / "docs" / "runbooks.md"


def test_the_examples_are_sound(tmp_path):
    runbook, policy = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    made = actors(
        AutomateSettings(), Secrets(tmp_path), name_of=lambda name, _: name, roll_back=lambda _: {}
    )
    assert read_runbook(runbook, "docs", made).name == "restart-leaking-service"
    assert read_policy(policy).freezes[0].name == "the weekend"
