"""Which incidents come again and end in the same way? Which have no runbook? Incidents alike.

Incidents are alike where the same kind of thing was in trouble and showed it in the same way. What
ended one is the last command that somebody typed meanwhile, else the note that they left; where
most of the alike share it, that is a runbook. Those of pipelines are told of as late pipelines.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from twinhelm.advise.draft import pattern_of, repair, slug
from twinhelm.advise.types import PAGE_HOURS, Deed, Found, Past, Seen
from twinhelm.advise.words import risk_of, shape_of

__all__ = ["repeated", "unbooked"]


def repeated(seen: Seen) -> Iterator[Found]:
    """Yield kinds of incident that ended in the same way."""
    alike: dict[tuple[str, str], list[Past]] = defaultdict(list)
    for past in seen.pasts:
        if not past.entity.startswith("pipeline:"):
            alike[pattern_of(past.entity).replace("[0-9]+", "N"), past.shows].append(past)
    for (entity, shows), pasts in alike.items():
        ended = {past.ref: deed for past in pasts if (deed := _ended_by(past))}
        if not ended:
            continue
        ((shape, count),) = Counter(map(_shape, ended.values())).most_common(1)
        mended = [past for past in pasts if past.ref in ended and _shape(ended[past.ref]) == shape]
        did = ended[mended[-1].ref].text
        says = f"What people do by hand when {entity} shows it in {shows or 'its alerts'}."
        against = []
        if flapped := sum(past.case.incident.flaps > 0 for past in mended):
            against.append((f"{flapped} of {count} came back after it", 0.3))
        if others := len(pasts) - count:
            against.append(
                (f"{others} of {len(pasts)} ended without it", 0.4 * others / len(pasts))
            )
        yield Found(
            slug("repeat", entity, shows), "repeat", mended[-1].entity,
            f"{count} times {shows or 'trouble'} on {entity} ended with: {did}",
            times=[past.time_ms for past in mended], people=_people(mended),
            hours=sum(past.hours for past in mended), same=count / len(pasts), saved=0.0,
            risk=risk_of(did, entity),
            says_for=[(f"{count} of {len(pasts)} ended with the same: {shape}", 0.9)],
            says_against=against,
            draft=repair(slug(shows, entity.partition(":")[2]), says, mended,
                         {past.ref: ended[past.ref] for past in mended}),
            right=[past.ref for past in mended],
        )  # fmt: skip


def unbooked(seen: Seen) -> Iterator[Found]:
    """Yield alerts that people act on without a runbook to read, and left no word of how."""
    bare = {one.name for one in seen.firings} - {one.name for one in seen.firings if one.booked}
    known = {past.shows for past in seen.pasts if any(map(_shape, past.deeds))}
    groups: dict[str, list[Past]] = defaultdict(list)
    for past in seen.pasts:
        if past.shows in bare - known and past.people:
            groups[past.shows].append(past)
    for shows, pasts in groups.items():
        says = f"What to do when {shows} fires; written down by whoever knows."
        yield Found(
            slug("unbooked", shows), "unbooked", pasts[-1].entity,
            f"{shows} was worked on {len(pasts)} times, and no runbook says how",
            times=[past.time_ms for past in pasts], people=_people(pasts),
            hours=len(pasts) * PAGE_HOURS, same=0.5, saved=1.0, risk=0.1,
            says_for=[("none of its firings names a runbook_url", 0.6)],
            says_against=[
                ("what helped was never written down, so nobody knows if it is the same", 0.5),
                ("the time saved is a guess: five minutes of searching each time", 0.3),
            ],
            draft=repair(slug(shows), says, pasts, {}), covered=[past.ref for past in pasts],
        )  # fmt: skip


def _people(pasts: Sequence[Past]) -> set[str]:
    return {who for past in pasts for who in past.people}


def _shape(deed: Deed) -> str:
    return shape_of(deed.text, note=deed.kind != "command")


def _ended_by(past: Past) -> Deed | None:
    """Return what ended an incident: the last command, else the last thing that was noted."""
    done = [deed for deed in past.deeds if _shape(deed)]
    commands = [deed for deed in done if deed.kind == "command"]
    ended = commands or done
    return ended[-1] if ended else None
