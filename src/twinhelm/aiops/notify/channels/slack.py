"""Slack: an incoming webhook, in Block Kit.

What comes from outside stands in ``plain_text``, which Slack reads as text alone, or has its three
marks escaped ("Formatting text for app surfaces"), so that it mentions nobody and links nowhere.
Incoming webhooks know no ids: after a crash between sending and writing it down a message comes
twice, and the second says so.
"""

from typing import Any

from twinhelm.aiops.notify.channels.letter import Letter, Post
from twinhelm.aiops.notify.document import Channel
from twinhelm.aiops.notify.messages import Act, clean
from twinhelm.core.json import dumps

__all__ = ["post"]

MARKS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
HEADER, TEXT = 150, 2900
"""The most characters that Slack takes of a header and of a text."""
SIGNS = {Act.OPEN: "Open", Act.TAKEN: "Taken", Act.OVER: "Over", Act.TELL: "News"}


def post(letter: Letter, channel: Channel, secret: str, _now_ms: int) -> Post | None:
    """Make the request; ``secret`` is the webhook's address."""
    message = letter.message
    head = f"{SIGNS[message.act]}, {message.severity}: {letter.title}"
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(clean(head, HEADER))}]
    if letter.person is not None and letter.person.slack:
        said = {"type": "mrkdwn", "text": f"<@{letter.person.slack}>", "verbatim": True}
        blocks.append({"type": "section", "text": said})
    if letter.lines:
        text = "\n".join(letter.lines)
        blocks.append({"type": "section", "text": _plain(text[:TEXT])})
    buttons = [_button("Open", letter.link, "open")]
    if letter.take:
        buttons.append(_button("Acknowledge", letter.take, "acknowledge"))
    blocks.append({"type": "actions", "elements": buttons})
    body = {"text": head[:TEXT].translate(MARKS), "blocks": blocks, "unfurl_links": False}
    return Post(secret, dumps(body), {})


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _button(text: str, url: str, action: str) -> dict[str, Any]:
    return {"type": "button", "text": _plain(text), "url": url, "action_id": action}
