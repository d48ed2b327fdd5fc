"""What does sending cost, and what is stuck on the parcel? Quotes, and labels on a small volume.

``GET /quotes?grams=`` prices a parcel; ``POST /labels`` writes a label file and answers its name.
The volume is limited by quota; old labels are deleted when half of it is full. When something else
fills it, writing fails like on a full disk.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import anyio.to_thread
import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop.runtime import Service, answer
from twinhelm.lab.shop.runtime.hogs import ARCHIVE

__all__ = ["LIMIT_BYTES", "LabelVolume", "run"]

LIMIT_BYTES = 16 << 20
LABEL_BYTES = 40 << 10
"""A label is a bitmap for a printer."""


class LabelVolume:
    """A folder that takes ``limit_bytes`` and no more."""

    def __init__(self, folder: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.limit_bytes = limit_bytes

    def used_bytes(self) -> int:
        """Return what all its files take up."""
        return sum(entry.stat().st_size for entry in os.scandir(self.folder))

    def write(self, name: str, content: bytes) -> None:
        """Write a file, then make room among old labels; raises ``OSError`` (``ENOSPC``)."""
        if self.used_bytes() + len(content) > self.limit_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder / name))
        (self.folder / name).write_bytes(content)
        labels = sorted(self.folder.glob("*.label"))
        for old in labels[: max(0, len(labels) - self.limit_bytes // 2 // LABEL_BYTES)]:
            old.unlink(missing_ok=True)


def run(plan: Plan, version: str) -> None:
    """Serve until told to end."""
    service = Service("shipping", plan, version)
    volume = LabelVolume(plan.volume)
    service.volume = volume
    made = service.instruments
    labels = made.counter("shipping.labels", "Labels by outcome", "outcome")
    made.gauge("volume.used.bytes", "Room taken on the label volume", volume.used_bytes)
    made.gauge("volume.limit.bytes", "Quota of the label volume", lambda: volume.limit_bytes)

    async def quote(request: Request) -> Response:
        grams = int(request.query_params.get("grams", "1000"))
        return answer({"cents": 490 + grams // 500 * 60, "days": 2 + grams // 10_000})

    async def label(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        name = f"{asked['order']:010d}.label"
        text = f"{asked['order']} {asked['city']} {asked['postcode']}\n".encode()
        try:
            await anyio.to_thread.run_sync(volume.write, name, text.ljust(LABEL_BYTES))
        except OSError as error:
            labels(outcome="failed")
            service.log.error("label %s not written: %s", name, error)
            raise HTTPException(507, "label not written") from error
        labels(outcome="written")
        service.log.info("label %s written for %s", name, asked["city"])
        return answer({"label": name}, 201)

    async def refill() -> None:
        if (volume.folder / ARCHIVE).exists():
            service.defects.on("fill_volume")

    service.serve([Route("/quotes", quote), Route("/labels", label, methods=["POST"])], refill)
