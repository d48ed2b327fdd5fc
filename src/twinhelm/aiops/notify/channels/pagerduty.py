"""PagerDuty: Events API v2.

``dedup_key`` names the thread, so that a second trigger, also one sent twice, is the same alert
and pages nobody again. News that neither begins nor ends anything is not sent.
"""

from typing import Any

from twinhelm.aiops.notify.channels.letter import Letter, Post, instant
from twinhelm.aiops.notify.document import Channel
from twinhelm.aiops.notify.messages import Act
from twinhelm.core.json import dumps

__all__ = ["post"]

URL = "https://events.pagerduty.com/v2/enqueue"
ACTIONS = {Act.OPEN: "trigger", Act.TAKEN: "acknowledge", Act.OVER: "resolve"}


def post(letter: Letter, channel: Channel, secret: str, _now_ms: int) -> Post | None:
    """Make the request; ``secret`` is the integration's routing key."""
    message = letter.message
    if message.act is Act.TELL:
        return None
    event: dict[str, Any] = {
        "routing_key": secret,
        "event_action": ACTIONS[message.act],
        "dedup_key": letter.thread,
    }
    if letter.begins:
        links = [{"href": letter.link, "text": "Open in twinhelm"}]
        if letter.take:
            links.append({"href": letter.take, "text": "Acknowledge in twinhelm"})
        event |= {"client": "twinhelm", "client_url": letter.link, "links": links}
        event["payload"] = {
            "summary": letter.title,
            "source": message.entities[0] if message.entities else letter.house,
            "severity": message.severity,
            "timestamp": instant(message.time_ms),
            "class": message.kind,
            "custom_details": {"told": list(letter.lines), "entities": list(message.entities)},
        }
    return Post(channel.url or URL, dumps(event), {})
