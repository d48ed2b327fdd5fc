"""Taking a version into the register, opening it again, and letting old files go.

Taken once, a version never changes: it is copied, looked through, signed and recorded, in this
order. Killed before the record is written, taking it again begins anew; afterwards it is known.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, Denied, NotFound, TooLarge
from twinhelm.core.ports import Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.products import (
    ModelRefused,
    VersionExported,
    VersionPruned,
    VersionRegistered,
)
from twinhelm.mlops.mlmodel import described
from twinhelm.mlops.records import find, get, load, need, put
from twinhelm.mlops.register.exported import Exported, write
from twinhelm.mlops.register.scan import scan
from twinhelm.mlops.register.seal import Seal
from twinhelm.mlops.register.shelf import MODEL, SIGNATURE, Shelf, files_of
from twinhelm.mlops.types import (
    Approval,
    ApprovalState,
    Deployment,
    Product,
    ProductVersion,
    Spec,
    Stage,
    Tier,
)
from twinhelm.mlops.types.spec import Retention

__all__ = ["Registrar"]

DAY_MS = 86_400_000


@dataclass(slots=True)
class Registrar:
    """The register's desk."""

    records: Records
    journal: Journal
    clock: Clock
    shelf: Shelf
    seal: Seal
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def take(
        self,
        product: str,
        version: str,
        folder: Path,
        *,
        author: str,
        claimed: bool = False,
        run_id: str = "",
        build: str = "",
        data: Mapping[str, str] | None = None,
        metrics: Mapping[str, float] | None = None,
        by: str,
    ) -> ProductVersion:
        """Copy, look through, sign and record a model folder; what is known already is returned.

        What must not be opened is recorded with stage refused and the reason, without files.
        A product that nobody framed yet is made, with the tier high until somebody does. Raises
        :class:`NotFound` where there is no such folder.
        """
        with self._turn:
            with self.records.reading() as unit:
                known = get(unit, ProductVersion, f"{product}/{version}")
            if known is not None:
                return known
            if not folder.is_dir():
                said = f"the files of {product}/{version} are not at {folder.name}"
                raise NotFound(said, hint="log the model's files first, then register it")
            made = ProductVersion(
                product, version, Stage.REGISTERED, self.clock.now_ms(), "", author=author,
                claimed=claimed, run_id=run_id, build=build, data=dict(data or {}),
                metrics={key: each for key, each in (metrics or {}).items() if isfinite(each)},
            )  # fmt: skip
            try:
                made = replace(made, **self._kept(product, version, folder))
            except (BadInput, TooLarge, Denied) as error:
                made = replace(made, stage=Stage.REFUSED, reason=error.message)
            with self.journal.writing(by) as write:
                if get(write, Product, product) is None:
                    put(write, Product(product, "", author or by, Tier.HIGH))
                put(write, made)
                if made.stage == Stage.REFUSED:
                    write.event(ModelRefused(product, version, made.reason))
                else:
                    write.event(VersionRegistered(product, version, made.digest, run_id))
            return made

    def _kept(self, product: str, version: str, folder: Path) -> dict[str, Any]:
        """Put the files on the shelf; returns what is then known of them."""
        notes: list[str] = []

        def sign(copy: Path) -> bytes:
            found = scan(copy)
            notes.extend(found.notes)
            if found.refused:
                told = "; ".join(found.refused[:10])
                raise Denied(f"{told}; log it without (classes of your own go into code_paths)")
            return self.seal.sign(copy, f"{product}/{version}")

        kept = self.shelf.add(product, version, folder, sign)
        sealed = self.seal.verify(kept / MODEL, (kept / SIGNATURE).read_bytes())
        said = described(kept / MODEL)
        return {
            "method": f"MLflow model, flavor {said.flavor}",
            "flavor": said.flavor,
            "schema": said.schema,
            "facts": {**said.facts, "notes": "; ".join(notes)} if notes else said.facts,
            "digest": sealed.root,
            "signer": sealed.signer,
            "size_bytes": sum(path.stat().st_size for _, path in files_of(kept / MODEL)),
        }

    def opened(self, product: str, version: str) -> Path:
        """Return the model folder of a version, verified just now, byte for byte.

        Raises :class:`Denied` where it was refused or is not what was signed and recorded, and
        :class:`NotFound` where it is unknown or its files were let go.
        """
        found = load(self.records, ProductVersion, f"{product}/{version}")
        if found.stage == Stage.REFUSED or not found.digest:
            said = found.reason or "it has no files of its own"
            raise Denied(f"{found.ref} cannot be opened: {said}", hint="register another version")
        kept = self.shelf.path(product, version)
        if not kept.is_dir():
            said = f"the files of {found.ref} are not here any more"
            raise NotFound(said, hint="restore them from a backup, or register it anew")
        try:
            bundle = (kept / SIGNATURE).read_bytes()
        except OSError as error:
            raise Denied(f"the signature of {found.ref} cannot be read: {error}") from error
        sealed = self.seal.verify(kept / MODEL, bundle)
        if sealed.root != found.digest:
            said = f"the files of {found.ref} are signed, but are not those that were registered"
            raise Denied(said, hint="restore them from a backup, or register it anew")
        return kept / MODEL

    def export(self, product: str, version: str, target: Path, *, by: str) -> Exported:
        """Write an approved version to the folder ``target``, to be served elsewhere.

        Raises what :meth:`opened` and :func:`~twinhelm.mlops.register.exported.write` raise, and
        :class:`Denied` for what was not approved.
        """
        kept = self.opened(product, version).parent
        with self.records.reading() as unit:
            found = need(unit, ProductVersion, f"{product}/{version}")
            framed = replace(need(unit, Product, product), folder="", watchers=())
            agreed = find(unit, Approval, product=product, state=ApprovalState.APPROVED)
        if found.stage not in (Stage.APPROVED, Stage.LIVE):
            said = f"{found.ref} is {found.stage}; only what is approved or live leaves the house"
            raise Denied(said, hint=f"twinhelm promote {product} {version}")
        mine = [each for each in agreed if each.version == version]
        exported = Exported(framed, found, mine[-1] if mine else None, self.clock.now_ms(), by)
        write(exported, kept, target, self.seal)
        with self.journal.writing(by) as told:
            told.event(VersionExported(product, version, found.digest))
        return exported

    def prune(self, now_ms: int) -> int:
        """Let go of the files of old retired versions, as each product's retention says.

        Nothing goes of a product under legal hold, of what answers or answered last, or of what
        was registered within the last day. Records stay. Returns how many versions lost files.
        """
        gone = 0
        with self.records.reading() as unit:
            products = [each for each in find(unit, Product) if not each.hold]
        for product in products:
            kept = Spec.model_validate(product.spec).retention if product.spec else Retention()
            with self.journal.writing("twinhelm") as write:
                now = get(write, Deployment, product.name)
                used = {now.before, *(part.version for part in now.parts)} if now else set()
                retired = find(
                    write, ProductVersion, product=product.name, state=Stage.RETIRED,
                    newest_first=True,
                )  # fmt: skip
                old = [
                    each.version
                    for each in retired[kept.versions :]
                    if each.version not in used
                    and each.registered_ms < now_ms - DAY_MS
                    and self.shelf.holds(product.name, each.version)
                ]
                for version in old:
                    write.event(VersionPruned(product.name, version))
            # Told first: killed in between, they are found and told of again.
            for version in old:
                self.shelf.delete(product.name, version)
            gone += len(old)
        return gone
