"""Fill a new data directory from a backup that :meth:`~.house.House.backup` wrote."""

import shutil
from pathlib import Path

from twinhelm.app.places import database_url, empty_directory
from twinhelm.core.clock import SystemClock
from twinhelm.core.errors import NotFound
from twinhelm.core.settings import Settings
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import RestoreDone
from twinhelm.store.predictions import FILE
from twinhelm.store.records import open_records, restore_records

__all__ = ["restore_backup"]

FOLDERS = ("telemetry", "blobs", "models", "keys", "runs", "mlflow", "predictions")


def restore_backup(source: Path, settings: Settings, *, by: str) -> None:
    """Fill the empty or absent data directory of ``settings``; a settings file may lie there.

    Raises :class:`NotFound` where ``source`` is no backup and :class:`Conflict` where the data
    directory or the database holds anything.
    """
    if not (source / "telemetry").is_dir() or not (source / "records").is_dir():
        raise NotFound(f"{source} holds no backup", hint="`twinhelm backup DIR` writes one")
    empty_directory(settings.data, apart_from="twinhelm.toml")
    records = open_records(database_url(settings))
    try:
        rows, lines = restore_records(source / "records", records)
        with Journal(records, SystemClock()).writing(by) as write:
            write.event(RestoreDone(str(source), rows, lines))
    finally:
        records.close()
    for name in FOLDERS:
        if (source / name).is_dir():
            shutil.copytree(source / name, settings.data / name)
    if (source / FILE).is_file():
        shutil.copy2(source / FILE, settings.data / FILE)
