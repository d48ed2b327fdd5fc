"""How do twinhelm's own algorithms get into the register? By a method and facts, without files.

A version, once written, never changes but in its stage. Registering the same version again is
no event: nothing is written.
"""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

from twinhelm.core.clock import Clock
from twinhelm.core.errors import Conflict
from twinhelm.core.json import dumps
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import DetectorRegistered
from twinhelm.mlops.records import find, get, put
from twinhelm.mlops.types import Product, ProductVersion, Stage

__all__ = ["register_builtin"]


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
    made = ProductVersion(product.name, version, Stage.LIVE, clock.now_ms(), method, dict(facts))
    with journal.writing("twinhelm") as write:
        known = get(write, ProductVersion, made.ref)
        if known is not None:
            if (known.method, dict(known.facts)) != (method, dict(facts)):
                raise Conflict(
                    f"{made.ref} is registered with another method or other facts",
                    hint="give what changed a version of its own",
                )
            if known.stage == Stage.LIVE:
                return
            made = replace(made, registered_ms=known.registered_ms)
        for before in find(write, ProductVersion, product=product.name, state=Stage.LIVE):
            put(write, replace(before, stage=Stage.RETIRED))
        put(write, made)
        put(write, replace(product, live=version, framed_ms=clock.now_ms()))
        digest = sha256(dumps([method, dict(facts)])).hexdigest()
        write.event(DetectorRegistered(product.name, version, digest))
