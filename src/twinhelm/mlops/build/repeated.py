"""Did the same come out when a run was repeated? Its metrics, files and environment, in words.

In: both runs, and the model folders of what they made. Out: a sentence. Files that hold the time
and ids of their making are not compared. Reads every file of both.
"""

from pathlib import Path

from twinhelm.mlops.build.data import file_digest
from twinhelm.mlops.types import Run

__all__ = ["compared"]

NEVER_EQUAL = {"MLmodel", "registered_model_meta"}


def compared(old: Run, new: Run, was: Path | None = None, now: Path | None = None) -> str:
    """Say whether ``new`` gave what ``old`` gave; without their folders no file is compared."""
    differ = [f"{key} {new.metrics.get(key)}, was {old.metrics.get(key)}"
              for key in sorted(old.metrics.keys() | new.metrics.keys())
              if old.metrics.get(key) != new.metrics.get(key)]  # fmt: skip
    told = [f"other metrics ({'; '.join(differ)})" if differ else "the same metrics"]
    if was is not None and now is not None:
        before, after = _digests(was), _digests(now)
        same = sum(before.get(path) == digest for path, digest in after.items())
        told.append(f"{same} of {len(before.keys() | after.keys())} model files the same")
    moved = [key for key, said in old.environment.items() if new.environment.get(key) != said]
    if moved:
        told.append(f"the environment has changed: {', '.join(moved)}")
    return f"repeats run {old.number}: {'; '.join(told)}"


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in NEVER_EQUAL)
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
