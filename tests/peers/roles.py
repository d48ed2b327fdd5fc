"""Who may do what, written down a second time: the tables of the source must say the same."""

from __future__ import annotations

from twinhelm.core.roles import Role

__all__ = ["MAY"]

MAY = {
    Role.VIEWER: {"read"},
    Role.OPERATOR: {"read", "ingest", "predict", "operate", "rollback", "remark"},
    Role.DATA_SCIENTIST: {"read", "ingest", "predict", "build", "rollback", "remark"},
    Role.APPROVER: {"read", "approve", "remark"},
    Role.ADMIN: {
        "read", "ingest", "predict", "operate", "build", "rollback", "remark", "approve", "admin",
    },
}  # fmt: skip
"""The rights of each role."""
