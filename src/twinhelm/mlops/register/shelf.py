"""Where do the files of versions rest? In folders NAME/VERSION that never change.

A version is copied under a temporary name, forced to the disk and renamed: after a crash it is
there whole or not at all, and what was half-copied is removed when the shelf is opened again.
Files are read-only. Nothing is judged here; whoever adds gives the function that looks at the
copy and signs it, so that what was looked at is what is kept.
"""

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from twinhelm.core.errors import BadInput, StoreFull, TooLarge, Unavailable

__all__ = ["MODEL", "SIGNATURE", "Shelf", "files_of"]

MODEL = "model"
SIGNATURE = "model.sig"
CHUNK_BYTES = 1 << 20
_UNFINISHED = "~"
"""Ends the name of a folder that is being made or removed; no version's name can hold it."""
_LEFT_OUT = {".git", ".gitattributes", ".github", ".gitignore"}
"""What stands at the top of a model that came by git; signatures of models leave it out too."""


class Shelf:
    """The folders of all versions, below ``folder``.

    A version may have ``max_bytes`` in ``max_files`` files. Raises :class:`StoreFull` where the
    disk has no room and :class:`Unavailable` where the folder cannot be used.
    """

    def __init__(self, folder: Path, *, max_bytes: int = 8 << 30, max_files: int = 10_000) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_files = max_files
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for left in folder.glob(f"*/*{_UNFINISHED}"):
                shutil.rmtree(left)
        except OSError as error:
            raise _told(folder, error) from error

    def path(self, product: str, version: str) -> Path:
        """Return where a version's folder is or would be; it holds MODEL and SIGNATURE."""
        return self._folder / _name(product) / _name(version)

    def holds(self, product: str, version: str) -> bool:
        """Tell whether the files of a version are here."""
        return self.path(product, version).is_dir()

    def add(self, product: str, version: str, source: Path, sign: Callable[[Path], bytes]) -> Path:
        """Copy a model folder, have the copy signed by ``sign``, keep both; durable on return.

        What ``sign`` raises goes through, and nothing is kept. A version that is here already is
        replaced: whoever calls knows whether it may be. Raises :class:`BadInput` for links and
        devices, :class:`TooLarge` past a limit.
        """
        final = self.path(product, version)
        part = final.with_name(final.name + _UNFINISHED)
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True, mode=0o700)
            self._copy(source, part / MODEL)
            _write(part / SIGNATURE, sign(part / MODEL))
            for folder in (part, *(each for each in part.rglob("*") if each.is_dir())):
                _sync(folder)
            self.delete(product, version)
            part.rename(final)
            _sync(final.parent)
            _sync(self._folder)
        except OSError as error:
            raise _told(final, error) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return final

    def delete(self, product: str, version: str) -> None:
        """Remove a version's files; removing what is not here is no error."""
        final = self.path(product, version)
        part = final.with_name(final.name + _UNFINISHED + _UNFINISHED)
        try:
            final.rename(part)
            _sync(final.parent)
            shutil.rmtree(part)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _told(final, error) from error

    def _copy(self, source: Path, target: Path) -> None:
        left = self._max_bytes
        target.mkdir()
        for number, (name, path) in enumerate(files_of(source), 1):
            left -= path.stat().st_size
            if left < 0 or number > self._max_files:
                said = f"{source.name} has more than {self._max_bytes} bytes or {self._max_files}"
                raise TooLarge(f"{said} files", hint="log what is no part of the model elsewhere")
            into = target / name
            into.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as file:
                shutil.copyfileobj(file, (out := into.open("wb")), CHUNK_BYTES)
            with out:
                _settle(out.fileno())


def files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a model folder by relative name, in the order that is signed.

    What git leaves at the top is no part of it. Raises :class:`BadInput` for a link, a device,
    or a folder that is none.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise BadInput(f"{folder.name} is no folder", hint="a model is a folder with an MLmodel")
    for path in sorted(folder.rglob("*")):
        name, mode = path.relative_to(folder), path.lstat().st_mode
        if name.parts[0] in _LEFT_OUT:
            continue
        try:
            relative = name.as_posix().encode().decode()
        except UnicodeEncodeError as error:
            raise BadInput(f"the file name {name!r} is not UTF-8", hint="rename it") from error
        if stat.S_ISREG(mode):
            yield relative, path
        elif not stat.S_ISDIR(mode):
            said = f"{relative} is a link or a device, not a file"
            raise BadInput(said, hint="put the file itself there")


def _name(text: str) -> str:
    """Make any name a folder's: what is not a letter, digit or -_. is written as %XX."""
    quoted = quote(text, safe="").replace(_UNFINISHED, "%7E")
    if not text or text.startswith(".") or len(quoted) > 200:
        raise BadInput(f"{text[:80]!r} cannot name a product or version", hint="shorten it")
    return quoted


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as out:
        out.write(data)
        _settle(out.fileno())


def _settle(fd: int) -> None:
    os.fchmod(fd, 0o400)
    os.fsync(fd)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _told(path: Path, error: OSError) -> Unavailable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFull(f"no room for {path}: {error}", hint="make room and try again")
    return Unavailable(f"{path} cannot be used: {error}", hint="check the folder's rights")
