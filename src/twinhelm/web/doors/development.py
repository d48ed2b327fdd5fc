"""Doors for the development side: webhooks of GitHub and GitLab, test reports, commits, chores.

A webhook comes from outside and shows no token of ours, so its signature is its only right: GitHub
signs the body (``X-Hub-Signature-256``); GitLab signs id, moment and body (``webhook-signature``)
or shows the token (``X-Gitlab-Token``). It is compared in constant time before a byte is decoded.
A delivery is taken once, by its id, which a record remembers for a month; after a failure of ours
the sender may deliver again. Source: "Validating webhook deliveries" (GitHub), Standard Webhooks.
"""

import base64
import binascii
import hmac
from collections.abc import Callable
from functools import partial

from twinhelm.aiops.collect.development import decode_chores, decode_git, decode_hook, decode_junit
from twinhelm.aiops.types import Received
from twinhelm.core.errors import BadInput, Conflict, Denied
from twinhelm.core.ports import Record
from twinhelm.web.doors.door import Parcel, Protocol, heard
from twinhelm.web.frame import Answer, json_answer

__all__ = ["DEVELOPMENT", "HOOKS"]

HOOKS = ("github", "gitlab")
"""The doors that anybody may knock at; their bodies are bounded more tightly."""

LONGEST_ID = 200
SIGNED_S = 300
REMEMBERED_MS = 30 * 86_400_000
FORGOTTEN_AT_ONCE = 200


def _hook(sender: str, parcel: Parcel) -> Answer:
    """Take one delivery: who sent it, whether it is new, and then what it says."""
    delivery, event = (_github if sender == "github" else _gitlab)(parcel)
    if not delivery or len(delivery) > LONGEST_ID:
        raise BadInput("the delivery bears no id", hint="leave the sender's headers as they are")
    house, key, now = parcel.house, f"{sender}/{delivery}", parcel.house.clock.now_ms()
    with house.records.reading() as unit:
        if unit.get("delivery", key) is not None:
            raise Conflict(f"the delivery {delivery!r} was taken already")
    receipt = parcel.keep(decode_hook(sender, event, parcel.wire, now_ms=now), sender)
    with house.journal.writing(f"door:{sender}") as write:
        write.put(Record("delivery", key, {"event": event[:LONGEST_ID]}, time_ms=now))
        old = write.find("delivery", until_ms=now - REMEMBERED_MS, limit=FORGOTTEN_AT_ONCE)
        for record in old:
            write.delete("delivery", record.key)
    return json_answer({"changes": receipt.changes})


def _github(parcel: Parcel) -> tuple[str, str]:
    """Return id and event of a delivery of GitHub's; raises :class:`Denied`."""
    secret = parcel.house.settings.development.github_secret.get_secret_value()
    wanted = "sha256=" + hmac.new(secret.encode(), parcel.wire, "sha256").hexdigest()
    _check(secret, [wanted], [parcel.header(b"x-hub-signature-256")], "github_secret")
    return parcel.header(b"x-github-delivery"), parcel.header(b"x-github-event")


def _gitlab(parcel: Parcel) -> tuple[str, str]:
    """Return id and event of a delivery of GitLab's; raises :class:`Denied`."""
    settings = parcel.house.settings.development
    signing, token = settings.gitlab_signing_token, settings.gitlab_token
    event, delivery = parcel.header(b"x-gitlab-event"), parcel.header(b"webhook-id")
    if secret := signing.get_secret_value():
        moment = parcel.header(b"webhook-timestamp")
        now_s = parcel.house.clock.now_ms() / 1000
        if not (moment.isdecimal() and abs(int(moment[:15]) - now_s) <= SIGNED_S):
            said = f"the delivery was signed at {moment[:20]!r}, not within {SIGNED_S} s of now"
            raise Denied(said, hint="set the clocks of both machines by NTP")
        signed = f"{delivery}.{moment}.".encode() + parcel.wire
        digest = hmac.new(_key(secret), signed, "sha256").digest()
        wanted = "v1," + base64.b64encode(digest).decode()
        shown = parcel.header(b"webhook-signature").split()[:10]
        _check(secret, [wanted], shown, "gitlab_signing_token")
        return delivery, event
    secret = token.get_secret_value()
    _check(secret, [secret], [parcel.header(b"x-gitlab-token")], "gitlab_token")
    return delivery or parcel.header(b"idempotency-key") or parcel.header(
        b"x-gitlab-event-uuid"
    ), event  # fmt: skip


def _key(secret: str) -> bytes:
    """Return the bytes to sign with: ``whsec_`` announces base64."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return secret.encode()


def _check(secret: str, wanted: list[str], shown: list[str], setting: str) -> None:
    if not secret:
        hint = f"set development.{setting} to the secret that the webhook was given"
        raise Denied("this door is closed until it has a secret to check with", hint=hint)
    same = [hmac.compare_digest(one.encode(), wanted[0].encode()) for one in shown]
    if not any(same):
        hint = f"is development.{setting} the secret that the webhook was given?"
        raise Denied("the delivery's signature does not fit", hint=hint)


def _upload(name: str, decode: Callable[[Parcel], Received], parcel: Parcel) -> Answer:
    receipt = parcel.keep(decode(parcel), name)
    return heard(receipt) or json_answer({"changes": receipt.changes})


def _junit(parcel: Parcel) -> Received:
    return decode_junit(
        parcel.unpacked(),
        parcel.header(b"x-suite"),
        commit=parcel.header(b"x-commit"),
        run=parcel.header(b"x-run"),
        now_ms=parcel.house.clock.now_ms(),
    )


def _git(parcel: Parcel) -> Received:
    return decode_git(parcel.unpacked().decode(errors="replace"), parcel.header(b"x-suite"))


def _chores(parcel: Parcel) -> Received:
    return decode_chores(parcel.unpacked())


# All write to SQL or DuckDB, too slow for the event loop.
DEVELOPMENT = (
    *(Protocol(sender, partial(_hook, sender), 0) for sender in HOOKS),
    *(
        Protocol(name, partial(_upload, name, decode), 0)
        for name, decode in (("junit", _junit), ("commits", _git), ("chores", _chores))
    ),
)
