"""What must be refused before anything of a model is opened? Looking through its files.

Comes in: a folder, copied but not trusted. Goes out: sentences on what is refused, and notes for
whoever approves. Every file is looked at by its content, whatever it is called: pickles by their
opcodes (:mod:`pickles`), also inside joblib's compression, zip, npz and npy; programs; packed
files that nobody here can look into; and what ``MLmodel`` names outside of the folder. Python
code that is logged with the model is allowed and noted, as it can be read and runs in a worker.

A file that does not look like a pickle is walked as one too, since ``MLmodel`` may hand it to an
unpickler: there a name counts if it can be imported, which words in a text hardly ever can.
"""

import bz2
import gzip
import lzma
import mmap
import sys
import tempfile
import zipfile
import zlib
from _compat_pickle import IMPORT_MAPPING
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from tokenize import TokenError
from typing import IO, Any

import numpy as np

from twinhelm.mlops.mlmodel import described
from twinhelm.mlops.register.pickles import WRAPPER, allowed, globals_in
from twinhelm.mlops.register.shelf import files_of

__all__ = ["Scan", "scan"]

MAX_DEPTH = 3
MAX_MEMBERS = 10_000
MAX_PICKLES = 16
"""In one file, one after the other; no loader reads as many."""
CHUNK_BYTES = 1 << 20

_PICKLES = {".pkl", ".pickle", ".joblib", ".pck", ".pcl", ".p"}
_PICKLE_HEADS = {bytes((0x80, protocol)) for protocol in range(2, 6)}
_PROGRAMS = {".so", ".dll", ".dylib", ".exe", ".pyd", ".pyc", ".pyo", ".sh", ".bat", ".jar"}
_PROGRAM_HEADS = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"#!")
_CLOSED = {".7z", ".rar", ".tar", ".tgz", ".zst", ".lz4", ".h5", ".hdf5", ".keras"}
_CLOSED_HEADS = (b"7z\xbc\xaf", b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd", b"\x89HDF", b"ZF0x")
_PACKED: tuple[tuple[bytes, Callable[[IO[bytes]], Iterator[bytes]]], ...] = (
    (b"\x1f\x8b", lambda file: _chunks(gzip.GzipFile(fileobj=file))),
    (b"BZh", lambda file: _chunks(bz2.BZ2File(file))),
    *((magic, lambda file: _chunks(lzma.LZMAFile(file))) for magic in (b"\xfd7zXZ", b"]\x00\x00")),  # noqa: SIM115 - the caller's file
    *((bytes((0x78, level)), lambda file: _inflated(file)) for level in (0x01, 0x5E, 0x9C, 0xDA)),
)
_PACKED_NAMES = {".gz", ".bz2", ".xz", ".lzma", ".z"}
_ELSEWHERE = {"uri", "model_code_path"}
"""Where something came from; of the path of its code MLflow takes the last part alone."""
_PLAIN = {".py", ".yaml", ".yml", ".json", ".md"}
_BROKEN = (
    OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, ValueError,
)  # fmt: skip


@dataclass(slots=True)
class Scan:
    """What was found; ``refused`` empty: the files may be opened in a worker."""

    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def scan(folder: Path, *, max_unpacked_bytes: int = 8 << 30) -> Scan:
    """Look through a model folder; what stands in it is only read.

    What is packed may unpack to ``max_unpacked_bytes`` in all. Raises :class:`BadInput` where it
    is no model folder.
    """
    files = dict(files_of(folder))
    known = described(folder)
    code = {PurePosixPath(name).parts[1].removesuffix(".py") for name in files
            if name.startswith("code/")}  # fmt: skip
    roots = {name for name in code if name not in sys.stdlib_module_names}
    found = Scan()
    if python := sorted(name for name in files if name.endswith(".py")):
        found.notes.append(f"Python code comes with it: {', '.join(python[:20])}")
    for key, text in known.texts:
        if key not in _ELSEWHERE and not _inside(text):
            found.refused.append(f"MLmodel names {text!r} ({key}), which lies outside the folder")
        if key == "loader_module" and text.split(".")[0] not in roots | {"mlflow"}:
            found.refused.append(f"MLmodel wants {text!r} to load it, which is not MLflow's")
        if key == "skops_trusted_types" and not _may(roots, *text.rpartition(".")[::2]):
            found.refused.append(f"MLmodel wants skops to trust {text!r}")
    named = {text for key, text in known.texts if key not in ("uri", "path")}
    look = _Look(found, roots, max_unpacked_bytes)
    for name, path in files.items():
        part_of = {name, *(str(each) for each in PurePosixPath(name).parents)}
        with path.open("rb") as file:
            surely = bool(part_of & named) and path.suffix not in _PLAIN
            look.file(name, file, surely=surely, depth=0)
    return found


@dataclass(slots=True)
class _Look:
    found: Scan
    roots: set[str]
    left: int

    def file(self, name: str, file: IO[bytes], *, surely: bool, depth: int) -> None:
        """Look at one file, by name and content; ``surely``: MLmodel hands it to a loader."""
        head, suffix = file.read(16), PurePosixPath(name).suffix.lower()
        file.seek(0)
        if suffix in _PROGRAMS or (head.startswith(_PROGRAM_HEADS) and suffix != ".py"):
            self._refuse(f"{name} is a program")
        elif suffix in _CLOSED or head.startswith(_CLOSED_HEADS) or depth > MAX_DEPTH:
            self._refuse(f"{name} is packed in a way that cannot be looked into")
        elif head:
            self._inside(name, file, head, surely, depth)

    def _inside(self, name: str, file: IO[bytes], head: bytes, surely: bool, depth: int) -> None:
        suffix = PurePosixPath(name).suffix.lower()
        for magic, unpack in _PACKED:
            if head.startswith(magic):
                inner = name.removesuffix(suffix) if suffix in _PACKED_NAMES else name
                if self._unpacked(f"unpacked {inner}", unpack(file), surely, depth):
                    return
                file.seek(0)
        if zipfile.is_zipfile(file):
            self._zip(name, file, surely, depth)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if head.startswith(b"\x93NUMPY"):
                self._npy(name, data)
            else:
                marked = suffix in _PICKLES or head[:2] in _PICKLE_HEADS
                self._pickles(name, data, whole=marked, surely=surely or marked)

    def _zip(self, name: str, file: IO[bytes], surely: bool, depth: int) -> None:
        try:
            with zipfile.ZipFile(file) as archive:
                for number, info in enumerate(archive.infolist()):
                    inner = f"{name}:{info.filename}"
                    if not _inside(info.filename) or info.flag_bits & 1 or number > MAX_MEMBERS:
                        return self._refuse(f"{inner} leads outside, is encrypted or one too many")
                    if not info.is_dir():
                        with archive.open(info) as member:
                            if not self._unpacked(inner, _chunks(member), surely, depth):
                                self._refuse(f"{inner} cannot be unpacked")
        except _BROKEN as error:
            self._refuse(f"{name} is a zip file that cannot be looked into: {error}")

    def _unpacked(self, name: str, chunks: Iterator[bytes], surely: bool, depth: int) -> bool:
        """Look at what comes out, also where it breaks off: a loader may not come that far."""
        whole = True
        with tempfile.TemporaryFile() as file:
            try:
                for chunk in chunks:
                    self.left -= len(chunk)
                    if self.left < 0:
                        self._refuse(f"{name} unpacks to too many bytes")
                        return True
                    file.write(chunk)
            except _BROKEN as error:
                whole = False
                if surely or PurePosixPath(name).suffix in _PICKLES:
                    self._refuse(f"{name} breaks off: {error}")
            file.seek(0)
            self.file(name, file, surely=surely, depth=depth + 1)
        return whole

    def _refuse(self, what: str) -> None:
        if what not in self.found.refused:
            self.found.refused.append(what)

    def _npy(self, name: str, data: Any) -> None:
        """Look at an array's file; one of objects goes on as a pickle."""
        form = np.lib.format
        try:
            major, _ = form.read_magic(data)
            read = form.read_array_header_1_0 if major == 1 else form.read_array_header_2_0
            objects = read(data)[2].hasobject
        except (ValueError, SyntaxError, TokenError) as error:
            self._refuse(f"{name} is no array file: {error}")
            return
        if objects:
            self._pickles(name, data, whole=True, surely=True)

    def _pickles(self, name: str, data: Any, *, whole: bool, surely: bool) -> None:
        """Walk the pickles of a file; ``whole``: the first must come to its end."""
        start = data.tell()
        seen, fault = self._walked(name, data, surely, joblib=True)
        if WRAPPER in seen:  # the same bytes, as a plain unpickler would take them
            data.seek(start)
            self._walked(name, data, surely, joblib=False)
        if whole and fault:
            self._refuse(f"{name} is no pickle that can be followed: {fault}")

    def _walked(
        self, name: str, data: Any, surely: bool, *, joblib: bool
    ) -> tuple[set[tuple[str, str]], str]:
        """Walk pickle after pickle; returns what they look up, and what is wrong with the first."""
        seen: set[tuple[str, str]] = set()
        for number in range(MAX_PICKLES):
            try:
                for place in globals_in(data, joblib=joblib):
                    if place not in seen and not _may(self.roots, *place):
                        _check_module(place[0], surely)
                        said = ".".join(place)[:120]
                        self._refuse(f"{name} would look up {said!r} when it is opened")
                    seen.add(place)
            except ValueError as error:
                return seen, "" if number else str(error)
            if data.tell() == len(data):
                return seen, ""
        self._refuse(f"{name} holds more than {MAX_PICKLES} pickles in a row")
        return seen, ""


def _may(roots: Collection[str], module: str, name: str) -> bool:
    """Tell whether a name may be looked up: by the list, or of a package that is let in."""
    own = module.split(".")[0] in roots and name.isidentifier()
    return own or allowed(module, name)


def _check_module(module: str, surely: bool) -> None:
    """Raise :class:`ValueError` where there can be no such module: unpickling would end there."""
    root = module.split(".")[0]
    known = root in sys.modules or root in sys.stdlib_module_names or module in IMPORT_MAPPING
    if not all(part.isidentifier() for part in module.split(".")) or not (
        surely or known or find_spec(root)
    ):
        raise ValueError(f"there is no module {module[:80]!r}")


def _inside(text: str) -> bool:
    """Tell whether a text, if it is a path, stays in the folder."""
    parts = text.replace("\\", "/").split("/")
    return ".." not in parts and not text.startswith(("/", "\\", "~")) and text[1:3] != ":\\"


def _chunks(file: Any) -> Iterator[bytes]:
    """Read what a file gives at once each time, so that what precedes a fault is seen."""
    while chunk := file.read1(CHUNK_BYTES):
        yield chunk


def _inflated(file: IO[bytes]) -> Iterator[bytes]:
    engine, chunk = zlib.decompressobj(), file.read(CHUNK_BYTES)
    while chunk:
        yield engine.decompress(chunk, CHUNK_BYTES)
        rest = engine.unused_data if engine.eof else engine.unconsumed_tail
        engine = zlib.decompressobj() if engine.eof else engine
        chunk = rest or file.read(CHUNK_BYTES)
    yield engine.flush()
