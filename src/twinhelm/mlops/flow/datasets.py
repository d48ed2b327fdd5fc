"""Looking at a product's data: read it, remember that version of it, hold it to the contract."""

from pathlib import Path

from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput
from twinhelm.core.logs import strike_secrets
from twinhelm.core.ports import Record
from twinhelm.events.journal import Journal
from twinhelm.events.kinds import DataSeen
from twinhelm.mlops.build.contract import check
from twinhelm.mlops.build.data import read
from twinhelm.mlops.types import Product, Spec, Table, rows_of

__all__ = ["look"]


def look(
    journal: Journal, clock: Clock, product: Product, spec: Spec, role: str
) -> tuple[Table, str]:
    """Return the data of a role, train or holdout, and its digest.

    A version seen for the first time is kept as a record, and told of. Raises :class:`BadInput`
    where it breaks the contract, and what :func:`~twinhelm.mlops.build.data.read` raises.
    """
    source = getattr(spec.data, role)
    table, digest = read(source, Path(product.folder or "/"))
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
