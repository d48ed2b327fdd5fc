"""The data directory as commands see it: settings, who serves from it, and its two doors.

``twinhelm up`` leaves two files there. ``server.json`` says where it listens, until it ends.
``cli-token`` (readable by its owner alone) holds the secret of the token ``local-cli``: whoever
can read the data directory is admin there anyway, since the records lie in it.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinhelm.core.errors import BadInput, NotFound, Refused, TwinhelmError, Unauthenticated

if TYPE_CHECKING:
    from twinhelm.core.settings import Settings
    from twinhelm.events.identities import Identities
    from twinhelm.events.journal import Journal

__all__ = [
    "Beacon", "Ledger", "actor", "data_directory", "ledger", "light_beacon", "local_token",
    "put_out_beacon", "reachable", "read_beacon", "settings_of", "write_local_token",
]  # fmt: skip

BEACON = "server.json"
TOKEN_FILE = "cli-token"  # noqa: S105 - the name of a file
TOKEN_NAME = "local-cli"  # noqa: S105 - the name of a token


@dataclass(frozen=True, slots=True)
class Beacon:
    """What ``server.json`` says: the address, the process, and the flags it was started with."""

    url: str
    pid: int
    version: str
    flags: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Records and journal, opened beside a server that may run."""

    settings: Settings
    journal: Journal
    identities: Identities


def settings_of(data: Path | None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings as ``twinhelm up`` would with these flags; raises :class:`BadInput`."""
    from twinhelm.core.settings import load_settings

    # Of the same name as the section [server]: an address there is ours, JSON is the section's.
    if not os.environ.get("TWINHELM_SERVER", "{").lstrip().startswith("{"):
        del os.environ["TWINHELM_SERVER"]
    named = {} if data is None else {"data": str(data)}
    try:
        return load_settings({**(flags or {}), **named})
    except OSError as error:
        hint = "check --data and TWINHELM_CONFIG"
        raise BadInput(f"the settings cannot be read: {error}", hint=hint) from error


def data_directory(data: Path | None) -> Path:
    """Return the data directory; settings are only read where they are needed to know it."""
    if data is None and "TWINHELM_CONFIG" in os.environ:
        return settings_of(None).data
    return data or Path(os.environ.get("TWINHELM_DATA") or "data")


def read_beacon(data: Path) -> Beacon | None:
    """Return where the server of this directory listens, or None where none is known to run."""
    from twinhelm.core import json

    try:
        said = json.loads((data / BEACON).read_bytes(), what=BEACON)
        return Beacon(said["url"], said["pid"], said["version"], said["flags"])
    except (OSError, TwinhelmError, KeyError, TypeError):
        return None


def reachable(url: str) -> str:
    """Return the address by which this machine reaches a server that listens on every one.

    >>> reachable("http://0.0.0.0:9700")
    'http://127.0.0.1:9700'
    """
    return url.replace("://0.0.0.0:", "://127.0.0.1:").replace("://[::]:", "://[::1]:")


def light_beacon(data: Path, beacon: Beacon) -> None:
    """Write ``server.json``, whole or not at all."""
    from twinhelm.core import json

    _write(data / BEACON, json.dumps(asdict(beacon), indent=True), 0o644)


def put_out_beacon(data: Path) -> None:
    """Remove ``server.json`` if it is this process's."""
    if (beacon := read_beacon(data)) and beacon.pid == os.getpid():
        (data / BEACON).unlink(missing_ok=True)


def local_token(data: Path) -> str | None:
    """Return the secret of the local token, or None where this user may not read it."""
    try:
        return (data / TOKEN_FILE).read_text("ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def write_local_token(data: Path, identities: Identities) -> None:
    """Keep a local token that works: the one that is there, or a new one in its place."""
    from twinhelm.core.roles import Role

    kept = local_token(data)
    # A revoked token, or one of another database, is nobody's: a new one takes its place.
    with suppress(Unauthenticated):
        if kept and identities.resolve_token(kept).name == TOKEN_NAME:
            return
    if any(token.name == TOKEN_NAME for token in identities.tokens()):
        identities.revoke_token(TOKEN_NAME, by="twinhelm")
    secret = identities.create_token(TOKEN_NAME, [Role.ADMIN], by="twinhelm")
    _write(data / TOKEN_FILE, secret.encode() + b"\n", 0o600)


@contextmanager
def ledger(data: Path | None, *, make: bool = False) -> Iterator[Ledger]:
    """Open records and journal; ``make`` lets a new one come to be, else :class:`NotFound`."""
    settings = settings_of(data)
    # Unlike is_file(), stat() tells a directory that may not be read from one that is not there.
    try:
        if not (make or settings.store.database_url):
            (settings.data / "records.sqlite").stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        said = f"{settings.data} is no data directory of twinhelm"
        raise NotFound(said, hint="name it with --data; `twinhelm up` makes one") from error
    except OSError as error:
        said = f"the data directory {settings.data} cannot be read: {error.strerror}"
        raise Refused(said, hint="run this as the user that runs the server") from error
    from twinhelm.app import open_ledger
    from twinhelm.core.clock import SystemClock
    from twinhelm.events.identities import Identities

    clock = SystemClock()
    records, journal = open_ledger(settings, clock=clock)
    with closing(records):
        yield Ledger(settings, journal, Identities(journal, records, clock, settings.auth))


def actor() -> str:
    """Name who is at the command line, as the journal writes it."""
    try:
        return f"{getpass.getuser()}@cli"
    except (OSError, KeyError):
        return "somebody@cli"


def _write(file: Path, content: bytes, mode: int) -> None:
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(number, "wb") as out:
            out.write(content)
        fresh.replace(file)
    except OSError as error:
        said = f"{file} cannot be written: {error.strerror or error}"
        hint = "the data directory must belong to the user that runs the server"
        raise Refused(said, hint=hint) from error
