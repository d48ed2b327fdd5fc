"""What can be shown of a product: card, bill, pack, score, inventory and lineage, from records.

It loads what was recorded of a version in one reading transaction and lets
:mod:`twinhelm.mlops.govern` make the document. An evidence pack is kept as it was made, and the
journal says so once; nothing else is written. A product without a product file, such as twinhelm's
own algorithms, has the same documents with more that is unknown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from twinhelm.core.clock import Clock
from twinhelm.core.errors import NotFound
from twinhelm.core.ports import Blobs, Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.products import EvidenceExported
from twinhelm.mlops import govern, types
from twinhelm.mlops.govern import Catalogue, Fact, Lineage, Readiness, Sources
from twinhelm.mlops.records import find, get, need
from twinhelm.mlops.types import Approval, ApprovalState, Product, ProductVersion, Run

__all__ = ["EvidenceDesk", "Kept"]

JOURNAL_ROWS = 1000
"""The newest rows of a product and of a version that facts are read from."""
LINEAGE_VERSIONS = 20


@dataclass(frozen=True, slots=True)
class Kept:
    """An evidence pack that is kept: ``digest`` is the SHA-256 of its JSON file."""

    digest: str
    catalogue: str
    made_ms: int
    made_by: str


@dataclass(slots=True)
class EvidenceDesk:
    """The documents of products.

    ``files_of`` tells a version's sealed files with their SHA-256, ``requirements_of`` the text of
    its ``requirements.txt``; both are empty where there is none.
    """

    records: Records
    journal: Journal
    clock: Clock
    blobs: Blobs
    files_of: Callable[[str, str], Mapping[str, str]]
    requirements_of: Callable[[str, str], str]

    def facts(self, product: str, version: str) -> dict[str, Fact]:
        """Return what is known of a version, and what is not; raises :class:`NotFound`."""
        return govern.gather(self._sources(product, version))

    def card(self, product: str, version: str) -> str:
        """Return the model card: Markdown with front matter as Hugging Face reads it."""
        return govern.card(self.facts(product, version))

    def bom(self, product: str, version: str) -> dict[str, Any]:
        """Return the bill of materials as CycloneDX 1.6."""
        return govern.bill(self.facts(product, version), made_ms=self.clock.now_ms())

    def pack(self, product: str, version: str, catalogue: str, *, by: str) -> Kept:
        """Make an evidence pack, keep it in its three forms, and journal that it was made.

        Raises :class:`NotFound` for an unknown product, version or catalogue.
        """
        wanted = self._catalogue(catalogue)
        sources, now = self._sources(product, version, verify=True), self.clock.now_ms()
        made = govern.pack(sources, govern.gather(sources), wanted, made_ms=now, made_by=by)
        # Files first: a crash here leaves files that nothing names, never a row without files.
        for form, content in made.files.items():
            self.blobs.put(f"evidence/{made.digest}.{form}", content)
        with self.journal.writing(by) as write:
            write.event(EvidenceExported(product, version, wanted.name, made.digest))
        return self._kept(product, version, made.digest)

    def packs(self, product: str, version: str) -> list[Kept]:
        """List the packs that were made of a version, newest first."""
        rows = self.journal.read(
            subject=f"version/{product}/{version}",
            kind=EvidenceExported.kind,
            newest_first=True,
            limit=JOURNAL_ROWS,
        )
        return [
            Kept(row.body["digest"], row.body["catalogue"], row.time_ms, row.actor) for row in rows
        ]

    def file(self, product: str, version: str, digest: str, form: str) -> tuple[str, bytes]:
        """Return the catalogue and one form (json, html, pdf) of a pack that was made.

        Raises :class:`NotFound` where no such pack of the version was made, or it is not kept.
        """
        made = self._kept(product, version, digest)
        content = self.blobs.get(f"evidence/{digest}.{form}")
        if content is None:
            said = f"the evidence pack {digest[:12]} is not kept as {form!r}"
            raise NotFound(said, hint=f"make one: twinhelm evidence {product} {version}")
        return made.catalogue, content

    def _kept(self, product: str, version: str, digest: str) -> Kept:
        made = next((each for each in self.packs(product, version) if each.digest == digest), None)
        if made is None:
            said = f"there is no evidence pack {digest[:12]!r} of {product}/{version}"
            raise NotFound(said, hint=f"make one: twinhelm evidence {product} {version}")
        return made

    def readiness(self, product: str) -> Readiness:
        """Score a product by its live version, else its newest, else by its framing alone."""
        return govern.score(govern.gather(self._sources(product, "")))

    def inventory(self) -> list[dict[str, Any]]:
        """List every product with what an auditor asks first; what is not known is ``unknown``."""
        with self.records.reading() as unit:
            names = sorted(each.name for each in find(unit, Product))
        return [self._entry(name) for name in names]

    def lineage(self, product: str, version: str = "") -> Lineage:
        """Follow data to deployment, for one version or the newest of a product."""
        with self.records.reading() as unit:
            need(unit, Product, product)
            newest = find(
                unit, ProductVersion, product=product, newest_first=True, limit=LINEAGE_VERSIONS
            )
        numbers = [version] if version else [each.version for each in newest]
        walked = [govern.edges(self._sources(product, each)) for each in numbers]
        found = tuple(dict.fromkeys(edge for edges in walked for edge in edges))
        return Lineage(govern.mermaid(found), found)

    def catalogues(self) -> list[dict[str, str]]:
        """List the bundled catalogues: name, title, source, notice."""
        about = {"name", "title", "source", "notice"}
        return [each.model_dump(include=about) for each in govern.bundled().values()]

    def _catalogue(self, name: str) -> Catalogue:
        found = govern.bundled().get(name)
        if found is None:
            known = ", ".join(govern.bundled())
            raise NotFound(f"there is no catalogue {name!r}", hint=f"there are {known}")
        return found

    def _entry(self, name: str) -> dict[str, Any]:
        facts = govern.gather(self._sources(name, ""))
        told = {
            "product": "product.name", "decides": "product.decides", "owner": "product.owner",
            "tier": "product.tier", "affects": "purpose.affects", "version": "version.number",
            "stage": "version.stage", "live": "deployment.parts", "validated": "validation.time",
            "checks": "validation.gates", "approved_by": "approval.four_eyes",
            "drift": "health.drift", "health": "health.state", "hold": "product.hold",
        }  # fmt: skip
        return {key: facts[fact].text for key, fact in told.items()} | {
            "readiness": govern.score(facts).score
        }

    def _sources(self, name: str, number: str, *, verify: bool = False) -> Sources:
        """Load one version's records; ``number`` empty: the live version, else the newest."""
        chain = self.journal.verify() if verify else None
        with self.records.reading() as unit:
            product = need(unit, Product, name)
            journal = partial(unit.read_journal, newest_first=True, limit=JOURNAL_ROWS)
            if not number:
                deployed = get(unit, types.Deployment, name)
                newest = find(unit, ProductVersion, product=name, newest_first=True, limit=1)
                number = (deployed.champion if deployed else "") or product.live
                number = number or (newest[0].version if newest else "")
            key = f"{name}/{number}"
            version = need(unit, ProductVersion, key) if number else None
            if version is not None and version.claimed:
                version = replace(version, author=f"{version.author} (claimed, not proven)")
            sealed = version is not None and bool(version.digest)
            needs = self.requirements_of(name, number) if sealed else ""
            rows = [*journal(subject=f"product/{name}"), *journal(subject=f"version/{key}")]
            runs = find(unit, Run, product=name, newest_first=True)
            run = _maker(runs, version)
            asked = find(unit, Approval, product=name, newest_first=True)
            rollouts = find(unit, types.Rollout, product=name, newest_first=True)
            return Sources(
                product=product,
                version=version,
                files=self.files_of(name, number) if sealed else None,
                requirements=tuple(needs.splitlines()),
                run=run,
                repeats=tuple(e for e in runs if run and e.again == run.number),
                validation=get(unit, types.Validation, key),
                approval=_decisive([each for each in asked if each.version == number]),
                deployment=get(unit, types.Deployment, name),
                rollouts=tuple(each for each in rollouts if each.version == number),
                health=get(unit, types.Health, key),
                remarks=tuple(find(unit, types.Remark, product=name, newest_first=True)),
                journal=tuple(sorted(rows, key=lambda row: -row.seq)),
                chain=chain,
            )


def _maker(runs: list[Run], version: ProductVersion | None) -> Run | None:
    """Find the run that made a version: as it says itself, else as the run says."""
    if version is None:
        return None
    made = (each for each in runs if str(each.number) == version.build)
    return next(made, next((each for each in runs if each.version == version.version), None))


def _decisive(asked: list[Approval]) -> Approval | None:
    """Choose the request that let it live, else the newest."""
    agreed = (each for each in asked if each.state is ApprovalState.APPROVED)
    return next(agreed, asked[0] if asked else None)
