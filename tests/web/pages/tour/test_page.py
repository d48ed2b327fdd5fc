"""The tour in a real browser, on a stand-in of the lab: each step is shown, and can be hurried."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from peers.lab import argv_of
from twinhelm.aiops.records import incident_ref, put_claims, put_edge, put_incident
from twinhelm.aiops.types import Incident, IncidentState
from twinhelm.app.lab import Lab
from twinhelm.app.tour import Step, Tour
from twinhelm.core.claims import Claim, Evidence
from twinhelm.core.entities import Edge
from twinhelm.events.kinds import IncidentOpened

pytestmark = pytest.mark.peer("chromium")

NUMBER = 77
CHECKOUT, GATEWAY = "service:shop/checkout", "service:shop/gateway"


@pytest.fixture
def told(lit_house, tmp_path):
    """A tour on the house; nothing of an earlier test lasts in it."""
    house = lit_house
    for one in house.desk.incidents():
        if one.state is not IncidentState.RESOLVED:
            house.desk.resolve(one.id, by="test")
    lab = Lab(tmp_path / "lab", "", argv=argv_of(tmp_path / "lab"))
    house.tour = Tour(lab, house.desk, house.journal, house.clock)
    house.tour.start()
    yield house.tour
    house.tour.stop()
    house.tour = None


def raise_incident(house, state=IncidentState.OPEN):
    now = house.clock.now_ms()
    over = now if state is IncidentState.RESOLVED else None
    places = (CHECKOUT, GATEWAY)
    made = Incident(NUMBER, state, "orders of checkout fail", "critical", places, now, now, over)
    with house.journal.writing("twinhelm") as write:
        put_incident(write, made)
        put_edge(write, Edge(GATEWAY, CHECKOUT, "calls", "traces", 0.9, now))
        if state is IncidentState.OPEN:
            write.event(IncidentOpened(NUMBER, made.title, made.severity, places, (), ()))


def blame(house):
    claim = Claim(
        *(f"incident/{NUMBER}/cause/001", "cause", CHECKOUT, "deploy of checkout 2.1.0", 0.82),
        *("suspects/1", house.clock.now_ms(), (Evidence("29 % of orders fail", 0.8),)),
    )
    with house.journal.writing("twinhelm") as write:
        put_claims(write, incident_ref(NUMBER), "cause", (claim,))


def now_on(page):
    return page.locator(".tour-rail [aria-current=step]")


def test_without_a_lab_it_says_how_to_start_one(browser_page):
    browser_page.open("/tour")
    assert "twinhelm up --lab" in browser_page.page.locator("#content").inner_text()
    assert browser_page.page.locator(".rail a[href='/tour']").count() == 0
    assert browser_page.wrong == []


def test_the_story_is_told_step_by_step_and_hurried(browser_page, lit_house, told):
    page = browser_page.page
    browser_page.sign_in("ada")
    browser_page.page.locator("#content a[href='/tour']").click()
    page.locator("text=All is quiet in the shop").wait_for()
    assert "Quiet" in now_on(page).inner_text()
    assert page.locator(".rail a[href='/tour'][aria-current=page]").count() == 1
    page.select_option("#tour-fault", label="checkout 2.1.0 fails three orders in ten")
    page.click("button:has-text('Break it')")
    page.locator(".lead >> text=Checkout 2.1.0 fails three orders in ten").wait_for()
    assert told.story.told[0][1].endswith("(ada)")
    assert page.locator("button:has-text('Break it')").is_disabled()
    raise_incident(lit_house)
    page.locator(".lead >> text=twinhelm opened incident 77").wait_for()
    assert page.locator("#content a:has-text('orders of checkout fail')").count() == 1
    blame(lit_house)
    page.locator("h3:has-text('deploy of checkout 2.1.0')").wait_for()
    assert page.locator(".chip.green:has-text('right')").count() == 1
    assert page.locator(".map li.red:has-text('checkout')").count() == 1
    page.reload()
    page.click("button:has-text('Roll back checkout to 2.0.3')")
    page.locator("text=after a quiet minute").wait_for()
    assert told.story.repaired_by == "ada"
    raise_incident(lit_house, IncidentState.RESOLVED)
    page.locator(".lead >> text=All is well again").wait_for()
    assert page.locator(".tour-moments li").count() == 5
    page.click("button:has-text('Tell it again')")
    page.locator("text=All is quiet in the shop").wait_for()
    assert browser_page.wrong == []


def test_who_has_not_signed_in_watches_and_is_told_what_it_needs(browser_page, told):
    page = browser_page.page
    browser_page.open("/tour")
    page.locator("text=All is quiet in the shop").wait_for()
    assert page.locator("button:has-text('Break it')").is_disabled()
    assert page.locator("#content >> text=Sign in first").count() == 1
    # The browser is not what keeps anybody out.
    page.locator("button:has-text('Break it')").evaluate("one => one.disabled = false")
    page.click("button:has-text('Break it')")
    page.locator(".notice.failed").wait_for()
    assert told.story.step is Step.QUIET


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_by_everybody_and_on_a_telephone(browser_page, lit_house, told, scheme):
    page = browser_page.page
    page.emulate_media(color_scheme=scheme)
    browser_page.sign_in("ada")
    browser_page.open("/tour")
    page.locator("text=All is quiet in the shop").wait_for()
    told.break_("deploy_errors", by="test")
    raise_incident(lit_house)
    blame(lit_house)
    page.locator("h3:has-text('deploy of checkout 2.1.0')").wait_for()
    found = Axe().run(page).response["violations"]
    grave = [each for each in found if each["impact"] in {"serious", "critical"}]
    assert [(each["id"], [n["html"][:200] for n in each["nodes"]]) for each in grave] == []
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert browser_page.wrong == []
