"""One click in a real browser: it is called wrong, what that changes stands there, it is undone."""

from __future__ import annotations

import pytest

from twinhelm.aiops.records import put_forecast
from twinhelm.aiops.types import Forecast, Resource
from twinhelm.core.labels import labels_of

pytestmark = pytest.mark.peer("chromium")


def standing(house):
    return [one.answer for one in house.learning.answers() if one.state == "standing"]


def test_a_sign_is_called_wrong_with_a_reason_and_that_is_undone(browser_page, lit_house):
    page = browser_page.page
    browser_page.sign_in("ada")
    browser_page.open("/incidents/4")
    before = lit_house.learning.lessons()[1].document()
    page.fill("#why-answer", "the nightly <b>job</b>")
    page.locator("li.asked", has_text="shop_latency_seconds").locator("text=Wrong").click()
    page.locator("text=ada says wrong").wait_for()
    (made,) = standing(lit_house)
    assert (made.of, made.right, made.by) == ("anomaly", False, "ada")
    assert made.reason == "the nightly <b>job</b>"
    assert page.locator("text=it counts no more").count() > 0
    assert page.input_value("#why-answer") == ""
    page.locator("li", has_text="ada says wrong").locator("text=Undo").click()
    page.locator("text=ada says wrong").wait_for(state="detached")
    assert standing(lit_house) == []
    assert lit_house.learning.lessons()[1].document() == before
    assert browser_page.wrong == []


def test_a_suspect_is_called_right_and_the_page_of_answers_puts_it_in_force(
    browser_page, lit_house
):
    page = browser_page.page
    browser_page.sign_in("ada")
    browser_page.open("/incidents/2")
    page.locator("li.suspect").first.locator("text=Right").click()
    page.locator("text=ada says right").wait_for()
    browser_page.open("/feedback")
    page.locator("main td >> text=incident/2/cause/001").wait_for()
    assert browser_page.grave() == []
    page.locator("text=Put what suspect answers teach in force").click()
    page.locator("text=Sure?").click()
    page.locator("text=Every answer that stands is in force").wait_for()
    assert [one.applied for one in standing(lit_house)] == [True]
    page.locator("main td button", has_text="Undo").click()
    page.locator("main td >> text=undone").first.wait_for()
    page.locator("text=Nothing yet: everything is judged as it was delivered").wait_for()
    assert browser_page.wrong == []


def test_a_forecast_is_called_wrong_where_it_stands(browser_page, lit_house):
    page, now = browser_page.page, lit_house.clock.now_ms()
    labels = labels_of({"__name__": "host_filesystem_used_ratio", "host": "a"})
    day = 86_400_000
    with lit_house.journal.writing("test") as write:
        one = Forecast(0, labels, "host:a", Resource.DISK, 1.0, 0.9, now + day, now + 2 * day, None,
                       0.8, 0.5, "Disk of host a is full in two days")  # fmt: skip
        put_forecast(write, one, now)
    browser_page.sign_in("ada")
    browser_page.open("/capacity")
    page.locator("main tr", has_text="Disk of host a").locator("text=Wrong").click()
    page.locator("text=ada says wrong").wait_for()
    assert "forecast/0" in [each.about for each in standing(lit_house)]


def test_who_may_not_answer_is_told_so(browser_page, lit_house):
    page = browser_page.page
    browser_page.sign_in("vic")
    browser_page.open("/incidents/3")
    button = page.locator("li.suspect").first.locator("button", has_text="Wrong")
    assert button.is_disabled()
    assert "operator" in button.get_attribute("title")


def test_the_page_of_answers_asks_what_would_teach_most_and_then_the_next(browser_page, lit_house):
    page = browser_page.page
    browser_page.sign_in("ada")
    browser_page.open("/feedback")
    asked = lit_house.learning.question()
    card = page.locator("main .card", has_text="The next question that would teach most")
    assert asked.text in card.inner_text()
    assert f"incident {asked.incident}" in card.inner_text()
    page.fill("#why-answer", "the nightly job")
    card.locator("button", has_text="Wrong").click()
    page.locator("main tr", has_text="the nightly job").locator("text=Undo").wait_for()
    given = standing(lit_house)[0]
    assert (given.about, given.right, given.reason) == (asked.about, False, "the nightly job")
    following = lit_house.learning.question()
    assert following is None or following.about != asked.about
    card.locator("text=" + (following.text if following else "Nothing is left to ask")).wait_for()
    lit_house.learning.undo(given.id, by="ada")
    assert browser_page.wrong == []
