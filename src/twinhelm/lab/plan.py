"""Where everything in one lab is: ports, files, addresses, cadence.

The stage makes one :class:`Plan` at start and saves it as ``plan.json``; every process reads it.
What changes while the lab runs is not here but in ``config/NAME.json`` and ``flags.json``, which
each process looks at every half second.

The agent takes, at ``plan.url("agent")``: OTLP at ``/v1/metrics``, ``/v1/traces`` and
``/v1/logs``, CloudEvents at ``/api/events``, OpenLineage at ``/api/v1/lineage``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from twinhelm.lab.words import LabError, read_json, write_json

__all__ = ["LOOPBACK", "SECRET_HEADER", "Backend", "Plan"]

LOOPBACK = "127.0.0.1"
SECRET_HEADER = "X-Lab-Secret"  # noqa: S105 - the header's name
CALLED_BY_EDGE = "inventory"
"""The service whose callers go through the proxy on port ``edge``."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Whole addresses to send telemetry to; an empty one means: do not send.

    Raises :class:`LabError` for what is no address of HTTP.
    """

    metrics: str = ""
    """Remote write."""
    otlp: str = ""
    """Base, without ``/v1/...``."""
    loki: str = ""
    """Loki push."""
    changes: str = ""
    """CloudEvents."""
    lineage: str = ""
    """OpenLineage."""
    token: str = field(default="", repr=False)
    """Sent as ``Authorization: Bearer``."""

    def __post_init__(self) -> None:
        for url in self.addresses:
            if not url.startswith(("http://", "https://")):
                raise LabError(f"{url!r} is no address", hint="it begins with http:// or https://")

    @property
    def addresses(self) -> list[str]:
        """All that is sent to."""
        known = (self.metrics, self.otlp, self.loki, self.changes, self.lineage)
        return [url for url in known if url]

    @classmethod
    def at(cls, base: str, token: str = "") -> Self:
        """Name twinhelm's addresses below one base URL; an empty base sends nowhere."""
        if not base:
            return cls()
        base = base.rstrip("/")
        return cls(
            metrics=f"{base}/api/v1/write",
            otlp=base,
            loki=f"{base}/loki/api/v1/push",
            changes=f"{base}/api/events",
            lineage=f"{base}/api/v1/lineage",
            token=token,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """One lab, as its processes need to know it."""

    folder: Path
    ports: Mapping[str, int]
    """By process name, and ``edge`` and ``control``; the pipeline has none."""
    database_url: str
    """For SQLAlchemy; begins ``postgresql+psycopg:`` or ``sqlite:``."""
    backend: Backend
    secret: str = field(repr=False)
    """Asked for in ``X-Lab-Secret`` by every ``/_lab`` and control route."""
    host: str
    interval_s: float = 2.0
    """Between two scrapes, and two exports."""
    day_s: float = 600.0
    """How long the shop's day lasts."""
    rate: float = 10.0
    """Page requests per second, on average."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """At start, by service."""
    record: str = ""
    """Folder that cases are written to, or empty."""

    def url(self, name: str) -> str:
        """Return the address by which others call a process: no path, no slash at its end."""
        scheme = "https" if name == "payments" else "http"
        return f"{scheme}://{LOOPBACK}:{self.ports['edge' if name == CALLED_BY_EDGE else name]}"

    def own_url(self, name: str) -> str:
        """Return the address of the process itself, past the proxy."""
        scheme = "https" if name == "payments" else "http"
        return f"{scheme}://{LOOPBACK}:{self.ports[name]}"

    @property
    def sqlite(self) -> bool:
        """Whether the database is a file, for want of PostgreSQL."""
        return self.database_url.startswith("sqlite")

    @property
    def ca(self) -> Path:
        """The lab's certificate authority, PEM."""
        return self.folder / "tls" / "ca.pem"

    def certificate(self, name: str) -> Path:
        """Certificate of a process, PEM; its key lies beside it with the ending ``.key``."""
        return self.folder / "tls" / f"{name}.pem"

    def config(self, name: str) -> Path:
        """Live configuration of one process: a JSON object, absent until someone sets it."""
        return self.folder / "config" / f"{name}.json"

    @property
    def flags(self) -> Path:
        """Feature flags of all: a JSON object, absent until someone sets one."""
        return self.folder / "flags.json"

    def log_file(self, name: str) -> Path:
        """Where a process writes its log where it writes a file."""
        return self.folder / "logs" / f"{name}.log"

    def output(self, name: str) -> Path:
        """Where the stage keeps what a process says on stdout and stderr."""
        return self.folder / "out" / f"{name}.log"

    @property
    def volume(self) -> Path:
        """The small, quota-limited folder that shipping writes labels to."""
        return self.folder / "volume"

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a plan; raises :class:`LabError` where there is none."""
        said = read_json(path)
        said |= {"folder": Path(said["folder"]), "backend": Backend(**said["backend"])}
        return cls(**said)

    def save(self, path: Path) -> None:
        """Write the plan for its owner alone, since it carries the secret."""
        said = dataclasses.asdict(self) | {"folder": str(self.folder)}
        write_json(path, said, mode=0o600)
