"""Where records and the journal rest: one SQL database, SQLite by default, PostgreSQL by URL.

Writers go one after the other (SQLite's ``BEGIN IMMEDIATE``, an advisory lock on PostgreSQL), so
that a change and its journal row stand in one transaction and the chain never forks; readers
never wait for writers.

    records = open_records("sqlite:////var/lib/twinhelm/records.sqlite")
    with records.writing() as unit:
        unit.put(Record("alert", "a1", {"text": "disk"}, state="firing"))
"""

from twinhelm.store.records.restore import restore_records
from twinhelm.store.records.sql import SqlRecords, open_records

__all__ = ["SqlRecords", "open_records", "restore_records"]
