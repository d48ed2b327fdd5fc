"""What did the server raise, and when was it there to be seen? Looks at its list of incidents.

An incident counts from the moment at which it stood in the list, which is when somebody on call
could have seen it, and not from when the server says that it began.
"""

from __future__ import annotations

from typing import Any

import orjson

from twinhelm.lab.house import House
from twinhelm.lab.score.judge import Opening
from twinhelm.lab.words import LabError

__all__ = ["Watch"]


class Watch:
    """Remembers how incidents opened and ended; :attr:`openings` in the order they were seen."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._known: dict[tuple[int, int], Opening] = {}
        self.openings: list[Opening] = []

    def look(self, now_s: float) -> None:
        """Read the list once; raises :class:`LabError` where the server has none for us."""
        listed = self._house.incidents()
        if listed is None:
            raise LabError(f"{self._house.url} does not show its incidents to us")
        for each in sorted(listed, key=lambda one: one["id"]):
            key = each["id"], each["flaps"]
            opening = self._known.get(key)
            if opening is None:
                opening = self._known[key] = Opening(*key, seen_s=now_s, title=each["title"])
                self.openings.append(opening)
            opening.title = each["title"]
            if each["state"] != "resolved":
                opening.over_s = None
            elif opening.over_s is None:
                opening.over_s = now_s
        for key, opening in self._known.items():
            # It came back under a new count: what it was before is over.
            if opening.over_s is None and (key[0], key[1] + 1) in self._known:
                opening.over_s = now_s

    def live(self, since_s: float = 0.0) -> list[Opening]:
        """List what opened since then and is not over, the first to open first."""
        return [one for one in self.openings if one.over_s is None and one.seen_s >= since_s]

    def file(self, since_s: float) -> dict[str, Any] | None:
        """Return the file of the incident that leads: the first since then that still lasts.

        Where none lasts, the first since then; None where there was none.
        """
        found = self.live(since_s) or [one for one in self.openings if one.seen_s >= since_s]
        if not found:
            return None
        file: dict[str, Any] = orjson.loads(self._house.file(found[0].incident))
        return file
