"""Mail: text and HTML in one message, joined to threads by its headers.

``Message-ID`` is the same for every try. The library writes headers and refuses line ends in them;
what comes from outside has none any more, and is escaped in the HTML.
"""

from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape

from twinhelm.aiops.notify.channels.letter import Letter, Mail
from twinhelm.aiops.notify.document import Channel
from twinhelm.aiops.notify.messages import Act

__all__ = ["mail"]


def mail(letter: Letter, channel: Channel, secret: str, _now_ms: int) -> Mail | None:
    """Make the mail; None where nobody's address is known."""
    person, message = letter.person, letter.message
    to = [person.email] if person is not None else list(channel.to)
    if not any(to):
        return None
    made = EmailMessage()
    made["From"], made["To"] = channel.sender, ", ".join(to)
    made["Subject"] = f"[{message.severity}] {letter.title}"
    made["Date"] = format_datetime(datetime.fromtimestamp(message.time_ms / 1000, UTC))
    made["Message-ID"] = _id(letter.id, letter.house)
    if message.act is not Act.TELL:
        made["References"] = _id(letter.thread, letter.house)
    made["Auto-Submitted"] = "auto-generated"
    links = [("Open", letter.link), ("Acknowledge", letter.take)]
    links = [(text, url) for text, url in links if url]
    told = [letter.title, "", *letter.lines, "", *(f"{text}: {url}" for text, url in links), ""]
    made.set_content("\n".join(told))
    made.add_alternative(
        f"<h2>{escape(letter.title)}</h2>"
        + "".join(f"<p>{escape(line)}</p>" for line in letter.lines)
        + "".join(f'<p><a href="{escape(url)}">{text}</a></p>' for text, url in links),
        subtype="html",
    )
    return Mail(channel, secret, made)


def _id(text: str, house: str) -> str:
    return f"<{''.join(each if each.isalnum() else '.' for each in text)}@{house}.twinhelm>"
