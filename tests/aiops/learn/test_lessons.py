"""What answers teach is a function of those that stand, and of nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinhelm.aiops.learn import Lessons, learn, next_question, try_out
from twinhelm.aiops.types import Answer, Deviation

FACTS = {"series": "1", "kin": "latency", "way": "up", "size": 2.0, "surprise": 0.6,
         "lasted_s": 100.0, "hour": 20}  # fmt: skip


def answer(id_=1, *, right=False, applied=False, of="anomaly", facts=None, **more):
    told = FACTS | more if facts is None else facts
    return Answer(id_, of, f"{of}/{id_}", right, "", "ann", id_, told, applied)


def like(**more):
    return Deviation(**FACTS | more)


def test_nobody_said_anything_and_nothing_changes():
    assert learn([]) == Lessons()
    assert learn([]).quiet(like()) == ()
    assert learn([]).factor("suspect", {"kind": "cpu"}) == 1.0
    assert learn([]).version("anomaly") == ""


def test_what_was_called_wrong_counts_no_more_and_what_is_larger_does():
    lessons = learn([answer()])
    assert lessons.quiet(like()) == (1,)
    for more in ({"size": 4.0}, {"surprise": 0.99}, {"lasted_s": 3600.0}, {"way": "down"},
                 {"series": "2"}):  # fmt: skip
        assert lessons.quiet(like(**more)) == (), more


def test_at_the_same_hour_it_may_be_larger_on_any_day():
    lessons = learn([answer()])
    assert lessons.quiet(like(size=2.8, hour=20 + 48)) == (1,)
    assert lessons.quiet(like(size=2.8, hour=30)) == ()


def test_what_was_called_right_counts_whatever_else_was_said():
    lessons = learn([answer(1), answer(2, right=True, size=2.2)])
    assert lessons.quiet(like(size=2.1)) == (1,)
    assert lessons.quiet(like(size=2.2)) == ()


def test_two_series_of_a_kin_speak_of_all_of_it_below_what_was_right():
    wrong = [answer(1, series="1"), answer(2, series="2", size=3.0)]
    assert learn(wrong[:1]).quiet(like(series="9", size=1.0)) == ()
    assert learn(wrong).quiet(like(series="9", size=1.5)) == (1, 2)
    assert learn(wrong).quiet(like(series="9", size=1.6)) == ()
    spared = [*wrong, answer(3, series="3", right=True, size=2.5)]
    assert learn(spared).quiet(like(series="9", size=1.0)) == ()


def test_four_series_speak_of_everything_only_where_something_right_bounds_it():
    wrong = [answer(n, series=str(n), kin=f"kin{n}") for n in (1, 2, 3, 4)]
    assert learn(wrong).quiet(like(series="9", kin="other", size=1.0)) == ()
    bounded = [*wrong, answer(5, series="5", kin="kin5", right=True, size=5.0)]
    assert learn(bounded).quiet(like(series="9", kin="other", size=1.4)) == (1, 2, 3, 4)
    assert learn(bounded).quiet(like(series="9", kin="other", size=1.5)) == ()


def test_less_surprise_is_enough_from_a_size_that_nearly_all_right_ones_had():
    right = [answer(n, right=True, size=float(n)) for n in (3, 4, 5)]
    assert learn(right).sooner() == float("inf")
    assert learn([*right, answer(9)]).sooner() == 3.0
    assert learn([*right[:2], answer(9)]).sooner() == float("inf")


@pytest.mark.parametrize(
    ("of", "one", "alike"),
    [
        ("suspect", {"kind": "cpu", "indicator": "x", "entity": "a"}, {"entity": "b"}),
        ("forecast", {"series": "1", "metric": "disk"}, {"series": "2"}),
        ("grouping", {"one": "a of x", "other": "b of y", "metric": "a", "other_metric": "b"},
         {"one": "a of z"}),
    ],
)  # fmt: skip
def test_beliefs_move_with_answers_and_reach_their_kin_after_two(of, one, alike):
    other, third = one | alike, one | dict.fromkeys(alike, "c")
    once = learn([answer(1, of=of, facts=one)])
    assert once.factor(of, one) == 0.5
    assert once.factor(of, other) == 1.0
    twice = learn([answer(1, of=of, facts=one), answer(2, of=of, facts=other)])
    assert twice.factor(of, third) == 0.5
    assert learn([answer(1, of=of, facts=one, right=True)]).factor(of, one) == 2.0


numbers = st.floats(0.0, 50.0)
answers = st.builds(
    lambda of, right, size, series, kin, hour: (of, right, size, series, kin, hour),
    st.sampled_from(["anomaly", "suspect", "forecast", "grouping", "action"]),
    st.booleans(), numbers, st.sampled_from("123"), st.sampled_from("ab"), st.integers(0, 335),
)  # fmt: skip


def made(number, told):
    of, right, size, series, kin, hour = told
    facts = FACTS | {"series": series, "kin": kin, "size": size, "hour": hour}
    if of != "anomaly":
        facts = {"series": series, "metric": kin, "kind": kin, "indicator": kin, "entity": series,
                 "one": series, "other": kin, "other_metric": kin}  # fmt: skip
    return answer(number, of=of, right=right, facts=facts)


@given(st.lists(answers, max_size=12), answers, st.lists(answers, max_size=6))
def test_an_undone_click_leaves_the_very_bytes_that_would_be_without_it(before, click, after):
    others = [made(n, told) for n, told in enumerate([*before, *after], 1)]
    clicked = [*others, made(99, click)]
    assert learn(one for one in clicked if one.id != 99).document() == learn(others).document()
    assert learn(reversed(clicked)).document() == learn(clicked).document()


@given(st.lists(answers, max_size=12))
def test_what_was_called_right_is_never_silenced_by_anything(told):
    given_ = [made(n, each) for n, each in enumerate(told, 1)]
    lessons = learn(given_)
    for one in given_:
        if one.of == "anomaly" and one.right:
            assert lessons.holds("anomaly", one.facts)


def test_a_trial_passes_where_wrong_ones_go_and_no_right_one_is_lost():
    wrong, right = answer(1), answer(2, right=True, size=9.0)
    trial = try_out("anomaly", [wrong, right], {})
    assert (trial.wrong_before, trial.wrong_after) == (1, 0)
    assert (trial.right_before, trial.right_after) == (1, 1)
    assert trial.passed


def test_a_right_answer_does_not_vouch_for_itself():
    trial = try_out("anomaly", [answer(1), answer(2, right=True, size=1.9)], {})
    assert trial.lost == ("anomaly/2",)
    assert not trial.passed


def test_what_people_took_up_counts_as_right_unless_they_said_otherwise():
    taken = {"anomaly/7": FACTS}
    assert try_out("anomaly", [answer(1)], taken).lost == ("anomaly/7",)
    assert try_out("anomaly", [answer(7)], taken).passed


def test_what_is_in_force_already_cuts_nothing_more():
    assert not try_out("anomaly", [answer(1, applied=True)], {}).passed


def test_each_kind_has_a_version_of_its_own():
    lessons = learn([answer(1)])
    assert len(lessons.version("anomaly")) == 8
    assert lessons.version("suspect") == ""
    assert lessons.version("anomaly") != learn([answer(1, size=3.0)]).version("anomaly")


def test_what_repeats_on_one_series_is_asked_about_first_and_nothing_twice():
    rare = like(series="rare", size=9.0)
    often = [like(series="often", size=1.0 + n / 100) for n in range(5)]
    seen = [rare, *often]
    assert next_question(seen, {}) == 1  # its "wrong" would silence all five
    said = {}
    while (at := next_question(seen, said)) is not None:
        assert at not in said
        said[at] = at == 0
    assert said.keys() == set(range(6))
    assert next_question([], {}) is None
