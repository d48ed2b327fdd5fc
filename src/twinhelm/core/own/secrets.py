"""Where is a secret that settings and documents only name? In the environment, or in a file.

``secret:grafana`` is the variable ``TWINHELM_SECRET_GRAFANA``, else the file ``secrets/grafana``
of the data directory, which nobody but its owner may read. A value is read when it is used and
kept nowhere; no document, log, journal or page holds one.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from twinhelm.core.errors import BadInput, NotFound
from twinhelm.core.logs import strike_secrets

__all__ = ["NAMED", "Secrets", "secret_name", "struck"]

NAMED = "write secret:NAME (docs/settings.md, Secrets)"
"""What to do where a secret stands in a document, or is named in another way."""

MAX_BYTES = 16 << 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,100}")


def secret_name(value: str) -> str:
    """Return the name in ``secret:NAME``, or nothing where a value is none such."""
    prefix, _, name = value.partition(":")
    return name if prefix == "secret" and _NAME.fullmatch(name) else ""


def struck(text: str, secrets: Iterable[str]) -> str:
    """Strike out these secrets, and what looks like one."""
    for secret in secrets:
        text = text.replace(secret, "***") if secret else text
    return strike_secrets(text)


class Secrets:
    """Secrets by name; ``folder`` is the data directory's, ``environment`` the process's own."""

    def __init__(self, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._environment = environment

    def get(self, name: str) -> str:
        """Return a secret, one line without its end.

        Raises :class:`NotFound` where there is none, :class:`BadInput` where its name or its
        text cannot be one, or others may read its file.
        """
        if not _NAME.fullmatch(name):
            raise BadInput(f"no secret can be called {name[:40]!r}")
        path = self._folder / name
        held = self._environment.get(f"TWINHELM_SECRET_{re.sub('[-.]', '_', name).upper()}")
        if held is None:
            try:
                if path.stat().st_mode & 0o077:
                    said = f"others may read the file of the secret {name!r}"
                    raise BadInput(said, hint=f"chmod 600 {path}")
                held = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                hint = f"put it into {path} (mode 0600)"
                raise NotFound(f"there is no secret {name!r}", hint=hint) from error
        held = held.strip()
        if not held or len(held) > MAX_BYTES or not held.isprintable():
            raise BadInput(f"the secret {name!r} is not one line of text")
        return held
