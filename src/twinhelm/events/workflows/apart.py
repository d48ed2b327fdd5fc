"""Where do arguments that are secrets rest while a run lasts? Apart from its row, then nowhere.

In: a run's arguments, of which some names are secrets. Out to the workflow table: the others
alone. The secret ones lie in blobs until the run is over, and are given back to a run that was
cut off. A crash at the very end of a run leaves its secrets until the next start, which sweeps.
"""

from collections.abc import Collection, Iterator, Mapping
from hashlib import blake2b
from typing import Any

from twinhelm.core.errors import NotFound
from twinhelm.core.json import dumps, loads
from twinhelm.core.ports import Blobs

__all__ = ["Apart"]


class Apart:
    """The secret arguments ``names`` of runs, kept in ``blobs``; without blobs nothing is secret.

    Raises what blobs raise: :class:`StoreFull`, :class:`Unavailable`.
    """

    def __init__(self, names: Collection[str], blobs: Blobs | None) -> None:
        self._names = frozenset(names)
        self._blobs = blobs

    def keep(self, run_id: str, args: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments that may lie in the table; empty ones are no secrets.

        A run that is begun a second time keeps the secrets of the first.
        """
        held = {name: value for name, value in args.items() if value and name in self._names}
        if self._blobs is None or not held:
            return args
        if self._blobs.get(_blob(run_id)) is None:
            self._blobs.put(_blob(run_id), dumps({"run": run_id, "args": held}))
        return {name: value for name, value in args.items() if name not in held}

    def give_back(self, run_id: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return all arguments; asking for a secret that is gone raises :class:`NotFound`."""
        return _Whole(self._names, {**args, **self._kept(_blob(run_id)).get("args", {})})

    def forget(self, run_id: str) -> None:
        """Forget the secrets of a run that is over."""
        if self._blobs is not None:
            self._blobs.delete(_blob(run_id))

    def runs(self) -> Iterator[str]:
        """Name the runs whose secrets lie here."""
        for name in self._blobs.names() if self._blobs is not None else ():
            if kept := self._kept(name):
                yield kept["run"]

    def _kept(self, name: str) -> dict[str, Any]:
        found = self._blobs.get(name) if self._blobs is not None else None
        return loads(found, what="secret arguments") if found else {}


class _Whole(dict[str, Any]):
    """Arguments of which a secret one may be lost."""

    def __init__(self, secret: frozenset[str], args: Mapping[str, Any]) -> None:
        super().__init__(args)
        self._secret = secret

    def __missing__(self, name: str) -> Any:
        if name not in self._secret:
            raise KeyError(name)
        said = f"the {name} of this run were kept apart and are gone"
        raise NotFound(said, hint="begin it anew")


def _blob(run_id: str) -> str:
    """Name a run's blob; a run's id may hold what a blob's name may not."""
    return blake2b(run_id.encode(), digest_size=16).hexdigest()
