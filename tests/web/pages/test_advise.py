"""The pages of advice and of the assessment, in a real browser."""

from __future__ import annotations

import csv
import io

import pytest

from twinhelm.aiops.collect.development import decode_chores
from web.pages.conftest import HOSTILE

pytestmark = pytest.mark.peer("chromium")


@pytest.fixture
def advised(lit_house):
    """A house that knows of work by hand, told in the worst of words."""
    now_s = lit_house.clock.now_ms() // 1000
    table = io.StringIO()
    rows = [(now_s - day * 86_400, "ann", "admin-1", f"unlock {HOSTILE}") for day in range(1, 9)]
    csv.writer(table).writerows([("time", "user", "host", "command"), *rows])
    told = decode_chores(table.getvalue().encode())
    lit_house.intake.take(told, door="chores", tenant="default")
    lit_house.advice.desk.look()
    return lit_house


def test_advice_is_shown_with_its_evidence_and_dismissed_with_a_reason(browser_page, advised):
    page = browser_page.page
    browser_page.sign_in("ada")
    browser_page.open("/advise")
    card = page.locator("section[data-key]").first
    assert "8 times by hand" in card.locator("h2").inner_text()
    card.locator("summary", has_text="Open the draft").click()
    assert "[runbook]" in card.locator("pre").inner_text()
    card.locator("summary", has_text="See evidence").click()
    assert "8 times on 8 days" in card.inner_text()
    card.locator("button", has_text="Dismiss").click()
    page.locator("[role=alert]", has_text="why it is dismissed").wait_for()
    card.locator("input").fill("the tool goes away")
    card.locator("button", has_text="Dismiss").click()
    page.locator("text=ada dismissed it: the tool goes away").wait_for()
    page.locator("button", has_text="Hear of it again").click()
    page.locator("section[data-key] input").wait_for()
    assert page.evaluate("window.harmed") is None
    assert browser_page.grave() == []
    assert browser_page.wrong == []


def test_an_assessment_is_answered_and_kept(browser_page, advised):
    page = browser_page.page
    browser_page.sign_in("ada")
    browser_page.open("/advise/assessment")
    page.locator("select[name=blame]").select_option("3")
    page.locator("button", has_text="Keep this assessment").click()
    page.locator("td", has_text="ada").wait_for()
    kept = advised.advice.assessments.saved()[0]
    blame = next(one for one in kept.answers if one.name == "blame")
    assert (blame.level, blame.by) == (3, "ada")
    assert browser_page.grave() == []
    assert browser_page.wrong == []


def test_who_may_not_dismiss_is_told_why(browser_page, advised):
    browser_page.sign_in("vic")
    browser_page.open("/advise")
    button = browser_page.page.locator("button", has_text="Dismiss").first
    assert button.is_disabled()
    assert "operator" in button.get_attribute("title")
