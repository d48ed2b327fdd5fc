"""A signed webhook, as Standard Webhooks 1.0.0 has it.

The signature covers id, timestamp and body; ``webhook-id`` is the same for every try, by which a
receiver knows one that came twice. The secret may be written as ``whsec_`` and base64, or plainly.
"""

import base64
import binascii
import hashlib
import hmac

from twinhelm.aiops.notify.channels.letter import Letter, Post, instant
from twinhelm.aiops.notify.document import Channel
from twinhelm.core.json import dumps

__all__ = ["post", "sign"]


def post(letter: Letter, channel: Channel, secret: str, now_ms: int) -> Post | None:
    """Make the request; ``secret`` is the key that signs."""
    message = letter.message
    data = {
        "act": message.act, "thread": letter.thread, "severity": message.severity,
        "title": message.title, "lines": list(letter.lines), "entities": list(message.entities),
        "product": message.product, "count": letter.count, "link": letter.link,
        "acknowledge": letter.take,
    }  # fmt: skip
    body = dumps({"type": message.kind, "timestamp": instant(message.time_ms), "data": data})
    stamp = str(now_ms // 1000)
    signature = sign(secret, letter.id, stamp, body)
    headers = {"webhook-id": letter.id, "webhook-timestamp": stamp, "webhook-signature": signature}
    return Post(channel.url, body, headers)


def sign(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    """Sign a request.

    >>> sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
    ...      "1614265330", b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    key = secret.encode()
    if secret.startswith("whsec_"):
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            key = secret.encode()
    said = f"{message_id}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()
