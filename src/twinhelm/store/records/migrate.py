"""Tell whether a database is ours and its schema the one this release knows; upgrade it if not.

A database at head costs one small query; Alembic (half a second to import) is loaded only when
there is something to do.
"""

from pathlib import Path

import sqlalchemy as sa

from twinhelm.core.errors import BadInput, NewerFormat
from twinhelm.store.records.schema import HEAD, KNOWN, VERSION_TABLE

__all__ = ["check_revision", "ensure_schema"]


def check_revision(connection: sa.Connection) -> str:
    """Return the schema's revision, the empty string where nothing has been made yet.

    Raises :class:`NewerFormat` for a revision this release does not know, and :class:`BadInput`
    for a SQLite file that holds somebody else's tables. Changes nothing.
    """
    tables = sa.inspect(connection).get_table_names()
    if VERSION_TABLE in tables:
        query = sa.text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
        revision = str(connection.scalar(query) or "")
        if revision and revision not in KNOWN:
            raise NewerFormat(
                f"the database {connection.engine.url.render_as_string()} has schema {revision!r}, "
                f"this release knows up to {HEAD!r}; nothing was changed",
                hint="start the newer release again, or restore a backup made by this one",
            )
        return revision
    if tables and connection.dialect.name == "sqlite":
        raise BadInput(
            f"{connection.engine.url.database} is a SQLite file of something else: it holds "
            f"{', '.join(sorted(tables)[:5])}",
            hint="name another file in store.database_url",
        )
    return ""


def ensure_schema(connection: sa.Connection) -> None:
    """Upgrade to head inside the caller's writing transaction; at head, do nothing.

    The revision is read again under the writing lock: of two processes that open a new database
    at once, the second finds the work done.
    """
    if check_revision(connection) == HEAD:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option(
        "script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%")
    )
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
