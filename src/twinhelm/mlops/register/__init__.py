"""The register: which versions of which products exist, and which one is live.

A version, once written, never changes but in its stage. Registering the same version again is
no event: nothing is written.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from hashlib import sha256

from twinhelm.core.clock import Clock
from twinhelm.core.errors import Conflict
from twinhelm.core.json import dumps
from twinhelm.core.ports import Record, Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds import DetectorRegistered
from twinhelm.mlops.types import Product, ProductVersion

__all__ = ["products", "register_builtin", "versions"]


def register_builtin(
    journal: Journal,
    clock: Clock,
    product: Product,
    *,
    version: str,
    method: str,
    facts: Mapping[str, str],
) -> None:
    """Register one of twinhelm's own algorithms and make it the live version of its product.

    Raises :class:`Conflict` where the version is known with another method or other facts: what
    changed must have a new version.
    """
    key = f"{product.name}/{version}"
    with journal.writing("twinhelm") as write:
        now = first = clock.now_ms()
        known = write.get("version", key)
        if known is not None:
            was = ProductVersion(**known.body)
            if (was.method, dict(was.facts)) != (method, dict(facts)):
                raise Conflict(
                    f"{key} is registered with another method or other facts",
                    hint="give what changed a version of its own",
                )
            if was.stage == "live":
                return
            first = was.registered_ms
        for record in write.find("version", parent=product.name, state="live"):
            retired = replace(ProductVersion(**record.body), stage="retired")
            write.put(replace(record, body=asdict(retired), state="retired"))
        made = ProductVersion(product.name, version, "live", first, method, dict(facts))
        write.put(Record("version", key, asdict(made), "live", product.name, first))
        live = replace(product, live=version)
        write.put(Record("product", product.name, asdict(live), product.tier, "", now))
        digest = sha256(dumps([method, dict(facts)])).hexdigest()
        write.event(DetectorRegistered(product.name, version, digest))


def products(records: Records) -> list[Product]:
    """List the products, by name."""
    with records.reading() as unit:
        found = [Product(**record.body) for record in unit.find("product")]
    return sorted(found, key=lambda product: product.name)


def versions(records: Records, product: str) -> list[ProductVersion]:
    """List the versions of one product, the newest first."""
    with records.reading() as unit:
        rows = unit.find("version", parent=product, newest_first=True)
    return [ProductVersion(**record.body) for record in rows]
