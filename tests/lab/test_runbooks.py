"""The runbooks that come with the lab are sound, to the house that they are read by."""

from __future__ import annotations

from twinhelm.aiops.automate.policy import read_policy
from twinhelm.aiops.automate.runbook import read_runbook
from twinhelm.aiops.automate.steps import actors
from twinhelm.aiops.clean import redacted
from twinhelm.core.own.secrets import Secrets
from twinhelm.core.settings import AutomateSettings
from twinhelm.lab.stage.operator import write_runbooks


def test_every_runbook_is_sound_and_calls_its_own_lab_alone(tmp_path):
    write_runbooks(tmp_path / "runbooks", 23456)
    here = AutomateSettings(urls=["http://127.0.0.1:23456/operator/"])
    hands = actors(here, Secrets(tmp_path, {}), name_of=lambda comm, _: comm, roll_back=dict)
    names = set()
    for file in (tmp_path / "runbooks").iterdir():
        if file.name == "policy.toml":
            read_policy(file.read_text())
            continue
        runbook = read_runbook(file.read_text(), file.name, hands, hidden=redacted)
        names.add(runbook.name)
        assert f"{runbook.name}.toml" == file.name
        for step in runbook.steps:
            filled = hands[step.do].fill(step.arguments, {"service": "cart"})
            assert not hands[step.do].barred(filled)
    assert names == {"delete-archive", "restart-down", "restart-leaking", "roll-back"}
