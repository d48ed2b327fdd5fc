"""The two tables, as queries see them; :mod:`twinhelm.store.records.migrations` makes them.

``records`` holds the present, one row per thing. ``journal`` holds what happened, append-only:
triggers in the database refuse UPDATE, DELETE and, on PostgreSQL, TRUNCATE. Text sorts by code
point on both databases (collation ``C`` on PostgreSQL), so that order never depends on a locale.
"""

import sqlalchemy as sa

__all__ = ["HEAD", "KNOWN", "VERSION_TABLE", "journal", "metadata", "records"]

VERSION_TABLE = "twinhelm_version"
"""Not Alembic's default name: other tenants of the same PostgreSQL database use that one."""

KNOWN = ("0001",)
"""Every revision that this release can read or upgrade, oldest first."""

HEAD = KNOWN[-1]

_Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_Int = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite gives only the type name INTEGER the row id's own storage."""

metadata = sa.MetaData()

records = sa.Table(
    "records",
    metadata,
    sa.Column("kind", _Text, primary_key=True),
    sa.Column("key", _Text, primary_key=True),
    sa.Column("state", _Text, nullable=False),
    sa.Column("parent", _Text, nullable=False),
    sa.Column("time_ms", _Int, nullable=False),
    sa.Column("revision", _Int, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Index("records_by_time", "kind", "time_ms", "key"),
    sa.Index("records_by_state", "kind", "state", "time_ms", "key"),
    sa.Index("records_by_parent", "kind", "parent", "time_ms", "key"),
)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("seq", _Int, primary_key=True, autoincrement=False),
    sa.Column("time_ms", _Int, nullable=False),
    sa.Column("actor", _Text, nullable=False),
    sa.Column("kind", _Text, nullable=False),
    sa.Column("subject", _Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index("journal_by_subject", "subject", "seq"),
    sa.Index("journal_by_kind", "kind", "seq"),
)
