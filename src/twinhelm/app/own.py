"""What a start tells of itself: the algorithms that twinhelm is made of, and changed settings.

Each algorithm is a product in the register like anybody's; its version is the name that its
claims carry (``suspects/1``). The facts are constants of the method: a change of theirs, or of
the method's text, wants a new version.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from twinhelm.aiops.detect import DETECTOR
from twinhelm.aiops.diagnose import RANKER
from twinhelm.aiops.flow.feedback import Learning
from twinhelm.aiops.forecast import FORECASTER
from twinhelm.core.clock import Clock
from twinhelm.core.logs import strike_secrets
from twinhelm.core.ports import Record
from twinhelm.core.settings import Settings
from twinhelm.events.journal import Journal, JournalWriter
from twinhelm.events.kinds.machines import SettingsSeen
from twinhelm.mlops.register.builtin import register_builtin
from twinhelm.mlops.types import Product

__all__ = ["note_settings", "register_own"]

OWN: tuple[tuple[str, str, str, Mapping[str, str]], ...] = (
    (
        DETECTOR,
        "Which samples of which series are strange, and so worth anybody's time.",
        "An online baseline per series: robust level, spread and time of day, judged by the tail "
        "of the series' own history. It never learns from what it flagged.",
        {"input": "gauge values and counter rates", "set_up": "none", "learns": "online"},
    ),
    (
        RANKER,
        "What an incident is to be blamed on, first to last, or that nothing can be said.",
        "Trouble is followed along calls to where it ends; suspects are ranked by how much ends "
        "there, what is wrong there itself, how early, what leans on what, and which changes came "
        "just before; each with the evidence for and against.",
        {"input": "anomalies, series around them, changes, edges", "learns": "nothing"},
    ),
    (
        FORECASTER,
        "When a disk, memory or descriptors run out, and whether that can be foretold at all.",
        "A robust trend with a range, held against a naive forecast on recent points that it "
        "has not seen; silent where it is no better.",
        {"input": "three days of a series", "horizon": "14 days", "learns": "each time anew"},
    ),
)


TAUGHT = {DETECTOR: ("anomaly", "grouping"), RANKER: ("suspect",), FORECASTER: ("forecast",)}
"""Which kinds of answers make a version of which algorithm."""


def register_own(journal: Journal, clock: Clock, learning: Learning) -> None:
    """Register twinhelm's own algorithms and make these versions the live ones.

    What people taught one is a version of its own: the method's, and what the answers make of it.
    """
    for says, decides, method, facts in OWN:
        name, _, version = learning.says(says, *TAUGHT[says]).partition("/")
        product = Product(name, decides, "twinhelm", "limited")
        known = {**facts, **learning.taught(*TAUGHT[says])}
        register_builtin(journal, clock, product, version=version, method=method, facts=known)


def note_settings(write: JournalWriter, settings: Settings) -> None:
    """Tell the journal which settings differ from the last start's; nothing at the first."""
    now = dict(_flat(settings.model_dump(mode="json")))
    last = write.get("settings", "last")
    before: Mapping[str, Any] = last.body if last else now
    changed = {
        name: now.get(name, "not there any more")
        for name in sorted(now.keys() | before.keys())
        if now.get(name) != before.get(name)
    }
    if changed:
        write.event(SettingsSeen(changed))
    if changed or last is None:
        write.put(Record("settings", "last", now))


def _flat(section: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", strike_secrets(str(value))
