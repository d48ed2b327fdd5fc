"""Make the tables ``records`` and ``journal``, and let the database itself guard the journal."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "revision", "upgrade"]

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_Int = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_SQLITE_GUARDS = (
    "CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
)
_POSTGRESQL_GUARDS = (
    "CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$",
    "CREATE TRIGGER journal_no_change BEFORE UPDATE OR DELETE ON journal "
    "FOR EACH ROW EXECUTE FUNCTION journal_is_append_only()",
    "CREATE TRIGGER journal_no_truncate BEFORE TRUNCATE ON journal "
    "FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()",
)


def upgrade() -> None:
    """Bring an empty database to revision 0001."""
    op.create_table(
        "records",
        sa.Column("kind", _Text, primary_key=True),
        sa.Column("key", _Text, primary_key=True),
        sa.Column("state", _Text, nullable=False),
        sa.Column("parent", _Text, nullable=False),
        sa.Column("time_ms", _Int, nullable=False),
        sa.Column("revision", _Int, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("records_by_time", "records", ["kind", "time_ms", "key"])
    op.create_index("records_by_state", "records", ["kind", "state", "time_ms", "key"])
    op.create_index("records_by_parent", "records", ["kind", "parent", "time_ms", "key"])
    op.create_table(
        "journal",
        sa.Column("seq", _Int, primary_key=True, autoincrement=False),
        sa.Column("time_ms", _Int, nullable=False),
        sa.Column("actor", _Text, nullable=False),
        sa.Column("kind", _Text, nullable=False),
        sa.Column("subject", _Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index("journal_by_subject", "journal", ["subject", "seq"])
    op.create_index("journal_by_kind", "journal", ["kind", "seq"])
    postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in _POSTGRESQL_GUARDS if postgresql else _SQLITE_GUARDS:
        op.execute(statement)
