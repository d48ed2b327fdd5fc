"""Sends what a channel made, and says whether trying again may help.

In: a :class:`~.letter.Post` or :class:`~.letter.Mail`; out: what the receiver answered. No message
of an error holds an address or a secret. Blocking: at most :data:`TIMEOUT_S` for each step.
"""

import smtplib
import ssl

import httpx

from twinhelm.aiops.notify.channels.letter import Mail, Post
from twinhelm.aiops.notify.messages import clean
from twinhelm.core.errors import Refused, Unavailable

__all__ = ["send"]

TIMEOUT_S = 10.0
MOST_S = 3600.0
USELESS = {400, 413, 415, 422}
"""What a receiver says of the message itself; whatever else is wrong may be put right."""


def send(parcel: Post | Mail) -> str:
    """Send it and return the answer, shortly.

    Raises :class:`Refused` where the message will never be taken, else :class:`Unavailable`.
    """
    return _mail(parcel) if isinstance(parcel, Mail) else _post(parcel)


def _post(parcel: Post) -> str:
    headers = {"content-type": "application/json", "user-agent": "twinhelm", **parcel.headers}
    try:
        answer = httpx.post(parcel.url, content=parcel.body, headers=headers, timeout=TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError) as error:
        # The text of such an error may hold the address, which may be a secret.
        raise Unavailable(f"no answer: {type(error).__name__}") from None
    said = f"{answer.status_code} {clean(answer.text, 200)}".strip()
    if answer.is_success:
        return said
    if answer.status_code in USELESS:
        raise Refused(said)
    after = answer.headers.get("retry-after", "")
    raise Unavailable(said, retry_after_s=min(float(after), MOST_S) if after.isdigit() else 0.0)


def _mail(parcel: Mail) -> str:
    server, context = parcel.server, ssl.create_default_context()
    try:
        with (
            smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=context)
            if server.tls == "tls"
            else smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
        ) as smtp:
            if server.tls == "starttls":
                smtp.starttls(context=context)
            if server.user:
                smtp.login(server.user, parcel.password)
            refused = smtp.send_message(parcel.message)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        family = Refused if all(code >= 500 for code in codes) else Unavailable
        raise family(f"{codes[0]} no recipient was taken") from None
    except smtplib.SMTPResponseException as error:
        useless = isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500
        said = error.smtp_error
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise (Refused if useless else Unavailable)(
            f"{error.smtp_code} {clean(text, 200)}"
        ) from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise Unavailable(f"no mail was taken: {type(error).__name__}") from None
    return f"250 taken, {len(refused)} recipients refused" if refused else "250 taken"
