"""What Alembic executes: run the migrations on the connection that it was handed.

The caller holds the writing transaction, so that either the whole upgrade is there or none of
it (SQLite and PostgreSQL both roll back DDL).
"""

from alembic import context

from twinhelm.store.records.schema import VERSION_TABLE

__all__: list[str] = []

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
