"""Which commit does what lies in a folder belong to? Asked of git, where there is one."""

import shutil
import subprocess
from pathlib import Path

__all__ = ["commit_of", "last_moved_ns"]


def commit_of(folder: Path, path: str = ".") -> str | None:
    """Name the commit, and whether what lies at ``path`` differs; None where it is no work tree."""
    git = shutil.which("git")
    told = []
    for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", path]):
        asked = [git or "", "--no-optional-locks", "-c", "core.fsmonitor=false", *words]
        try:
            done = subprocess.run(asked, cwd=folder, capture_output=True, check=False, timeout=60)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            return None
        if done.returncode:
            return None
        told.append(done.stdout.decode("utf-8", "replace").strip())
    return f"{told[0]}{' with changes' if told[1] else ''}"


def last_moved_ns(folder: Path) -> int:
    """Say when the work tree that a folder lies in moved to another commit; 0 where none is."""
    logs = (each / ".git" / "logs" / "HEAD" for each in (folder, *folder.absolute().parents))
    return next((log.stat().st_mtime_ns for log in logs if log.is_file()), 0)
