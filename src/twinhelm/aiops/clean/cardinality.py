"""Says whether a tenant may have yet another series.

Stands between a decoder and the store's ``intern``: same call, same result, but label sets that
pass a limit come back as :data:`NO_SERIES` or :data:`BAD_SERIES`, whose samples the
:class:`Cleaner` then counts as rejected. Known series keep flowing for ever; only new ones are
refused. Cost: nothing but a count while a tenant is below its limit; once it is reached, the
tenant's known label sets are hashed into memory (about 60 bytes a series).

Two senders that race at the limit may pass it by one request's worth of series.
"""

import threading
from collections.abc import Mapping, Sequence

import numpy as np

from twinhelm.aiops.clean.rejections import Reason
from twinhelm.aiops.clean.samples import BAD_SERIES, NO_SERIES
from twinhelm.core.arrays import U32
from twinhelm.core.errors import Refused
from twinhelm.core.labels import Labels, check_labels
from twinhelm.core.ports import TelemetryStore
from twinhelm.core.settings import LimitSettings

__all__ = ["SeriesGate"]


class SeriesGate:
    """A store's ``intern`` with a limit per tenant."""

    def __init__(self, index: TelemetryStore, limits: LimitSettings) -> None:
        self._index = index
        self._most = limits.max_series_per_tenant
        self._label_limits = limits.labels
        self._known: dict[str, set[int]] = {}
        self._examples: dict[str, str] = {}
        self._lock = threading.Lock()

    @property
    def examples(self) -> Mapping[str, str]:
        """The newest refused label set, in words, by reason."""
        return self._examples

    def intern(self, labels: Sequence[Labels], *, tenant: str) -> U32:
        """Give each label set its id, or one of the two ids that mean refused."""
        ids = np.full(len(labels), BAD_SERIES, np.uint32)
        good = [i for i, one in enumerate(labels) if self._well_formed(one)]
        if not good:
            return ids
        if self._index.series_count(tenant) + len(good) > self._most:
            good = self._within_limit(labels, good, ids, tenant)
        if good:
            ids[good] = self._index.intern([labels[i] for i in good], tenant=tenant)
        return ids

    def _well_formed(self, labels: Labels) -> bool:
        try:
            check_labels(labels, self._label_limits)
        except Refused as error:
            self._examples[Reason.BAD_LABELS.value] = str(error)
            return False
        return True

    def _within_limit(
        self, labels: Sequence[Labels], good: list[int], ids: U32, tenant: str
    ) -> list[int]:
        """Keep known ones, and new ones while there is room; mark the others refused."""
        with self._lock:
            known = self._known.get(tenant)
            if known is None:
                found = self._index.find_series([], tenant=tenant, limit=2 * self._most)
                known = self._known[tenant] = {hash(info.labels) for info in found}
            kept = []
            for i in good:
                key = hash(labels[i])
                if key in known or len(known) < self._most:
                    known.add(key)
                    kept.append(i)
                else:
                    ids[i] = NO_SERIES
                    self._examples[Reason.SERIES_LIMIT.value] = (
                        f"{dict(labels[i])} of tenant {tenant}, which has {len(known)} series, "
                        f"the limit is {self._most}"
                    )[:500]
            return kept
