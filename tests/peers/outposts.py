"""Versions as a house exports them, and the real ``twinhelm serve`` that answers for them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from peers.processes import Peer, answers, free_port
from twinhelm.mlops.register.exported import Exported, write
from twinhelm.mlops.register.seal import Seal
from twinhelm.mlops.register.shelf import MODEL, SIGNATURE, Shelf
from twinhelm.mlops.types import Product, ProductVersion, Stage

__all__ = ["House", "Outpost", "exporting_house", "start_outpost"]


class House:
    """A key and a shelf, from which versions are exported as the real house does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seal = Seal(folder / "signing.pem")
        self.key = folder / "house.pem"
        self.key.write_bytes(self.seal.public)
        self._shelf = Shelf(folder / "shelf")

    def export(
        self,
        model: Path,
        product: str = "fraud",
        version: str = "3",
        *,
        spec: Mapping[str, Any] | None = None,
    ) -> Path:
        """Export a model folder as a version of a product with this product file."""
        ref, target = f"{product}/{version}", self.folder / f"{product}-{version}"
        kept = self._shelf.add(product, version, model, lambda copy: self.seal.sign(copy, ref))
        root = self.seal.verify(kept / MODEL, (kept / SIGNATURE).read_bytes()).root
        made = ProductVersion(product, version, Stage.LIVE, 1, "m", digest=root)
        framed = Product(product, "d", "o", "low", spec=spec or {})
        write(Exported(framed, made, None, 2, "ann"), kept, target, self.seal)
        return target


@pytest.fixture
def exporting_house(tmp_path: Path) -> House:
    """A house that exports."""
    (tmp_path / "house").mkdir()
    return House(tmp_path / "house")


class Outpost(Peer):
    """A running ``twinhelm serve``; ``program`` is another installation's."""

    def __init__(
        self,
        folders: list[Path],
        key: Path,
        *flags: str,
        log: Path,
        env: Mapping[str, str] | None = None,
        program: Path | None = None,
    ) -> None:
        program = program or Path(sys.executable).with_name("twinhelm")
        address = f"127.0.0.1:{free_port()}"
        url = f"http://{address}"
        super().__init__(
            [
                str(program),
                "serve",
                *map(str, folders),
                "--key",
                str(key),
                "--listen",
                address,
                *flags,
            ],
            url=url,
            log=log,
            ready=answers(f"{url}/-/ready"),
            env=env,
            patience_s=120,
        )


@pytest.fixture
def start_outpost(tmp_path: Path) -> Iterator[Callable[..., Outpost]]:
    """``start_outpost(folder, ..., key=..., flags=...)``: one that is ready, or fails its log."""
    running: list[Outpost] = []

    def start(*folders: Path, key: Path, flags: tuple[str, ...] = (), **more: object) -> Outpost:
        log = tmp_path / f"outpost-{len(running)}.log"
        made = Outpost(list(folders), key, *flags, log=log, **more)
        running.append(made)
        made.start()
        return made

    yield start
    for each in running:
        each.kill9()
