"""What is known of a product's version, from where, and what is not.

In come the records and journal rows of one version (:class:`Sources`); out goes a flat dictionary
of :class:`Fact` by name, for the card, the bill, the pack and the score. ``facts.toml`` beside
this module lists every fact with its source. A fact has one source, so taking a source away makes
its facts unknown and leaves all others as they are. Nothing is guessed: an empty text, an empty
list, a NaN and a check that came to nothing are unknown, and ``wants`` says what would help.

A person may vouch for a document that twinhelm cannot see with a remark on the product,
``evidence NAME: where it lies``: it becomes the fact ``stated.NAME`` and names who said it.

Pure; wrong only where a record is. Values are JSON; times are UTC in ISO 8601.
"""

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

from twinhelm.core.ports import JournalRow
from twinhelm.events.chain import Verification
from twinhelm.mlops import types
from twinhelm.mlops.types import Approval, Spec, Validation, Verdict

__all__ = ["UNKNOWN", "Fact", "Sources", "gather", "instant", "known_names", "of", "words"]

UNKNOWN = "unknown"
HALF_YEAR_DAYS = 183
_STATED = re.compile(r"evidence\s+([a-z0-9][a-z0-9-]*)\s*:\s*(\S.*)", re.DOTALL | re.IGNORECASE)
_REFS = {
    "product": "product/{0.name}",
    "version": "version/{0.product}/{0.version}",
    "run": "run/{0.product}/{0.number}",
    "repeats": "run/{0[0].product}/{0[0].number}",
    "validation": "validation/{0.product}/{0.version}",
    "approval": "approval/{0.id}",
    "deployment": "deployment/{0.product}",
    "rollouts": "rollout/{0[0].id}",
    "health": "health/{0.product}/{0.version}",
    "remarks": "remark/{0[0].id}",
    "journal": "journal row {0[0].seq}",
    "chain": "journal rows 1 to {0.rows}",
    "files": "signed manifest",
    "requirements": "requirements.txt of the model",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known, or not.

    ``value`` is JSON, None while unknown. ``source`` names the record or journal row it was read
    from and ``digest`` its hash, where it has one. ``holds`` is false where what is known speaks
    against the version: a failed check, a refusal, drift. ``wants`` says what would make an
    unknown one known.
    """

    name: str
    says: str
    value: Any = None
    source: str = ""
    digest: str = ""
    holds: bool = True
    wants: str = ""

    @property
    def known(self) -> bool:
        """Tell whether a source spoke of it."""
        return self.value is not None

    @property
    def text(self) -> str:
        """The value in words, or ``unknown``."""
        return words(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Everything that was recorded of one version; None or empty where nothing was.

    Sequences are newest first. ``files`` maps paths of the sealed files to their SHA-256,
    ``requirements`` are the lines of the model's requirements.txt, ``repeats`` the runs that made
    ``run`` again.
    """

    product: types.Product | None = None
    version: types.ProductVersion | None = None
    files: Mapping[str, str] | None = None
    requirements: tuple[str, ...] = ()
    run: types.Run | None = None
    repeats: tuple[types.Run, ...] = ()
    validation: types.Validation | None = None
    approval: types.Approval | None = None
    deployment: types.Deployment | None = None
    rollouts: tuple[types.Rollout, ...] = ()
    health: types.Health | None = None
    remarks: tuple[types.Remark, ...] = ()
    journal: tuple[JournalRow, ...] = ()
    chain: Verification | None = None

    @property
    def spec(self) -> Spec | None:
        """The product file, where the product was framed with one."""
        said = self.product.spec if self.product else None
        return Spec.model_validate(said) if said else None


def gather(sources: Sources) -> dict[str, Fact]:
    """Return every fact by name, known or not, then what people vouched for."""
    at: dict[str, Any] = {each.name: getattr(sources, each.name) for each in fields(sources)}
    at["spec"] = sources.spec
    wanted, rows = _table()
    found = {row["name"]: _fact(row, at, wanted[row["from"]]) for row in rows}
    for remark in reversed(sources.remarks):
        if said := _STATED.match(remark.text.strip()):
            name = f"stated.{said[1].lower()}"
            value = f"{said[2].strip()} (said by {remark.by}, {instant(remark.time_ms)})"
            found[name] = Fact(name, _stated_words(name), value, f"remark/{remark.id}")
    return found


def of(facts: Mapping[str, Fact], name: str) -> Fact:
    """Return a fact by name; what nobody vouched for is unknown, with the way to do it."""
    if name in facts:
        return facts[name]
    what = name.removeprefix("stated.")
    return Fact(name, _stated_words(name), wants=f'remark on the product: "evidence {what}: ..."')


def known_names() -> frozenset[str]:
    """Return the names of all facts; ``stated.NAME`` may be any besides."""
    return frozenset(row["name"] for row in _table()[1])


def instant(time_ms: int) -> str:
    """Write a time for people and machines: UTC, ISO 8601, to the second."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).isoformat().replace("+00:00", "Z")


def words(value: Any) -> str:
    """Write any value of a fact as one line of text; None and NaN are ``unknown``."""
    match value:
        case None:
            return UNKNOWN
        case bool():
            return "yes" if value else "no"
        case float():
            return UNKNOWN if math.isnan(value) else f"{value:.6g}"
        case {"metric": metric, "value": at, "low": low, "high": high, "rows": rows, **rest}:
            part = f" on {rest['slice']}" if rest.get("slice") else ""
            return f"{metric}{part} {words(at)} ({words(low)} to {words(high)}, {rows} rows)"
        case Mapping():
            return "; ".join(f"{key}: {words(each)}" for key, each in value.items())
        case list() | tuple():
            return "; ".join(words(each) for each in value)
    return str(value)


@cache
def _table() -> tuple[Mapping[str, str], tuple[Mapping[str, Any], ...]]:
    said = tomllib.loads((Path(__file__).parent / "facts.toml").read_text("utf-8"))
    return said["sources"], tuple(said["fact"])


def _stated_words(name: str) -> str:
    return name.removeprefix("stated.").replace("-", " ").capitalize()


def _fact(row: Mapping[str, Any], at: Mapping[str, Any], wanted: str) -> Fact:
    unknown = Fact(row["name"], row["says"], wants=row.get("wants", wanted))
    about, where = at[row["from"]], row["from"]
    if "kind" in row:
        about = tuple(each for each in about if each.kind == row["kind"])
    if about is None or about == ():
        return unknown
    value, holds = _found(row, about)
    if value is None or value in ("", UNKNOWN, [], {}) or value != value:
        return unknown
    if where == "spec":
        about, where = at["product"], "product"
    digest = about[0].hash if "kind" in row else getattr(about, "digest", "")
    return Fact(row["name"], row["says"], value, _REFS[where].format(about), digest, holds)


def _found(row: Mapping[str, Any], source: Any) -> tuple[Any, bool]:
    """Read one fact from a source that is there, as ``facts.toml`` says; and whether it holds."""
    if work := _WORKED_OUT.get(row["name"]):
        return work(source)
    if "checks" in row:
        return _checked(source, row["checks"])
    one = source[0] if isinstance(source, tuple) and "each" not in row else source
    if "kind" in row:
        body = {key: value for key, value in one.body.items() if value not in ("", None, [], {})}
        return f"{one.kind} by {one.actor}, {instant(one.time_ms)}: {words(body)}", True
    value = base = _walked(one, row.get("path", ""))
    if "each" in row:
        left = [each for each in base if _matches(each, row.get("only", {}))]
        value = [_WORDS.format(row["each"], each) for each in left]
        value = value or (row.get("otherwise") if base else None)
    elif "say" in row:
        value = _WORDS.format(row["say"], base) if _walked(base, row.get("needs", "")) else None
    elif row.get("path", "").endswith("_ms"):
        value = instant(base) if base else None
    elif base in ("", None):
        value = row.get("otherwise")
    judged = _walked(one, row["judge"]) if "each" in row and "judge" in row else value
    if "say" in row:
        judged = _walked(base, row.get("judge", ""))
    return _json_like(value), "good" not in row or judged in row["good"]


class _Words(Formatter):
    """Fills templates: ``:t`` tells a time, ``:pWORD`` puts WORD before what is not empty."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "t":
            return instant(value)
        if format_spec.startswith("p"):
            return "" if value in ("", None) else format_spec[1:] + words(value)
        return format(value, format_spec) if format_spec else words(value)


_WORDS = _Words()


def _walked(source: Any, path: str) -> Any:
    """Follow a dotted path through fields and keys; None past a missing one."""
    for step in filter(None, path.split(".")):
        source = source.get(step) if isinstance(source, Mapping) else getattr(source, step, None)
    return source


def _matches(item: Any, only: Mapping[str, Any]) -> bool:
    found = ((getattr(item, key), want) for key, want in only.items())
    return all(bool(got) is want if isinstance(want, bool) else got == want for got, want in found)


def _json_like(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _checked(validation: Validation, about: Iterable[str]) -> tuple[Any, bool]:
    """Sum up the checks whose names hold one of these words; None where none was decided."""
    found = [each for each in validation.checks if any(word in each.name for word in about)]
    decided = {each.verdict for each in found} - {Verdict.UNKNOWN}
    told = [f"{each.name}: {each.verdict}, {each.says}" for each in found]
    return told if decided else None, Verdict.FAIL not in decided


def _measured(validation: Validation, *, sliced: bool) -> list[dict[str, Any]]:
    return [asdict(each) for each in validation.measured if bool(each.slice) is sliced]


def _limited(spec: Spec) -> list[str]:
    return [
        each.name
        for each in spec.data.columns
        if each.values or each.missing or (each.min, each.max) != (None, None)
    ]


def _log_kept(spec: Spec) -> tuple[str, bool]:
    days, share = spec.retention.predictions_days, spec.monitor.log
    return f"{share:.0%} for {days:g} days", share == 1 and days >= HALF_YEAR_DAYS


def _agreed(approval: Approval) -> tuple[str, bool]:
    others = {each.by for each in approval.answers if each.agrees and each.by != approval.asked_by}
    told = f"{len(others)} of {approval.needs}: {', '.join(sorted(others)) or 'nobody'}"
    return told, len(others) >= max(approval.needs, 1)


_WORKED_OUT: dict[str, Callable[[Any], tuple[Any, bool]]] = {
    "data.limits": lambda spec: (_limited(spec), True),
    "monitor.log": lambda spec: (spec.monitor.log, spec.monitor.log > 0),
    "retention.logs": _log_kept,
    "validation.measured": lambda found: (_measured(found, sliced=False), True),
    "validation.slices": lambda found: (_measured(found, sliced=True), True),
    "approval.four_eyes": _agreed,
}
