"""Whose telemetry this is: the tenant that ``X-Scope-OrgID`` names.

The header and its rules are those of Mimir and Loki, so that their senders work unchanged: up to
150 letters, digits and ``!-_.*'()``, not ``.`` or ``..``. Without it, the default tenant.
Source: Mimir documentation, "About tenant IDs".

    >>> tenant_of(None), tenant_of("shop")
    ('default', 'shop')
"""

from __future__ import annotations

import re

from twinhelm.core.errors import BadInput
from twinhelm.core.labels import DEFAULT_TENANT

__all__ = ["tenant_of"]

NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9!\-_.*'()]{1,150}")


def tenant_of(header: str | None) -> str:
    """Return the tenant, or raise :class:`BadInput` for a name that cannot be one."""
    if not header:
        return DEFAULT_TENANT
    if not NAME.fullmatch(header):
        raise BadInput(
            f"X-Scope-OrgID {header[:160]!r} cannot be a tenant",
            hint="use up to 150 letters, digits and !-_.*'()",
        )
    return header
