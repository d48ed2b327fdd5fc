"""From MLflow into the register: what was registered there is taken and sealed here.

In: the word of the door that a version was created, or of a build that a run is over. Out: a
version in the register; :mod:`.follow` has it measured. Hearing of the same version again changes
nothing, so a call that was cut off half-way is simply made again.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from twinhelm.core.ports import Records
from twinhelm.core.roles import ANONYMOUS
from twinhelm.mlops.build.tracked import recipe_name
from twinhelm.mlops.flow.registering import Registrar
from twinhelm.mlops.records import find, get
from twinhelm.mlops.tracking import Client
from twinhelm.mlops.types import ProductVersion, Run

__all__ = ["Arrivals"]

USER = "mlflow.user"


@dataclass(slots=True)
class Arrivals:
    """See the module; ``client`` makes a client of our own MLflow, ``max_bytes`` bounds a model."""

    records: Records
    registrar: Registrar
    client: Callable[[], Client]
    max_bytes: int

    def hear(self, product: str, version: str, by: str) -> ProductVersion:
        """Take a version that MLflow knows; one that a run's recipe brought is known as the run's.

        The author is who came by a name of theirs; what a client without a token says of itself is
        kept as a claim. Raises :class:`NotFound` where MLflow has no such version or no files.
        """
        with self.records.reading() as unit:
            known = get(unit, ProductVersion, f"{product}/{version}")
        return known or self._taken(product, version, by)

    def _taken(self, product: str, version: str, by: str) -> ProductVersion:
        """Fetch a version's files and what its run logged, and have it registered."""
        with self.client() as client, tempfile.TemporaryDirectory(prefix="twinhelm-") as place:
            found = client.version(product, version)
            logged = client.run(found["run_id"]) if found["run_id"] else {"tags": {}, "metrics": {}}
            target = Path(place) / "model"
            target.mkdir()
            client.download(str(found["source"]), target, max_bytes=self.max_bytes)
            run = self._build_of(product, by)
            author = run.by if run else by
            claimed = author == ANONYMOUS.name
            return self.registrar.take(
                product,
                version,
                target,
                author=logged["tags"].get(USER, author) if claimed else author,
                claimed=claimed,
                run_id=found["run_id"],
                build=str(run.number) if run else "",
                data=run.data if run else None,
                metrics={name: float(each) for name, each in logged["metrics"].items()},
                by=author,
            )

    def collect(self, run: Run, run_id: str) -> str:
        """Return which version of the run's product an MLflow run registered, empty for none."""
        with self.client() as client:
            wanted = {"filter": f"run_id='{run_id}'"}
            found = [
                str(each["version"])
                for each in client.pages("model-versions/search", "model_versions", **wanted)
                if each["name"] == run.product
            ]
        if not found:
            return ""
        version = max(found, key=int)
        self.hear(run.product, version, recipe_name(run.product, run.number))
        return version

    def _build_of(self, product: str, by: str) -> Run | None:
        """Find the build whose recipe signed in; tags prove nothing, as any client may set them."""
        with self.records.reading() as unit:
            runs = find(unit, Run, product=product, newest_first=True, limit=100)
        return next((run for run in runs if recipe_name(product, run.number) == by), None)
