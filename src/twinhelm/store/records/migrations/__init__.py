"""How the schema came to be, one revision per file; Alembic walks them when a database is behind.

Run by :func:`twinhelm.store.records.migrate.ensure_schema`, never by hand. A revision that has
been released is never edited: a change is a new file and a new entry in ``schema.KNOWN``.
"""

__all__: list[str] = []
