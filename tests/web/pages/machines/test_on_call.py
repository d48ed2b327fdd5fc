"""The pages of those who are called, in a real browser."""

from __future__ import annotations

import pytest

from peers.plans import everything, hook, rota
from peers.receivers import Endpoint
from twinhelm.events.kinds.machines import (
    IncidentAcknowledged,
    IncidentOpened,
    IncidentReopened,
    IncidentResolved,
)
from web.pages.conftest import HOSTILE

pytestmark = pytest.mark.peer("chromium")

PLAN = """
zone = "Europe/Berlin"
[[people]]
name = "ada"
channels = ["hook"]
"""
PLAN += rota("2020-01-06", "ada") + everything("rota:primary")


@pytest.fixture
def told(lit_house, monkeypatch):
    """A house whose plan leads to a receiver, and that told of one hostile incident."""
    with Endpoint() as end:
        monkeypatch.setenv("TWINHELM_SECRET_HOOK", "whsec_c2VjcmV0")
        file = lit_house.settings.data / "notify.toml"
        file.write_text(PLAN + hook(end.url))
        lit_house.notices.desk.walk()
        with lit_house.journal.writing("twinhelm") as write:
            for _ in range(4):
                write.event(IncidentOpened(1, HOSTILE, "critical", (f"service:{HOSTILE}",)))
            write.event(IncidentReopened(1, HOSTILE, 1))
            write.event(IncidentAcknowledged(1, "ada"))
            write.event(IncidentResolved(1, "the signs ended"))
        assert lit_house.notices.desk.walk() > 0
        yield lit_house
        file.unlink()
        lit_house.notices.desk.read()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("path", ["/on-call", "/alert-quality", "/alert-quality?days=7"])
def test_the_pages_of_a_house_that_told_stand_and_show_text_as_text(
    browser_page, told, path, width
):
    page = browser_page.page
    page.set_viewport_size({"width": width, "height": 900})
    browser_page.open(path)
    assert page.evaluate("window.harmed") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert browser_page.grave() == []
    assert browser_page.wrong == []
    text = page.locator("#content").inner_text()
    assert ("primary" in text) if path == "/on-call" else ("Noisiest rules" in text)


def test_without_a_plan_the_page_says_how_to_begin(browser_page):
    browser_page.open("/on-call")
    text = browser_page.page.locator("#content").inner_text()
    assert "Nobody is told anything yet" in text
    assert "[[channels]]" in text


def test_a_window_is_planned_and_ended_and_a_channel_tried_on_the_page(browser_page, told):
    page = browser_page.page
    browser_page.sign_in("ada")
    browser_page.open("/on-call")
    page.click("text=Expect trouble: a maintenance window")
    page.fill("#window", "service:shop/*\nupgrade of the shop")
    for _ in range(2):  # a second press confirms
        page.click("text=Plan 4 hours")
    page.locator("td", has_text="upgrade of the shop").wait_for()
    (window,) = told.notices.maintenance.all()
    assert (window.by, window.entities) == ("ada", ("service:shop/*",))
    assert window.start_ms <= told.clock.now_ms()
    tomorrow = page.evaluate("new Date(Date.now() + 864e5).toLocaleDateString('sv')")
    page.fill("main input[type=datetime-local]", f"{tomorrow}T03:30:00")
    page.fill("#window", "service:bank/*\nthe night after")
    for _ in range(2):
        page.click("text=Plan 12 hours")
    page.locator("td", has_text="the night after").wait_for()
    later = next(one for one in told.notices.maintenance.all() if one.reason == "the night after")
    local = page.evaluate(f"new Date({later.start_ms}).toLocaleString('sv')")
    assert local == f"{tomorrow} 03:30:00"
    told.notices.maintenance.end(later.id, by="ada")
    page.locator("tr", has_text="the night after").locator("text=End it").wait_for(state="detached")
    for _ in range(2):
        page.click("text=Send a test")
    page.locator("text=hook took it").wait_for()
    for _ in range(2):
        page.click("text=End it")
    page.locator("text=End it").wait_for(state="detached")
    assert told.notices.maintenance.expected(("service:shop/a",), told.clock.now_ms()) == ""


def test_a_viewer_may_look_and_change_nothing(browser_page, told):
    browser_page.sign_in("vic")
    browser_page.open("/on-call")
    assert browser_page.page.locator("text=Send a test").first.is_disabled()
