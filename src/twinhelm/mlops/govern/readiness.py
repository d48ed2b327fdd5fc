"""How ready a product is for production, from evidence alone, and what to do next.

In come facts and the rubric (``catalogues/ml-test-score.toml``); out goes :class:`Readiness`. The
rubric has four sections of seven tests. A test counts 1 where evidence shows that it happens by
itself (``automated``), 0.5 where it was done once (``facts``) or somebody vouches for it with a
remark (``evidence TEST-ID: ...``), else 0. A section is the sum of its tests and the whole is the
least of the sections: the weakest part decides, so its cheapest step comes first.

Pure. What happens outside twinhelm scores 0 until somebody says so: a low score may mean that
nobody looked. Source: Breck, Cai, Nielsen, Salib and Sculley, "The ML Test Score: A Rubric for ML
Production Readiness and Technical Debt Reduction", IEEE Big Data 2017; the words are ours.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from twinhelm.mlops.govern.catalogue import Catalogue, Control, bundled
from twinhelm.mlops.govern.facts import Fact, of

__all__ = ["Readiness", "Tested", "score"]

LEVELS = (
    (0.0, "a research project rather than a product"),
    (1.0, "not untested, but serious holes are likely"),
    (2.0, "a first pass at what production needs"),
    (3.0, "reasonably tested; more of it could run by itself"),
    (5.0, "strongly tested and watched, fit for what is critical"),
    (7.0, "exceptional"),
)
"""The largest score of each level, and what it means."""


@dataclass(frozen=True, slots=True)
class Tested:
    """One test: its score of 0, 0.5 or 1, why, and the step that would raise it."""

    id: str
    section: str
    title: str
    score: float
    evidence: tuple[str, ...]
    step: str
    way: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """The score from 0 to 7, its level in words, its ``parts`` by section, every test.

    ``steps`` holds the tests that can gain, the best next one first.
    """

    score: float
    says: str
    parts: Mapping[str, float]
    tests: tuple[Tested, ...]
    steps: tuple[Tested, ...]


def score(facts: Mapping[str, Fact], rubric: Catalogue | None = None) -> Readiness:
    """Score the facts of a product's version."""
    controls = (rubric or bundled()["ml-test-score"]).control
    tests = tuple(_test(each, facts) for each in controls)
    parts: dict[str, float] = {}
    for test in tests:
        parts[test.section] = parts.get(test.section, 0.0) + test.score
    whole = min(parts.values())
    says = next(words for most, words in LEVELS if whole <= most)
    effort = {each.id: each.effort for each in controls}
    open_ones = (test for test in tests if test.score < 1)
    steps = sorted(open_ones, key=lambda t: (parts[t.section], t.score - 1 + 0.2 * effort[t.id]))
    return Readiness(whole, says, parts, tests, tuple(steps))


def _test(control: Control, facts: Mapping[str, Fact]) -> Tested:
    by_itself = [of(facts, name) for name in control.automated]
    once = [of(facts, name) for name in control.facts]
    vouched = [of(facts, f"stated.{control.id}")]
    found = next(((got, shown) for got, shown in ((1.0, by_itself), (0.5, once), (0.5, vouched))
                  if _hold(shown)), (0.0, []))  # fmt: skip
    told = tuple(f"{fact.says}: {fact.text} ({fact.source})" for fact in found[1])
    gaps = (fact.wants for fact in (*by_itself, *once) if not fact.known)
    wanted = ", ".join(dict.fromkeys(gaps))
    step = f"{control.missing} Missing: {wanted}." if wanted else control.missing
    return Tested(control.id, control.section, control.title, found[0], told, step, control.way)


def _hold(facts: Iterable[Fact]) -> bool:
    shown = list(facts)
    return bool(shown) and all(fact.known and fact.holds for fact in shown)
