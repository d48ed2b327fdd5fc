"""A product file is read whole, or everything wrong with it is told by line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinhelm.core.documents import Places
from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.mlops.frame import read_spec

METRICS = {
    **dict.fromkeys(("accuracy", "roc_auc", "recall"), "classification"),
    "mae": "regression",
}
SMALL = """\
[product]
name = "digits"
use_case = "Reads digits."
decides = "Which digit is entered."
owner = "ada"
tier = "low"
"""
COLUMNS = """\
[data]
train = "train.csv"
[[data.columns]]
name = "age"
type = "number"
[[data.columns]]
name = "ill"
type = "category"
role = "target"
values = ["yes", "no"]
"""


def read(text):
    return read_spec(text, "p.toml", metrics=METRICS)


def wrong(text):
    with pytest.raises(BadInput) as raised:
        read(text)
    return raised.value.message.splitlines()


def test_a_small_file_is_enough():
    spec = read(SMALL)
    assert (spec.product.name, spec.product.tier) == ("digits", "low")
    assert spec.gates == ()


@pytest.mark.parametrize("name", ["breast-cancer", "digits"])
def test_the_examples_are_sound(name):
    example = Path(__file__).parents[3] / "examples" / name / "product.toml"
    assert read(example.read_text()).product.name == name


def test_an_empty_file_lacks_its_product():
    assert wrong("") == ["p.toml:1:1: product is missing"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[product]\nname = \n", "p.toml:2:8:"),
        ('a = "x', "p.toml:1:"),
        ("x = [1,\n\n", "p.toml:3:"),
    ],
)
def test_what_is_no_toml_is_told_with_its_place(text, place):
    assert wrong(text)[0].startswith(place)


def test_too_deep_and_too_large_are_refused():
    assert "nests too deep" in wrong(f"a = {'[' * 5000}{']' * 5000}")[0]
    with pytest.raises(TooLarge):
        read("#" * 300_000)


def test_every_misshapen_value_is_told_at_once():
    text = SMALL.replace('tier = "low"', 'tier = "tiny"') + (
        "[build]\nseed = -1\n\n[[gates]]\nmetric = 3\n[[gates]]\nmetrik = 'recall'\n"
        "[monitor]\nlog = 1.5\n"
    )
    told = wrong(text)
    assert [line.split(": ")[0] for line in told] == [
        "p.toml:6:1", "p.toml:8:1", "p.toml:11:1", "p.toml:12:3", "p.toml:13:1", "p.toml:15:1",
    ]  # fmt: skip
    assert "it must be 'low', 'limited' or 'high'" in told[0]
    assert "gates[2].metric is missing" in told[3]
    assert "did you mean metric?" in told[4]
    assert "at_least" in told[4]


def test_a_text_is_no_number_and_a_number_no_text():
    assert "seed is '3'" in wrong(f'{SMALL}[build]\nseed = "3"\n')[0]
    assert "owner is 3" in wrong(SMALL.replace('"ada"', "3"))[0]


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "9" * 30, "9" * 5000])
def test_numbers_that_nothing_can_hold_are_refused(number):
    assert wrong(f"{SMALL}[monitor]\nfloor = {number}\n")


CONTRADICTIONS = {
    "unknown metric": ('[[gates]]\nmetric = "beauty"\nat_least = 1\n', "2:1", "accuracy"),
    "metric of another task": (
        '[[gates]]\nmetric = "mae"\nat_most = 1\n', "2:1", "classification has no metric 'mae'",
    ),
    "unknown slice": (
        '[[gates]]\nmetric = "size_mb"\nat_most = 1\nslice = "old"\n', "4:1", "known: none",
    ),
    "labels without a target": ('[[gates]]\nmetric = "recall"\nat_least = 1\n', "2:1", "target"),
    "a gate that asks nothing": ('[[gates]]\nmetric = "size_mb"\n', "1:3", "at_least"),
    "by without than": ('[[gates]]\nmetric = "size_mb"\nat_most = 1\nby = 0.1\n', "4:1", "worse"),
    "slice of no column": (
        '[[slices]]\nname = "old"\ncolumn = "years"\nat_least = 3\n', "3:1", "'years'",
    ),
    "slice of nothing": ('[[slices]]\nname = "old"\ncolumn = "x"\n', "1:3", "either values"),
    "shares that fall": ("[rollout]\nshares = [0.5, 0.1]\n", "2:1", "ascend"),
    "retrain without recipe": ('[retrain]\non = ["drift"]\n', "2:1", "recipe"),
    "a recipe outside": ('[build]\nrecipe = "../train.py"\n', "2:1", "below this folder"),
    "a recipe of no kind": ('[build]\nrecipe = "train.sh"\n', "2:1", ".ipynb"),
    "a search without best": (
        '[build]\nrecipe = "a.py"\nsearch = {x = [1]}\n', "3:1", "needs best",
    ),
    "a grid too large": (
        f'[build]\nrecipe = "a.py"\nbest = "m"\nsearch = {{x = {list(range(300))}}}\n',
        "4:1", "300 combinations",
    ),
    "an empty search": (
        '[build]\nrecipe = "a.py"\nbest = "m"\nsearch = {x = []}\n', "4:1", "no values",
    ),
    "a schedule without hours": (
        '[build]\nrecipe = "a.py"\n[retrain]\non = ["schedule"]\n', "4:1", "every_hours",
    ),
    "a watched metric that is none": ('[monitor]\nmetric = "beauty"\n', "2:1", "known"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradictions_are_told_where_they_stand(case):
    text, place, says = CONTRADICTIONS[case]
    line, column = map(int, place.split(":"))
    told = wrong(SMALL + text)
    assert any(each.startswith(f"p.toml:{line + 6}:{column}: ") for each in told), told
    assert any(says in each for each in told), told


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('name = "ill"', 'name = "age"', "p.toml:13:1: 'age' stands here twice"),
        ('role = "target"', 'role = "target"\nmin = 0', "p.toml:12:3: ill is a category"),
        ('type = "number"', 'type = "number"\nmin = 3\nmax = 2', "p.toml:12:1: age: min 3"),
        ('type = "number"', 'type = "number"\nvalues = ["1"]', "p.toml:12:1: age is a number"),
        ('type = "number"', 'type = "number"\nrole = "target"', "p.toml:16:1: only one column"),
        ('train = "train.csv"', 'task = "regression"', "p.toml:14:1: the target of a regression"),
        ('train = "train.csv"', 'positive = "perhaps"', "p.toml:8:1: 'perhaps' is none"),
    ],
)
def test_a_contract_that_contradicts_itself_is_told(before, after, says):
    assert read(SMALL + COLUMNS).data.target == "ill"
    told = wrong(SMALL + COLUMNS.replace(before, after))
    assert any(each.startswith(says) for each in told), told


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('column = "ill"\nvalues = ["perhaps"]', "perhaps: ill has yes, no"),
        ('column = "ill"\nbelow = 3', "ill is a category: name values"),
        ('column = "age"\nbelow = 3\nvalues = ["3"]', "either values"),
    ],
)
def test_slices_fit_their_columns(text, says):
    assert says in wrong(f'{SMALL}{COLUMNS}[[slices]]\nname = "s"\n{text}\n')[0]


def test_tier_high_says_everything_that_it_needs():
    told = wrong(SMALL.replace('"low"', '"high"'))
    wanted = ("reviewers", "affects", "reasons", "holdout", "gates", "cost_of_wrong")
    assert len(told) == len(wanted)
    for each in wanted:
        assert any(each in line for line in told)


def test_a_reviewer_who_is_the_owner_is_none():
    text = SMALL.replace('tier = "low"', 'tier = "high"\nreviewers = ["ada"]')
    assert any("p.toml:7:1: product.reviewers" in line for line in wrong(text))


def test_only_tier_low_promotes_by_itself():
    text = f'{SMALL}[retrain]\npromote = "automatic"\n'
    assert read(text).retrain.promote == "automatic"
    assert wrong(text.replace('"low"', '"limited"')) == [
        "p.toml:8:1: automatic is for tier low alone; at tier limited a person approves"
    ]


def test_places_are_found_in_every_form_of_toml():
    text = (
        'a.b = 1 # [no] = "x"\n"quoted key" = """\n[[not]]\nx = 1"""\n'
        "[[t]]\nk = {in = 'y', more = [1, [2,\n 3]]}\n[t.sub]\nz = 1979-05-27 07:32:00\n"
        "[[t]]\nk = 2\n"
    )
    places = Places(text)
    assert places.of(("a", "b")) == (1, 1)
    assert places.of(("quoted key",)) == (2, 1)
    assert places.of(("t", 0, "k", "more", 1, 1)) == (6, 1)
    assert places.of(("t", 0, "sub", "z")) == (9, 1)
    assert places.of(("t", 1, "k")) == (11, 1)
    assert places.of(("t", 1, "k", "unknown")) == (11, 1)
    assert places.of(("nowhere",)) == (1, 1)
