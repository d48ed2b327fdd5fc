"""What do people type or file again and again, outside any incident? Work without a caller.

Commands and tickets are alike by their shape. Nothing called for them that is known here, so a
person would still begin the draft: half of the time counts as saved. What begins a pipeline again
speaks for its being late, and is left out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from twinhelm.advise.draft import chore, slug
from twinhelm.advise.types import CHORE_HOURS, Deed, Found, Seen
from twinhelm.advise.words import argv_of, risk_of, shape_of

__all__ = ["by_hand"]

STILL_BEGUN = 0.5
TOGETHER_MS = 10 * 60_000
"""The same again within ten minutes is one piece of work."""


def by_hand(seen: Seen) -> Iterator[Found]:
    """Yield commands and tickets of the same shape."""
    pipelines = {one.entity.rpartition("/")[2] for one in seen.changes if one.kind == "pipeline"}
    groups: dict[tuple[str, str], list[Deed]] = defaultdict(list)
    for deed in seen.deeds:
        if deed.kind not in {"command", "ticket"} or pipelines & set(argv_of(deed.text)):
            continue
        if shape := shape_of(deed.text, note=deed.kind == "ticket"):
            known = groups[deed.kind, shape]
            if not known or deed.time_ms - known[-1].time_ms > TOGETHER_MS:
                known.append(deed)
    for (kind, shape), deeds in groups.items():
        told = [deed.hours for deed in deeds if deed.hours]
        each = sum(told) / len(told) if told else CHORE_HOURS
        counts = Counter(deed.who for deed in deeds)
        against = [("no incident called for it, so a person would still begin it", 0.3)]
        if not told:
            against.append((f"the time is a guess: {CHORE_HOURS * 60:.0f} minutes each", 0.3))
        yield Found(
            slug("chore", shape), "chore", deeds[-1].entity,
            f"{len(deeds)} times by hand: {deeds[-1].text[:200]}",
            times=[deed.time_ms for deed in deeds], people={deed.who for deed in deeds},
            hours=each * len(deeds), same=1.0, saved=STILL_BEGUN,
            risk=risk_of(deeds[-1].text, *{deed.entity for deed in deeds}),
            says_for=[(f"the same {kind} each time: {shape}", 0.8)], says_against=against,
            draft=chore(slug(shape), deeds),
            covered=[f"{n} {kind}s of {who or 'somebody'}" for who, n in counts.most_common()],
        )  # fmt: skip
