"""The composition of messages to people: the desks, the key that signs, and the round that sends.

Each receiver is sent to from a thread of its own, so that one that does not answer holds up nobody
else. A broken plan ends the start of the house, before anything runs; one that breaks later leaves
the plan as it was.
"""

import logging
import os
import secrets
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from twinhelm.aiops.flow.notices.desk import NoticeDesk
from twinhelm.aiops.flow.notices.hearing import Hearing
from twinhelm.aiops.flow.notices.maintenance import MaintenanceDesk
from twinhelm.aiops.flow.notices.outbox import Outbox
from twinhelm.aiops.flow.notices.quality import QualityDesk
from twinhelm.aiops.notify.routing import Receiver
from twinhelm.app.rounds import attempt
from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput
from twinhelm.core.own.secrets import Secrets
from twinhelm.core.ports import Records, TelemetryStore
from twinhelm.core.settings import Settings
from twinhelm.events.journal import Journal

__all__ = ["Notices", "open_notices", "plan_file"]

log = logging.getLogger(__name__)

KEY = "keys/notices.key"
SENDERS = 8


@dataclass(slots=True)
class Notices:
    """All desks of messages; ``url`` is where this server answers, known once it listens."""

    settings: Settings
    desk: NoticeDesk
    maintenance: MaintenanceDesk
    quality: QualityDesk
    url: str = ""
    _busy: dict[Receiver, Future[int]] = field(default_factory=dict)

    def run(self, stop: threading.Event) -> None:
        """Look and send until told to stop; what fails is told and tried again."""
        with ThreadPoolExecutor(SENDERS, "twinhelm-notice") as senders:
            while not stop.wait(self.settings.notify.look_s):
                attempt("messages", partial(self._round, senders))

    def _round(self, senders: ThreadPoolExecutor) -> None:
        for receiver, sent in list(self._busy.items()):
            if sent.done():
                del self._busy[receiver]
                if error := sent.exception():
                    log.error("a message was not sent", exc_info=error)
        for receiver, waiting in self.desk.look().items():
            if receiver not in self._busy:
                send = partial(self.desk.outbox.send_due, self.desk.plan, receiver, waiting)
                self._busy[receiver] = senders.submit(send)


def plan_file(settings: Settings) -> Path:
    """Say where the plan is."""
    return Path(settings.notify.file) if settings.notify.file else settings.data / "notify.toml"


def open_notices(
    settings: Settings, clock: Clock, records: Records, journal: Journal, telemetry: TelemetryStore
) -> Notices:
    """Build the desks and read the plan; raises :class:`BadInput` where it is wrong."""
    maintenance = MaintenanceDesk(records, journal, clock)
    hearing = Hearing(records, journal, clock, maintenance)
    key = _key(settings.data / KEY)
    outbox = Outbox(records, journal, clock, key, lambda: desk.plan.url or notices.url,
                    Secrets(settings.data / "secrets").get)  # fmt: skip
    desk = NoticeDesk(records, journal, clock, plan_file(settings), hearing, outbox)
    notices = Notices(settings, desk, maintenance, QualityDesk(records, journal, telemetry))
    if settings.notify.file and not desk.file.is_file():
        raise BadInput(f"notify.file: there is no file {desk.file}", hint="see docs/notify.md")
    desk.read()
    if desk.wrong:
        raise BadInput(desk.wrong, hint="`twinhelm notify check` tells it without a server")
    return notices


def _key(file: Path) -> bytes:
    """Return the key that signs links, made when the house is new."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = secrets.token_bytes(32)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:  # noqa: PTH123 - of a descriptor
            out.write(key)
        return key
