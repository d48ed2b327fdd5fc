"""How does an approved version travel? As a folder that any machine can check by a public key.

It holds what rests on the shelf, ``model/`` and ``model.sig``, so that model-signing's own tool
verifies it too, and beside it ``record.sig``: what the version is, what it may use and who let it
in, signed by the house. The flow writes it (:func:`write`), an outpost reads it (:func:`read`) and
opens nothing before. Nothing in it is hidden: whoever may read the folder has the model.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from twinhelm.core.errors import Conflict, Denied, NotFound, Unavailable
from twinhelm.mlops.register.seal import Seal, Verifier
from twinhelm.mlops.register.shelf import MODEL, SIGNATURE
from twinhelm.mlops.types import Approval, Product, ProductVersion, Spec

__all__ = ["Exported", "read", "write"]

RECORD = "record.sig"
KIND = "urn:twinhelm:exported:v1"


@dataclass(frozen=True, slots=True)
class Exported:
    """What travels with a version; ``approval`` is None where its tier asks for nobody's."""

    product: Product
    version: ProductVersion
    approval: Approval | None
    made_ms: int
    made_by: str

    @property
    def spec(self) -> Spec | None:
        """The product file, where there is one."""
        return Spec.model_validate(self.product.spec) if self.product.spec else None


def write(exported: Exported, kept: Path, target: Path, seal: Seal) -> None:
    """Copy a version's folder ``kept`` to ``target`` with its record, whole or not at all.

    Raises :class:`Conflict` where ``target`` is there, :class:`Unavailable` where it cannot be.
    """
    part, version = target.with_name(f"{target.name}~"), exported.version
    if target.exists():
        raise Conflict(f"{target} is there already", hint="name a folder that is not")
    try:
        shutil.copytree(kept, part)
        (part / RECORD).write_bytes(
            seal.attest(version.ref, version.digest, KIND, asdict(exported))
        )
        part.rename(target)
    except OSError as error:
        raise Unavailable(f"{target} cannot be written: {error}", hint="name another") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read(folder: Path, verifier: Verifier) -> Exported:
    """Verify the record, then every file; raises :class:`NotFound`, or :class:`Denied`."""
    try:
        record, signature = (folder / RECORD).read_bytes(), (folder / SIGNATURE).read_bytes()
    except OSError as error:
        hint = "`twinhelm export` makes one"
        raise NotFound(f"{folder} is no exported version: {error}", hint=hint) from error
    root, said = verifier.attested(record, KIND)
    exported = TypeAdapter(Exported).validate_python(said)
    if not verifier.verify(folder / MODEL, signature).root == root == exported.version.digest:
        wrong = f"the record of {folder} is about other files"
        raise Denied(wrong, hint="export the version again")
    return exported
