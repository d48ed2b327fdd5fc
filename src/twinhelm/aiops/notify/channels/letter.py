"""What a channel is given, and what goes onto the wire: values only.

A :class:`Letter` is one message addressed; the module of each kind makes a :class:`Post` or a
:class:`Mail` of it, or None for what its receivers have no use for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage

from twinhelm.aiops.notify.document import Channel, Person
from twinhelm.aiops.notify.messages import Act, Message

__all__ = ["Letter", "Mail", "Post", "instant"]


@dataclass(frozen=True, slots=True)
class Letter:
    """One message, addressed.

    ``id`` is the same for every try, ``thread`` for all that is told of one thing. ``others`` are
    titles told with it, ``count`` how many it tells of. ``link`` leads to the page and ``take`` to
    the button that acknowledges ("" for none). ``unsure``: an earlier try may have arrived.
    ``house`` marks what this house says, among several that one receiver hears.
    """

    id: str
    thread: str
    house: str
    message: Message
    person: Person | None
    link: str
    take: str = ""
    others: tuple[str, ...] = ()
    count: int = 1
    unsure: bool = False

    @property
    def title(self) -> str:
        """The first line, with how many more it tells of."""
        more = self.count - 1
        return f"{self.message.title} (and {more:,} more)" if more else self.message.title

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines below the first."""
        left = self.count - 1 - len(self.others)
        more = (f"and {left:,} more",) if left > 0 and self.others else ()
        again = ("This may have reached you before.",) if self.unsure else ()
        return (*self.message.lines, *self.others, *more, *again)

    @property
    def begins(self) -> bool:
        """Tell whether it tells of trouble that lasts."""
        return self.message.act is Act.OPEN


@dataclass(frozen=True, slots=True)
class Post:
    """An HTTP request; its address and headers may hold secrets and are written nowhere."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail, by the server of a channel; ``password`` is written nowhere."""

    server: Channel
    password: str
    message: EmailMessage


def instant(time_ms: int) -> str:
    """Write a moment as RFC 3339 has it."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
