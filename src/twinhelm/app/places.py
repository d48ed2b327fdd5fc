"""Where things lie: the data directory and the databases, as the settings say."""

from pathlib import Path

from twinhelm.core.errors import Conflict, Refused
from twinhelm.core.settings import Settings

__all__ = ["data_directory", "database_url", "empty_directory", "workflow_url"]


def data_directory(data: Path) -> Path:
    """Make the data directory, or see that it can be used; raises :class:`Refused`."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = data / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise Refused(
            f"the data directory {data} cannot be used: {error.strerror or error}",
            hint="give a directory you may write to with --data",
        ) from error
    return data


def empty_directory(target: Path, *, apart_from: str = "") -> None:
    """Make ``target`` or see that it is empty; raises :class:`Conflict` where it is not.

    ``apart_from`` names a file that may lie there.
    """
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        inside = next((each for each in target.iterdir() if each.name != apart_from), None)
    except OSError as error:
        raise Refused(
            f"{target} cannot be used: {error.strerror or error}", hint="name another directory"
        ) from error
    if inside is not None:
        raise Conflict(f"{target} is not empty, it holds {inside.name}", hint="name an empty one")


def database_url(settings: Settings) -> str:
    """Say where records, journal and identities rest."""
    return settings.store.database_url or f"sqlite:///{settings.data / 'records.sqlite'}"


def workflow_url(settings: Settings) -> str:
    """Say where the runs of workflows rest."""
    return settings.store.database_url or f"sqlite:///{settings.data / 'workflows.sqlite'}"
