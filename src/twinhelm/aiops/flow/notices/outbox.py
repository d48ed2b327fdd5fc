"""The outbox: what is due goes out, in order for each receiver, tried again until it is taken.

One receiver is a channel and a person; its messages wait for each other, so that no end comes
before its beginning. Where more wait than its limit leaves room for, one message tells of all, and
nothing more follows before the window is over: a thousand incidents are one page. A try is written
down before it is made, and what came of it after, with the event. Which waiting messages make one
is :mod:`twinhelm.aiops.notify.batches`' to say.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from urllib.parse import urlencode

from twinhelm.aiops.flow.notices.kept import MOST, SHELF, Bundle, Standing
from twinhelm.aiops.notify.batches import due_batch, spares
from twinhelm.aiops.notify.channels import FORMS, Letter, send
from twinhelm.aiops.notify.channels.letter import Mail, Post
from twinhelm.aiops.notify.document import Channel, Plan
from twinhelm.aiops.notify.links import LINK_MS, token
from twinhelm.aiops.notify.messages import Act, Attempt, Delivery, DeliveryState, worse
from twinhelm.aiops.notify.routing import Receiver
from twinhelm.core.clock import Clock
from twinhelm.core.errors import Refused, TwinhelmError, Unavailable
from twinhelm.core.own.secrets import secret_name
from twinhelm.core.ports import Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.notices import NoticeFailed, NoticeSent
from twinhelm.events.values import Reading

__all__ = ["TAKE", "Outbox"]

Batch = tuple[Delivery, ...]

TAKE = "/notices/acknowledge"
"""Where the link of a message leads."""
GIVE_UP_MS = 24 * 3_600_000
LONGEST_PAUSE_S = 600.0
MOST_TRIES = 50
OTHERS = 20
"""So many titles stand in one message; the rest is counted."""


@dataclass(slots=True)
class Outbox:
    """Sends; one receiver at a time from any thread, several receivers beside each other.

    ``key`` signs links and marks the house, ``url`` is where readers reach it, ``secret`` fetches
    one by its name.
    """

    records: Records
    journal: Journal
    clock: Clock
    key: bytes
    url: Callable[[], str]
    secret: Callable[[str], str]
    wire: Callable[[Post | Mail], str] = send

    @property
    def house(self) -> str:
        """Mark what this house says, so that two of them do not answer for each other."""
        return hashlib.sha256(self.key).hexdigest()[:8]

    def waiting(self) -> dict[Receiver, list[Delivery]]:
        """Gather what waits, by receiver, in order."""
        found: dict[Receiver, list[Delivery]] = defaultdict(list)
        with self.records.reading() as unit:
            for one in SHELF.find(unit, Delivery, state=DeliveryState.WAITING, limit=MOST):
                found[one.channel, one.person].append(one)
        return found

    def send_due(self, plan: Plan, receiver: Receiver, waiting: Sequence[Delivery]) -> int:
        """Send what is due to one receiver; returns how many messages were settled."""
        settled, left = 0, list(waiting)
        while left:
            now = self.clock.now_ms()
            with self.records.reading() as unit:
                standing = SHELF.get(unit, Standing, "/".join(receiver)) or Standing(*receiver)
            channel = plan.named("channels", receiver[0])
            if standing.retry_ms > now:
                break
            if channel is None:
                why = "the plan has no such channel"
                self._settle(tuple(left), standing, DeliveryState.FAILED, why)
                break
            batch = due_batch(channel, left, standing.sent_ms, standing.calm_ms, now)
            if not batch or not self._try(plan, channel, batch, standing):
                break
            settled += 1
            gone = {one.id for one in batch}
            left = [one for one in left if one.id not in gone]
        return settled

    def parcel_of(self, channel: Channel, letter: Letter) -> Post | Mail | None:
        """Make what goes onto the wire; raises :class:`Unavailable` where a secret is missing."""
        try:
            secret = self.secret(secret_name(channel.secret)) if channel.secret else ""
        except TwinhelmError as error:
            raise Unavailable(error.message, hint=error.hint) from error
        return FORMS[channel.kind](letter, channel, secret, self.clock.now_ms())

    def letter_of(self, plan: Plan, batch: Batch, lead: str = "", thread: str = "") -> Letter:
        """Address what a batch tells; ``lead`` names the first of a storm that goes on."""
        head, base = batch[0], self.url().rstrip("/")
        message = head.message
        if len(batch) > 1:
            severity = reduce(worse, (one.message.severity for one in batch))
            opens = any(one.message.act is Act.OPEN for one in batch)
            act = Act.OPEN if opens else Act.TELL
            message = replace(message, severity=severity, act=act)
        take = ""
        if message.act is Act.OPEN and message.about.startswith("incident/"):
            expires = head.made_ms + LINK_MS
            take = f"{base}{TAKE}?{urlencode({'link': token(self.key, head.id, expires)})}"
        about = thread or (f"together/{lead or head.id}" if len(batch) > 1 else message.about)
        return Letter(
            id=f"{self.house}-{head.id}",
            thread=f"twinhelm/{self.house}/{about}",
            house=self.house,
            message=message,
            person=plan.named("people", head.person),
            link=f"{base}{message.path}",
            take=take,
            others=tuple(one.message.title for one in batch[1 : OTHERS + 1]),
            count=len(batch),
            unsure=any(not one.outcome for one in head.attempts),
        )

    def _try(self, plan: Plan, channel: Channel, batch: Batch, standing: Standing) -> bool:
        """Make one try; False where the receiver must be let alone for now."""
        now, head = self.clock.now_ms(), batch[0]
        settle = partial(self._settle, channel=channel)
        begun = (replace(head, attempts=(*head.attempts, Attempt(now))), *batch[1:])
        goes_on = head.made_ms < standing.calm_ms + channel.window_s * 1000
        storm = standing.lead if goes_on else ""
        with self.records.writing() as write:
            bundle = None if spares(channel, head.message.act) else _bundle_of(write, head)
            SHELF.put(write, begun[0])
        try:
            thread = ""
            if bundle is not None:
                if bundle.left if head.message.act is Act.OVER else bundle.taken:
                    return settle(begun, standing, DeliveryState.QUIET, "told with others", bundle)
                thread = f"together/{bundle.lead}"
                bundle = replace(bundle, taken=True)
            letter = self.letter_of(plan, batch, storm, thread)
            parcel = self.parcel_of(channel, letter)
            if parcel is None:
                return settle(begun, standing, DeliveryState.QUIET, "it has no use for this")
            said = self.wire(parcel)
        except Refused as error:
            return settle(begun, standing, DeliveryState.FAILED, error.message)
        except Unavailable as error:
            if now - head.made_ms > GIVE_UP_MS:
                return settle(begun, standing, DeliveryState.FAILED, error.message)
            self._put_off(begun[0], standing, error)
            return False
        if len(batch) > 1:
            bundle = self._bundle(batch, storm)
        return settle(begun, standing, DeliveryState.SENT, said, bundle)

    def _bundle(self, batch: Batch, storm: str) -> Bundle:
        """Note what one message told of together, with what went before it in the same storm."""
        lead = storm or batch[0].id
        with self.records.reading() as unit:
            known = SHELF.get(unit, Bundle, lead) or Bundle(lead, batch[0].made_ms)
        opened = [one.message.about for one in batch if one.message.act is Act.OPEN]
        return replace(
            known,
            members=tuple(dict.fromkeys((*known.members, *opened))),
            left=tuple(dict.fromkeys((*known.left, *opened))),
            taken=False,
        )

    def _settle(
        self,
        batch: Batch,
        standing: Standing,
        state: DeliveryState,
        said: str,
        bundle: Bundle | None = None,
        *,
        channel: Channel | None = None,
    ) -> bool:
        """Write down what became of a batch, with the event; always True."""
        now, head = self.clock.now_ms(), batch[0]
        sent = state is DeliveryState.SENT
        tries = (
            (*head.attempts[:-1], replace(head.attempts[-1], outcome=said)) if head.attempts else ()
        )
        lead = bundle.lead if bundle and len(batch) > 1 else ""
        told = (head.channel, head.person, head.message.about, len(batch), len(tries))
        with self.journal.writing("twinhelm") as write:
            SHELF.put(write, replace(head, state=state, lead=lead, attempts=tries))
            for one in batch[1:]:
                then = DeliveryState.TOGETHER if sent else state
                SHELF.put(write, replace(one, state=then, lead=lead or head.id))
            if bundle is not None:
                SHELF.put(write, bundle)
            if sent and channel and spares(channel, head.message.act):
                recent = [at for at in standing.sent_ms if at > now - channel.window_s * 1000]
                standing = replace(standing, sent_ms=(*recent, now))
                if len(batch) > 1:
                    calm = now + round(channel.window_s * 1000)
                    standing = replace(standing, calm_ms=calm, lead=lead)
            SHELF.put(write, replace(standing, failures=0, retry_ms=0, last_ms=now, last=said))
            if sent:
                write.event(NoticeSent(head.id, *told))
            elif state is DeliveryState.FAILED:
                write.event(NoticeFailed(head.id, *told, said))
        return True

    def _put_off(self, head: Delivery, standing: Standing, error: Unavailable) -> None:
        now = self.clock.now_ms()
        pause_s = max(min(2.0 ** (standing.failures + 1), LONGEST_PAUSE_S), error.retry_after_s)
        tries = (*head.attempts[:-1], replace(head.attempts[-1], outcome=error.message))
        later = replace(
            standing, failures=standing.failures + 1, retry_ms=now + round(pause_s * 1000),
            last_ms=now, last=error.message,
        )  # fmt: skip
        with self.records.writing() as write:
            SHELF.put(write, replace(head, attempts=tries[-MOST_TRIES:]))
            SHELF.put(write, later)


def _bundle_of(unit: Reading, head: Delivery) -> Bundle | None:
    """Find what a thread was told with, and take it out of what is left where it is over."""
    about = head.message.about
    opened = [
        one
        for one in SHELF.find(unit, Delivery, parent=about, limit=MOST)
        if (one.channel, one.person) == (head.channel, head.person)
        and one.message.act is Act.OPEN
        and one.message.seq < head.message.seq
    ]
    lead = opened[-1].lead if opened else ""
    bundle = SHELF.get(unit, Bundle, lead) if lead else None
    if bundle is not None and head.message.act is Act.OVER:
        return replace(bundle, left=tuple(one for one in bundle.left if one != about))
    return bundle
