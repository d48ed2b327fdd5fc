"""Says which names speak of one thing, since everybody who tells of it names it in his own way.

Shared by correlate, which groups, and diagnose, which blames. In: entity keys. Out: a map from a
name to the one that the others are taken for. A thing named without its namespace or host is the
only one of that name with one (``service:cart`` is ``service:shop/cart``); what one teller calls
a database or a queue and another a service is one thing where the last part of the name is the
same and only one service has it. Pure. Wrong where two things of one name live side by side and
only one of them has been heard of.

>>> kin_of(["service:shop/cache", "database:box/cache"])
{'database:box/cache': 'service:shop/cache'}
"""

from collections import defaultdict
from collections.abc import Iterable

from twinhelm.core.entities import split_key

__all__ = ["kin_of", "known_as"]

_KINDS = ("service", "database", "queue")
"""The surest name first."""


def kin_of(entities: Iterable[str]) -> dict[str, str]:
    """Map names to another name of the same thing; those that stand for themselves are left out."""
    by_name: dict[str, set[str]] = defaultdict(set)
    for entity in entities:
        kind, name = split_key(entity)
        if kind in _KINDS:
            by_name[name.rpartition("/")[2]].add(entity)
    found: dict[str, str] = {}
    for same in by_name.values():
        if len(same) < 2:
            continue
        first = next(kind for kind in _KINDS if any(split_key(one)[0] == kind for one in same))
        mine = [one for one in same if split_key(one)[0] == first]
        whole = [one for one in mine if "/" in one] or mine
        if len(whole) == 1:
            found |= {one: whole[0] for one in sorted(same) if one != whole[0]}
    return found


def known_as(entity: str, known: Iterable[str]) -> str:
    """Return the only one of ``known`` that an entity may be, by the last part of its name.

    The entity itself where it is known, or where none or several of that name are.
    """
    everyone = set(known)
    last = split_key(entity)[1].rpartition("/")[2]
    same = {one for one in everyone if split_key(one)[1].rpartition("/")[2] == last}
    return same.pop() if len(same) == 1 and entity not in everyone else entity
