"""The pages of automation: repairs, from the plan to what came of it, and the runbooks they follow.

:mod:`.mending` shows one repair and takes what people say to it, wherever that stands; the card of
an incident is :mod:`.card`, the lists are :mod:`.repairs` and :mod:`.runbooks`.
"""

from twinhelm.web.pages.automation.card import mending_card
from twinhelm.web.pages.automation.editor import editor
from twinhelm.web.pages.automation.repairs import repair, repairs, waiting_note
from twinhelm.web.pages.automation.runbook import runbook
from twinhelm.web.pages.automation.runbooks import runbooks

__all__ = [
    "editor", "mending_card", "repair", "repairs", "runbook", "runbooks", "waiting_note",
]  # fmt: skip
