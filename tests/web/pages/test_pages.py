"""Every page in a real browser: it stands, stays inside, shows hostile text as text."""

from __future__ import annotations

import pytest

from peers.lab import argv_of
from twinhelm.aiops.records import incident_ref, put_claims, put_edge, put_incident
from twinhelm.aiops.types import Incident, IncidentState
from twinhelm.app.lab import Lab
from twinhelm.app.tour import Step, Tour
from twinhelm.core.claims import Claim, Evidence
from twinhelm.core.entities import Edge
from twinhelm.core.roles import Role
from twinhelm.events.kinds.machines import IncidentOpened
from twinhelm.web.pages.app import PAGES

pytestmark = pytest.mark.peer("chromium")

OTHERS = ("/products", "/approvals", "/repairs/", "/runbooks/")
PATHS = [path.replace("{incident_id}", "1") for path in PAGES if not path.startswith(OTHERS)]
"""Those of models and of one repair or runbook have tests of their own."""
FOUND = ["/series?q=shop_latency_seconds", "/logs?q=&contains=broke"]
NUMBER = 77
MAIN = ["/", "/incidents", "/incidents/1", "/series?q=shop_latency_seconds", "/audit"]
"""Those looked at for faults of accessibility."""
CHECKOUT, GATEWAY = "service:shop/checkout", "service:shop/gateway"


@pytest.mark.parametrize("path", [*PATHS, *FOUND])
def test_a_page_stands_without_a_word_in_the_console_and_asks_no_other_address(browser_page, path):
    answer = browser_page.open(path)
    assert answer.status == 200
    assert browser_page.page.locator("h1").inner_text()
    assert browser_page.page.evaluate("window.harmed") is None
    assert browser_page.page.locator("img[src=x]").count() == 0
    assert browser_page.page.evaluate("document.documentElement.scrollWidth") <= 1440
    assert browser_page.page.evaluate("document.documentElement.dataset.theme") == "light"
    assert browser_page.wrong == []
    if path in MAIN:
        assert browser_page.grave() == []


def test_hostile_labels_lines_and_titles_are_shown_as_text(browser_page):
    page = browser_page.page
    browser_page.open("/incidents/1")
    assert "onerror=" in page.locator("h1").inner_text()
    browser_page.open("/logs")
    assert "it broke </script><img" in page.locator(".loglines .body").first.inner_text()
    browser_page.open("/series?q=shop_latency_seconds")
    page.locator(".chart-canvas").first.hover()
    page.locator(".chart-tip").first.wait_for(state="attached")
    assert page.evaluate("window.harmed") is None
    assert browser_page.wrong == []


@pytest.mark.parametrize("path", [*PATHS, *FOUND])
def test_a_page_stands_on_a_telephone_and_in_the_dark(browser_page, path):
    page = browser_page.page
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 900})
    browser_page.open(path)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if path in MAIN:
        page.set_viewport_size({"width": 1440, "height": 900})
        assert browser_page.grave() == []


def test_acknowledge_comment_and_resolve_through_the_page(browser_page, lit_house):
    page = browser_page.page
    browser_page.sign_in("ada")
    browser_page.open("/incidents/2")
    page.click("main [data-opens=dialog-take]")
    page.click("dialog[open] button.primary")
    page.locator("text=Owner: ada").wait_for()
    assert lit_house.desk.file(2).incident.state is IncidentState.ACKNOWLEDGED
    page.click("main [data-opens=dialog-remark]")
    page.fill("dialog[open] textarea", "looking at the cache")
    page.click("dialog[open] button.primary")
    page.locator(".timeline >> text=looking at the cache").wait_for()
    page.click("main [data-opens=dialog-close]")
    page.fill("dialog[open] textarea", "rolled back")
    page.click("dialog[open] button.primary")
    page.locator(".chip.green >> text=resolved").wait_for()
    resolved = lit_house.desk.file(2)
    assert resolved.incident.state is IncidentState.RESOLVED
    assert any("rolled back" in entry.text and entry.who == "ada" for entry in resolved.timeline)
    assert page.locator("main [data-opens=dialog-close]").is_disabled()
    assert browser_page.wrong == []


def test_nobody_acts_without_signing_in_and_a_viewer_never(browser_page, lit_house):
    page = browser_page.page
    browser_page.open("/incidents/3")
    assert page.locator("main [data-opens=dialog-take]").is_disabled()
    assert page.locator("text=Sign in first").count() >= 1
    browser_page.sign_in("vic")
    browser_page.open("/incidents/3")
    assert "operator" in page.locator("main [data-opens=dialog-take]").get_attribute("title")
    # The browser is not what keeps anybody out: a press on the hidden dialog is refused too.
    page.evaluate("document.querySelector('#dialog-take button.primary').click()")
    page.locator("#dialog-take >> text=may not do this").wait_for(state="attached")
    assert lit_house.desk.file(3).incident.state is IncidentState.OPEN


def test_a_right_taken_away_counts_on_a_page_that_is_open(browser_page, lit_house):
    page = browser_page.page
    lit_house.identities.add_person("olga", [Role.OPERATOR], "correct horse battery", "test")
    browser_page.sign_in("olga")
    browser_page.open("/incidents/4")
    lit_house.identities.set_roles("olga", [Role.VIEWER], "test")
    page.click("main [data-opens=dialog-take]")
    page.click("dialog[open] button.primary")
    page.locator("dialog[open] >> text=may not do this").wait_for()
    assert lit_house.desk.file(4).incident.state is IncidentState.OPEN


def test_what_is_not_there_is_answered_so(browser_page):
    assert browser_page.page.goto(browser_page.base + "/incidents/999").status == 404
    assert "no incident 999" in browser_page.page.locator("#content").inner_text()


def test_older_incidents_are_a_press_away(browser_page, monkeypatch):
    monkeypatch.setattr("twinhelm.web.pages.incident.PAGE", 3)
    page = browser_page.page
    browser_page.open("/incidents")
    first = page.locator("main tbody tr td:first-child")
    assert first.all_inner_texts() == ["#4", "#3", "#2"]
    page.click("text=Show older")
    page.wait_for_url("**/incidents?before=2")
    page.locator("main tbody >> text=#1").wait_for()
    assert first.all_inner_texts() == ["#1"]
    assert page.locator("text=Show older").count() == 0
    page.click("text=Show the newest")
    page.locator("main tbody >> text=#4").wait_for()
    assert browser_page.wrong == []


def test_each_setting_says_what_set_it(browser_page, lit_house):
    browser_page.open("/settings")
    row = browser_page.page.locator("tr", has_text="host.enabled")
    assert row.locator("td").nth(2).inner_text() == "flag"
    row = browser_page.page.locator("tr", has_text="server.listen")
    assert row.locator("td").nth(2).inner_text() == "default"


def test_the_palette_leads_to_pages_metrics_and_incidents(browser_page):
    page = browser_page.page
    browser_page.open("/")
    page.keyboard.press("/")
    page.keyboard.type("latency")
    page.locator("#palette li >> text=shop_latency_seconds").wait_for()
    page.fill("#palette input", "2")
    page.locator("#palette li >> text=Incident 2").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/incidents/2")


def test_a_value_changes_in_place_without_a_reload(browser_page, lit_house):
    page = browser_page.page
    browser_page.open("/incidents?state=open")
    page.evaluate("window.stayed = true")
    before = page.locator("main tbody tr").count()
    number = before and lit_house.desk.incidents(states=[IncidentState.OPEN])[0].id
    lit_house.desk.acknowledge(number, by="test")
    page.wait_for_function(f"document.querySelectorAll('main tbody tr').length < {before}")
    assert page.evaluate("window.stayed")


def test_an_admin_adds_and_removes_people_and_tokens(browser_page, lit_house):
    page = browser_page.page
    browser_page.sign_in("ada")
    browser_page.open("/settings")
    page.fill("#new-token", "grafana")
    page.click("button:has-text('Add token')")
    page.locator("#tokens .notice code").wait_for()
    secret = page.locator("#tokens .notice code").inner_text()
    assert lit_house.identities.resolve_token(secret).roles == {Role.VIEWER}
    page.click("[aria-label='Revoke grafana']")
    page.click("text=Sure? Revoke")
    page.locator("text=No tokens yet").wait_for()
    assert lit_house.identities.tokens() == []


def test_a_page_of_a_session_that_ended_shows_nothing_new(browser_page, lit_house):
    page = browser_page.page
    lit_house.identities.add_person("eve", [Role.VIEWER], "correct horse battery", "test")
    browser_page.sign_in("eve")
    browser_page.open("/incidents")
    lit_house.identities.remove_person("eve", "test")
    page.locator("text=Your session has ended").first.wait_for()


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
    assert "Quiet" in page.locator(".tour-rail [aria-current=step]").inner_text()
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
    assert browser_page.grave() == []
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert browser_page.wrong == []
