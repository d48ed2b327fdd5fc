"""The channels: what a receiver of each kind is sent.

In: a :class:`~.letter.Letter`, the :class:`~twinhelm.aiops.notify.document.Channel`, its secret and
the time; out: what goes onto the wire. Making it is pure; :func:`~.wire.send` sends it.
"""

from collections.abc import Callable, Mapping

from twinhelm.aiops.notify.channels import alertmanager, mail, pagerduty, slack, webhook
from twinhelm.aiops.notify.channels.letter import Letter, Mail, Post
from twinhelm.aiops.notify.channels.wire import send
from twinhelm.aiops.notify.document import Channel

__all__ = ["FORMS", "Form", "Letter", "send"]

Form = Callable[[Letter, Channel, str, int], Post | Mail | None]

FORMS: Mapping[str, Form] = {
    "slack": slack.post,
    "pagerduty": pagerduty.post,
    "email": mail.mail,
    "webhook": webhook.post,
    "alertmanager": alertmanager.post,
}
"""How a letter looks, by the kind of channel; None: its receiver has no use for it."""
