"""Looking at a product's data: read it, remember that version of it, hold it to the contract."""

from pathlib import Path

import numpy as np

from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput
from twinhelm.core.logs import strike_secrets
from twinhelm.core.ports import Record
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.products import DataSeen
from twinhelm.mlops.build.contract import check
from twinhelm.mlops.build.data import read, save
from twinhelm.mlops.types import Product, Spec, Table, rows_of

__all__ = ["keep_reference", "look", "reference"]

REFERENCE = "reference.parquet"
MOST_ROWS = 200_000


def look(
    journal: Journal, clock: Clock, product: Product, spec: Spec, role: str
) -> tuple[Table, str]:
    """Return the data of a role, train or holdout, and its digest.

    A version seen for the first time is kept as a record, and told of. Raises :class:`BadInput`
    where it breaks the contract, and what :func:`~twinhelm.mlops.build.data.read` raises.
    """
    source = getattr(spec.data, role)
    texts = [each.name for each in spec.data.columns if each.type in ("category", "text")]
    table, digest = read(source, Path(product.folder or "/"), texts=texts)
    problems = check(table, spec.data.columns)
    with journal.writing("twinhelm") as write:
        if write.get("data", digest) is None:
            body = {
                "product": product.name,
                "role": role,
                "rows": rows_of(table),
                "source": strike_secrets(source),
                "columns": list(table),
                "problems": problems,
            }
            write.put(Record("data", digest, body, "", product.name, clock.now_ms()))
            write.event(DataSeen(product.name, role, digest, rows_of(table), tuple(problems)))
    if problems:
        said = f"the {role} data of {product.name} breaks its contract: {'; '.join(problems)}"
        raise BadInput(said, hint="mend the data, or data.columns in the product file")
    return table, digest


def keep_reference(table: Table, work: Path, *, seed: int) -> None:
    """Keep rows that a run trains on beside it, by which drift is known later.

    The file that they come from moves on; at most ``MOST_ROWS`` are kept, chosen by ``seed``.
    """
    if rows_of(table) > MOST_ROWS:
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.choice(rows_of(table), MOST_ROWS, replace=False))
        table = {column: values[chosen] for column, values in table.items()}
    save(table, work / REFERENCE)


def reference(work: Path) -> Table | None:
    """Return the rows that a run kept; None where it kept none."""
    return read(REFERENCE, work)[0] if (work / REFERENCE).is_file() else None
