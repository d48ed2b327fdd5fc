"""Do the sentences of a product file hold together? What contradicts what is told.

In: a spec whose every value has the right form; out: what contradicts what, with the path of the
key to mend. What is asked of each tier stands here too. Pure.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePath

from twinhelm.core.documents import Path, Wrong
from twinhelm.mlops.types import Spec, Tier, Trigger
from twinhelm.mlops.types.spec import Column, Gate

__all__ = ["contradictions"]

UNLABELLED = ("latency_p99_ms", "size_mb", "duplicates")
"""What a gate can ask of a version without knowing any right answer."""
LABELLED = (
    *("leakage", "missing_drop", "noise_drop", "shift_drop"),
    *("parity_gap", "opportunity_gap"),
)
MAX_COMBINATIONS = 200

_RECIPE = re.compile(r"[\w./ -]+\.(py|ipynb)|[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def contradictions(spec: Spec, metrics: Mapping[str, str]) -> Iterator[Wrong]:
    """Yield a path and a sentence for everything that does not fit together.

    ``metrics`` holds the task of each metric by name.
    """
    fitting = sorted(name for name, task in metrics.items() if task == spec.data.task)
    yield from _columns(spec)
    yield from _slices(spec)
    for number, gate in enumerate(spec.gates):
        yield from _gate(spec, ("gates", number), gate, fitting)
    yield from _build(spec)
    yield from _policies(spec, fitting)
    if spec.product.tier is Tier.HIGH:
        yield from _high(spec)


def _columns(spec: Spec) -> Iterator[Wrong]:
    columns = spec.data.columns
    yield from _twice([each.name for each in columns], ("data", "columns"))
    for role in ("target", "id", "time"):
        having = [number for number, each in enumerate(columns) if each.role == role]
        for number in having[1:]:
            yield ("data", "columns", number, "role"), f"only one column can be the {role}"
    for number, each in enumerate(columns):
        at: Path = ("data", "columns", number)
        ranged = each.min is not None or each.max is not None
        if ranged and each.type not in ("number", "integer"):
            yield at, f"{each.name} is a {each.type}: min and max are for number and integer"
        if each.min is not None and each.max is not None and each.min > each.max:
            yield (*at, "min"), f"{each.name}: min {each.min:g} is above max {each.max:g}"
        if each.values and each.type != "category":
            yield (*at, "values"), f"{each.name} is a {each.type}: values are for category"
    target = _column(spec, spec.data.target)
    if target is None:
        return
    at = ("data", "columns", columns.index(target), "type")
    if spec.data.task == "regression" and target.type not in ("number", "integer"):
        yield at, f"the target of a regression is a number or integer, not a {target.type}"
    if spec.data.positive and target.values and spec.data.positive not in target.values:
        known = ", ".join(target.values)
        yield ("data", "positive"), f"{spec.data.positive!r} is none of the target's values {known}"


def _slices(spec: Spec) -> Iterator[Wrong]:
    yield from _twice([each.name for each in spec.slices], ("slices",))
    for number, each in enumerate(spec.slices):
        at: Path = ("slices", number)
        column = _column(spec, each.column)
        ranged = each.at_least is not None or each.below is not None
        if bool(each.values) == ranged:
            yield at, f"slice {each.name} needs either values, or at_least and below"
        if column is None:
            known = _listed(one.name for one in spec.data.columns)
            yield (*at, "column"), f"there is no column {each.column!r} in data.columns: {known}"
        elif ranged and column.type not in ("number", "integer"):
            yield (*at, "column"), f"{column.name} is a {column.type}: name values instead"
        elif strange := set(each.values) - set(column.values) if column.values else ():
            said = f"{_listed(sorted(strange))}: {column.name} has {_listed(column.values)}"
            yield (*at, "values"), said


def _gate(spec: Spec, at: Path, gate: Gate, metrics: Collection[str]) -> Iterator[Wrong]:
    known = [*metrics, *UNLABELLED, *LABELLED]
    if gate.metric not in known:
        said = f"{spec.data.task} has no metric {gate.metric!r}; known: {_listed(known)}"
        yield (*at, "metric"), said
    elif gate.metric not in UNLABELLED and not spec.data.target:
        said = f"{gate.metric} needs the right answers: give a column in data.columns role = target"
        yield (*at, "metric"), said
    slices = [each.name for each in spec.slices]
    if gate.slice and gate.slice not in slices:
        yield (*at, "slice"), f"there is no slice {gate.slice!r}; known: {_listed(slices)}"
    if gate.at_least is None and gate.at_most is None and not gate.than:
        yield at, f"the gate on {gate.metric} needs at_least, at_most or than = champion"
    if gate.by < 0 or (gate.by and not gate.than):
        yield (
            (*at, "by"),
            'by is how much worse than the champion: 0 or more, with than = "champion"',
        )


def _build(spec: Spec) -> Iterator[Wrong]:
    build = spec.build
    if build.recipe and not (_RECIPE.fullmatch(build.recipe) and _inside(build.recipe)):
        forms = "a .py or .ipynb file below this folder, or package.module:function"
        yield ("build", "recipe"), f"{build.recipe!r} is none of the forms: {forms}"
    if not _inside(build.requirements):
        yield ("build", "requirements"), f"{build.requirements!r} leaves this folder"
    for key in ("search", "every_hours") if not build.recipe else ():
        if getattr(build, key):
            yield ("build", key), f"{key} needs a recipe"
    if build.search and not build.best:
        said = "search needs best: the logged metric that decides, with - in front if low is good"
        yield ("build", "search"), said
    combinations = 1
    for name, values in build.search.items():
        combinations *= len(values)
        if not values:
            yield ("build", "search", name), f"{name} has no values to try"
    if combinations > MAX_COMBINATIONS:
        said = f"the grid has {combinations} combinations, the limit is {MAX_COMBINATIONS}"
        yield ("build", "search"), said


def _policies(spec: Spec, metrics: Collection[str]) -> Iterator[Wrong]:
    shares = spec.rollout.shares
    if list(shares) != sorted(set(shares)):
        yield ("rollout", "shares"), f"shares must ascend: {', '.join(map(str, shares))}"
    watched = spec.monitor.metric
    if watched and watched not in metrics:
        said = f"{spec.data.task} has no metric {watched!r}; known: {_listed(list(metrics))}"
        yield ("monitor", "metric"), said
    if spec.monitor.floor is not None and not (watched or spec.gates):
        yield ("monitor", "floor"), "floor needs a metric, or a gate whose metric is meant"
    retrain = spec.retrain
    if retrain.on and not spec.build.recipe:
        yield ("retrain", "on"), "there is no build.recipe to make a new version with"
    if Trigger.SCHEDULE in retrain.on and not spec.build.every_hours:
        yield ("retrain", "on"), "schedule needs build.every_hours"
    if Trigger.DATA in retrain.on and not spec.data.train:
        yield ("retrain", "on"), "data needs data.train"
    if retrain.promote == "automatic" and spec.product.tier is not Tier.LOW:
        said = f"automatic is for tier low alone; at tier {spec.product.tier} a person approves"
        yield ("retrain", "promote"), said


def _high(spec: Spec) -> Iterator[Wrong]:
    """Tell what tier high asks for and the file does not say."""
    others = [each for each in spec.product.reviewers if each != spec.product.owner]
    wanted: Sequence[tuple[Path, object, str]] = (
        (("product", "reviewers"), others, "a reviewer who is not the owner"),
        (("product", "affects"), spec.product.affects.strip(), "whom it affects"),
        (("product", "reasons"), spec.product.reasons, "the reasons for the tier"),
        (("data", "holdout"), spec.data.holdout, "hold-out data to validate on"),
        (("gates",), spec.gates, "at least one gate"),
        (("success", "cost_of_wrong"), spec.success.cost_of_wrong.strip(), "what an error costs"),
    )
    for path, value, what in wanted:
        if not value:
            yield path, f"{'.'.join(map(str, path))}: tier high needs {what}"


def _twice(names: Sequence[str], at: Path) -> Iterator[Wrong]:
    for number, name in enumerate(names):
        if name in names[:number]:
            yield (*at, number, "name"), f"{name!r} stands here twice"


def _column(spec: Spec, name: str) -> Column | None:
    return next((each for each in spec.data.columns if each.name == name), None)


def _inside(path: str) -> bool:
    parts = PurePath(path)
    return not parts.is_absolute() and ".." not in parts.parts


def _listed(names: Sequence[str] | Iterator[str]) -> str:
    return ", ".join(names) or "none"
