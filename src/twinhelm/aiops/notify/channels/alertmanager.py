"""Alertmanager: its API v2, as Prometheus would send an alert.

Labels are the identity of an alert there, so they hold only what stays as it is: sent twice it is
one alert. Unlike Prometheus we do not repeat what lasts, so its end is set far ahead until it is
told. The label ``twinhelm_thread`` marks what came
from here, so that it is not taken in again where that Alertmanager also sends to us.
"""

from twinhelm.aiops.notify.channels.letter import Letter, Post, instant
from twinhelm.aiops.notify.document import Channel
from twinhelm.aiops.notify.messages import Act
from twinhelm.core.json import dumps

__all__ = ["post"]

LASTS_MS = 365 * 86_400_000


def post(letter: Letter, channel: Channel, _secret: str, now_ms: int) -> Post | None:
    """Make the request."""
    message = letter.message
    if message.act not in {Act.OPEN, Act.OVER}:
        return None
    labels = {"alertname": "twinhelm", "house": letter.house, "twinhelm_thread": letter.thread}
    alert = {
        "labels": labels,
        "annotations": {
            "summary": letter.title,
            "description": "\n".join(letter.lines),
            "severity": message.severity,
            "entities": ", ".join(message.entities),
        },
        "generatorURL": letter.link,
        "endsAt": instant(now_ms + LASTS_MS if letter.begins else now_ms),
    }
    if letter.begins:
        alert["startsAt"] = instant(message.time_ms)
    url = f"{channel.url.rstrip('/')}/api/v2/alerts"
    return Post(url, dumps([alert]), {})
