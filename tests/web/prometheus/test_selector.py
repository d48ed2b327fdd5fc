import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinhelm.core.errors import BadInput
from twinhelm.core.labels import Matcher, MatchKind
from twinhelm.web.prometheus.selector import Selector, parse, parse_selector, read_duration


def named(name, *more, **modifiers):
    return Selector((Matcher("__name__", MatchKind.EQUAL, name), *more), **modifiers)


SELECTORS = {
    "up": named("up"),
    " up # the rest is a comment": named("up"),
    "(((up)))": named("up"),
    "a:b:rate5m": named("a:b:rate5m"),
    "up{}": named("up"),
    'up{job="x",}': named("up", Matcher("job", MatchKind.EQUAL, "x")),
    "up{job='x'}": named("up", Matcher("job", MatchKind.EQUAL, "x")),
    r"up{job=`\d`}": named("up", Matcher("job", MatchKind.EQUAL, r"\d")),
    r'up{job="a\"b\\c\n\x41\u00e9\101"}': named(
        "up", Matcher("job", MatchKind.EQUAL, 'a"b\\c\nAéA')
    ),
    'up{a!="1",b=~"x|y",c!~"z"}': named(
        "up",
        Matcher("a", MatchKind.NOT_EQUAL, "1"),
        Matcher("b", MatchKind.REGEX, "x|y"),
        Matcher("c", MatchKind.NOT_REGEX, "z"),
    ),
    '{__name__=~".+"}': Selector((Matcher("__name__", MatchKind.REGEX, ".+"),)),
    '{"my.metric", "a.b"="c"}': Selector(
        (Matcher("__name__", MatchKind.EQUAL, "my.metric"), Matcher("a.b", MatchKind.EQUAL, "c"))
    ),
    "up[5m]": named("up", range_ms=300_000),
    "up[1h30m]": named("up", range_ms=5_400_000),
    "up[90]": named("up", range_ms=90_000),
    "up offset 1w": named("up", offset_ms=604_800_000),
    "up offset -5m": named("up", offset_ms=-300_000),
    "up @ 1609746000.5": named("up", at=1_609_746_000_500),
    "up @ end()": named("up", at="end"),
    "up[5m] @ start() offset 1m": named("up", range_ms=300_000, at="start", offset_ms=60_000),
    "up[5m] offset 1m @ 10": named("up", range_ms=300_000, at=10_000, offset_ms=60_000),
}


@pytest.mark.parametrize("query", SELECTORS)
def test_a_selector_is_read(query):
    assert parse(query) == SELECTORS[query]


NUMBERS = {
    "1+1": 2.0,
    "1 + 2 * 3": 7.0,
    "(1 + 2) * 3": 9.0,
    "2 ^ 3 ^ 2": 512.0,
    "-1 ^ 2": -1.0,
    "-2 * 3": -6.0,
    "10 - 4 - 3": 3.0,
    "7 % 4": 3.0,
    "-7 % 4": -3.0,
    "0x1F": 31.0,
    "1e3": 1000.0,
    ".5": 0.5,
    "1/0": math.inf,
    "-1/0": -math.inf,
    "Inf": math.inf,
    "-inf": -math.inf,
    "(-8) ^ 3": -512.0,
    "10 ^ 400": math.inf,
    "+3": 3.0,
}


@pytest.mark.parametrize("query", NUMBERS)
def test_arithmetic_on_numbers_is_done(query):
    assert parse(query) == NUMBERS[query]


@pytest.mark.parametrize("query", ["NaN", "0/0", "1 % 0", "(-8) ^ 0.5"])
def test_what_has_no_value_is_nan(query):
    assert math.isnan(parse(query))


LATER = [
    "rate(up[5m])",
    "sum by (job) (up)",
    "sum(up)",
    "up + 1",
    "1 + up",
    "-up",
    "up > 1",
    "up and up",
    "up[5m:1m]",
    '"text"',
    "vector(1)",
]


@pytest.mark.parametrize("query", LATER)
def test_the_rest_of_the_language_is_refused_by_saying_so(query):
    with pytest.raises(BadInput, match="cannot be answered yet") as caught:
        parse(query)
    assert "later" in caught.value.hint


WRONG = {
    "": "the query ends here",
    "up{": "a label name should stand here",
    "up{job}": "=, !=, =~ or !~ should follow 'job'",
    'up{job="x"': "',' or '}' should stand here",
    'up{job="x" job="y"}': "',' or '}' should stand here",
    "up{job=x}": "a text in quotes should follow job=",
    'up{a:b="x"}': "a label name should stand here",
    'up{job=~"("}': "cannot be read: missing",
    "{}": "a matcher that the empty text does not fit",
    '{job=~".*"}': "a matcher that the empty text does not fit",
    'up{"other"}': "the metric name is given twice",
    "up[": "a duration such as 5m",
    "up[5]m": "after a selector",
    "up[0s]": "longer than nothing",
    "up[5m": "']' should stand here",
    "up offset": "a duration such as 5m",
    "up offset 5m offset 5m": "given twice",
    "up @": "a time in seconds",
    "up @ start": "'(' should stand here",
    "1 +": "the query ends here",
    "(1": "')' should stand here",
    "up}": "unexpected '}'",
    "§": "unexpected '§'",
    r'up{a="\q"}': "escape",
    "up[99999999999999y]": "too long",
    "up @ 1e300": "too long",
}


@pytest.mark.parametrize("query", WRONG)
def test_what_makes_no_sense_is_refused_with_its_place(query):
    with pytest.raises(BadInput, match="parse error") as caught:
        parse(query)
    assert WRONG[query] in caught.value.message


def test_a_query_nested_too_deep_is_refused():
    with pytest.raises(BadInput, match="nests deeper"):
        parse("(" * 2000 + "1" + ")" * 2000)


def test_a_match_takes_no_modifiers():
    assert parse_selector("up") == named("up")
    for text in ("up[5m]", "up offset 5m", "1"):
        with pytest.raises(BadInput, match="plain series selector"):
            parse_selector(text)


def test_a_duration_keeps_its_order_of_units():
    assert read_duration("1y2w3d4h5m6s7ms") == 33_019_506_007
    assert read_duration("5s1m") is None
    assert read_duration("") is None
    assert read_duration("5") is None


@settings(max_examples=300)
@given(st.text(alphabet='up{}[]()"=~!,0159mhs.+-*/^@ offsetbyNa\\`\n', max_size=60))
def test_any_text_is_read_or_refused(query):
    try:
        found = parse(query)
    except BadInput:
        return
    assert isinstance(found, Selector | float)
