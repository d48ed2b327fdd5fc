"""Pages of automation on flows in memory: what each reader finds, and what each may do."""

from __future__ import annotations

import pytest

from peers.runbooks import RESTART
from twinhelm.aiops.automate.repair import RepairState
from twinhelm.aiops.automate.runbook import Level
from twinhelm.aiops.flow.repairs.standing import past_of
from twinhelm.core.roles import Role
from web.conftest import memory_house
from web.mending import blamed, calmed, mending
from web.wing import wing

HOSTILE = '</script><img src=x onerror="window.harmed=1"><b>${window.harmed=1}</b>`\'"{{harmed}}'
PASSWORD = "correct horse battery"
PEOPLE = {"olga": Role.OPERATOR, "grace": Role.APPROVER, "eve": Role.APPROVER, "vic": Role.VIEWER}
SHOP = RESTART.replace("service:[a-z/-]+", "service:shop/[a-z-]+")
OTHER = RESTART.replace('"restart"', '"other"').replace('["memory"]', '["disk"]')
RISKY = RESTART.replace('"restart"', '"risky"').replace("service:[a-z/-]+", "service:bank/.+")
RISKY = RISKY.replace("bank/.+", "bank/[a-z]+").replace("[when]", "dangerous = true\n[when]")
POLICY = """\
[limits]
per_hour = 7
[autonomy]
environments = { production = "ask" }
[[freezes]]
name = "the night of the year"
begins = 2000-01-01T00:00:00Z
ends = 2000-01-02T00:00:00Z
"""
PAGES = ["/incidents/1", "/incidents/2", "/repairs", "/repairs?state=waiting", "/repairs/1-1",
         "/runbooks", "/runbooks/restart", "/runbooks/restart?incident=1",
         "/runbooks/restart?past=1", "/runbooks/_new", "/runbooks/_new?from=restart",
         "/runbooks/_new?incident=1"]  # fmt: skip


@pytest.fixture(scope="module")
def lit_house(tmp_path_factory):
    """A house with runbooks, a policy, an incident with a request, and one that nothing is for."""
    folder = tmp_path_factory.mktemp("runbooks")
    (folder / "policy.toml").write_text(POLICY)
    (folder / "broken.toml").write_text('[runbook]\nname = "broken"\n')
    house = memory_house()
    house.host = None
    house.repairs = mending(house, folder=folder)
    house.models = wing(house, tmp_path_factory.mktemp("wing"))
    books = house.repairs.books
    books.look()
    house.repairs.follower.look()
    for name, role in PEOPLE.items():
        house.identities.add_person(name, [role], PASSWORD, "test")
    for text in (SHOP, SHOP.replace("300", "200"), OTHER, RISKY):
        books.add(text, source="api", by="olga")
    blamed(house, 1, title=f"memory grows {HOSTILE}")
    blamed(house, 2, "host:web", title="a host nobody wrote a runbook for")
    yield house
    house.repairs.doer.hangs = False
    house.repairs.workflows.close()
    house.models.workflows.close()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_sent_whole(read, path):
    status, text = read(path)
    assert status == 200
    assert "<img src=x" not in text


@pytest.mark.parametrize("path", [
    "/repairs/9-9", "/repairs/none", "/runbooks/none", "/runbooks/.x", "/runbooks/_new?from=none",
    "/runbooks/_new?incident=99",
])  # fmt: skip
def test_what_is_not_there_is_answered_so(read, path):
    assert read(path)[0] == 404


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/incidents/1", ["Do: stop cart.", "Undo: Do: start cart as", "Before: Do: is cart there",
                          "It touches", "One person of the role admin or approver", "Why this one",
                          "Sign in first", "the signs have ended within 200 s"]),
        ("/incidents/2", ["No runbook is for this incident", "/runbooks/_new?incident=2",
                          "Why not?", "The suspect is host:web"]),
        ("/repairs", ["All 1", "Waiting for people 1", "/repairs/1-1", "asked"]),
        ("/runbooks", ["page or API", "0 verified in a row", "broken.toml is not taken",
                       "never", "Begun within an hour", "the night of the year",
                       "a runbook may ask at most"]),
        ("/runbooks/restart", ["within_s = 200", "-within_s = 300", "+within_s = 200", "Version 2",
                               "1-1", "Act and tell"]),
        ("/runbooks/restart?incident=1", ["It fits, and", "Do: stop cart."]),
        ("/runbooks/restart?incident=2", ["It is not for this incident"]),
        ("/runbooks/restart?past=1", ["Of the 2 newest incidents it would have been for 1"]),
        ("/runbooks/_new", ["It is sound", "my-runbook"]),
        ("/runbooks/_new?from=restart", ["It is sound", "within_s = 200"]),
        ("/runbooks/_new?incident=1", ["It is sound", "repair-shop-cart", "service:shop/cart"]),
        ("/runbooks/_new?text=%5Brunbook", ["to mend", "Line 1, column"]),
    ],
)  # fmt: skip
def test_a_page_says_what_its_readers_come_for(read, path, says):
    _, text = read(path)
    assert [each for each in says if each not in text] == []


def test_a_text_too_long_for_an_address_is_refused_with_the_way_out(read):
    status, text = read(f"/runbooks/_new?text={'x' * 16_001}")
    assert status == 413
    assert "paste it" in text


def test_what_waits_stands_on_the_overview_and_beside_the_other_approvals(read):
    assert "restart for incident 1 waits for an answer" in read("/")[1]
    assert "/repairs?state=waiting" in read("/approvals")[1]


@pytest.mark.peer("chromium")
class TestInABrowser:
    """What only a browser shows."""

    @pytest.mark.parametrize("path", PAGES)
    def test_a_page_stands_without_a_word_in_the_console(self, browser_page, path):
        assert browser_page.open(path).status == 200
        page = browser_page.page
        assert page.locator("h1").inner_text()
        assert page.evaluate("window.harmed") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= 1440
        assert browser_page.wrong == []
        assert browser_page.grave() == []

    @pytest.mark.parametrize("path", PAGES)
    def test_a_page_stands_on_a_telephone_and_in_the_dark(self, browser_page, path):
        page = browser_page.page
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 390, "height": 900})
        browser_page.open(path)
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.set_viewport_size({"width": 1440, "height": 900})
        assert browser_page.grave() == []

    def test_two_people_agree_and_others_read_why_they_may_not(self, browser_page, lit_house):
        page, repairs = browser_page.page, lit_house.repairs
        blamed(lit_house, 3, "service:bank/ledger", title="the ledger's memory grows")
        assert repairs.desk.get("3-1").needs == 2
        browser_page.sign_in("vic")
        browser_page.open("/incidents/3")
        approve = page.locator("#repairs button:has-text('Approve')")
        assert approve.is_disabled()
        assert "approver" in approve.get_attribute("title")
        for name, left in (("grace", "another person"), ("eve", "")):
            page.context.clear_cookies()
            browser_page.sign_in(name)
            browser_page.open("/incidents/3")
            approve.click()
            page.locator("#repairs >> text=Sure?").click()
            page.locator(f"#repairs >> text={name}: agreed").wait_for()
            if left:
                page.locator(f"#repairs >> text={left}").first.wait_for()
                page.locator("#repairs >> text=you have answered already").first.wait_for()
                assert approve.is_disabled()
        page.locator("#repairs >> text=verifying").first.wait_for()
        calmed(lit_house, 3)
        page.locator("#repairs >> text=It helped: the signs have ended").wait_for()
        page.locator("#repairs >> text=Time to repair").wait_for()
        repair = repairs.desk.get("3-1")
        assert repair.state is RepairState.VERIFIED
        assert [each.by for each in repair.answers] == ["grace", "eve"]
        assert page.locator("#repairs button:has-text('It was wrong')").is_disabled()
        page.context.clear_cookies()
        browser_page.sign_in("olga")
        browser_page.open("/repairs/3-1")
        page.fill("#why-answer", "the ledger was slow for an hour")
        page.click("main button:has-text('It was wrong')")
        page.locator("main >> text=olga says wrong: the ledger was slow for an hour").wait_for()
        with lit_house.records.reading() as unit:
            assert past_of(unit).spoken == {"3-1": False}
        page.click("main button:has-text('Undo')")
        page.locator("main button:has-text('It was wrong')").wait_for()
        assert browser_page.wrong == []

    def test_a_refusal_asks_for_its_reason_and_keeps_the_note(self, browser_page, lit_house):
        page = browser_page.page
        blamed(lit_house, 4, "service:bank/till", title="the till's memory grows")
        browser_page.sign_in("grace")
        browser_page.open("/repairs/4-1")
        refuse = page.locator("main button:has-text('Refuse')")
        refuse.click()
        page.locator("main >> text=Sure?").click()
        page.locator("main >> text=nothing says why it is refused").or_(
            page.locator("main >> text=Nothing says why it is refused")
        ).wait_for()
        page.fill("main input#say-4-1", "not on a Friday")
        refuse.click()
        page.locator("main >> text=Sure?").click()
        page.locator("main >> text=Grace: not on a Friday").first.wait_for()
        assert lit_house.repairs.desk.get("4-1").reason == "grace: not on a Friday"
        assert browser_page.wrong == []

    def test_the_stop_switch_halts_what_runs_and_every_page_says_so(self, browser_page, lit_house):
        page, repairs = browser_page.page, lit_house.repairs
        repairs.doer.hangs = True
        repairs.doer.begun.clear()
        try:
            blamed(lit_house, 5, "service:shop/mail", title="the mail's memory grows")
            repairs.desk.answer("5-1", agrees=True, note="", by="grace", roles=[Role.APPROVER])
            assert repairs.doer.begun.wait(10)
            browser_page.sign_in("olga")
            browser_page.open("/logs")
            page.keyboard.press("/")
            page.fill("#palette input", "stop switch")
            page.locator("#palette li:first-child a:has-text('halt every repair')").wait_for()
            page.keyboard.press("Enter")
            page.locator("#dialog-stop[open] >> text=1 repair under way").wait_for()
            assert not repairs.desk.switch.on
            page.keyboard.press("Enter")
            page.locator(".halted >> text=olga pulled the stop switch").wait_for()
            assert repairs.desk.get("5-1").state is RepairState.STOPPED
            assert page.locator(".halted button").is_disabled()
            browser_page.open("/repairs/5-1")
            page.locator(".halted >> text=gave no reason").wait_for()
            page.locator("main >> text=It was halted half-way").wait_for()
        finally:
            repairs.doer.hangs = False
        page.context.clear_cookies()
        browser_page.sign_in("grace")
        browser_page.open("/products")
        page.locator(".halted button").click()
        page.locator(".halted >> text=Sure?").click()
        page.locator(".halted").wait_for(state="detached")
        assert not repairs.desk.switch.on
        page.context.clear_cookies()
        browser_page.sign_in("olga")
        browser_page.open("/repairs/5-1")
        page.locator("main button:has-text('Take back')").click()
        page.locator("main >> text=Sure?").click()
        page.locator("main >> text=what it did was taken back").wait_for()
        assert repairs.doer.done[-1].startswith("start mail")
        assert browser_page.wrong == []

    def test_the_editor_names_each_fault_and_loses_nothing_when_refused(
        self, browser_page, lit_house
    ):
        page, books = browser_page.page, lit_house.repairs.books
        browser_page.sign_in("olga")
        browser_page.open("/runbooks/_new?from=restart")
        area = page.locator("#runbook-text")
        area.fill(RESTART.replace('do = "doer"', 'do = "dour"').replace('"restart"', '"mine"'))
        page.locator("text=did you mean doer?").first.wait_for()
        page.click("main button:has-text('Save as a new version')")
        page.locator("main [role=alert]:has-text('dour')").wait_for()
        assert '"dour"' in area.input_value()
        page.click("main button:has-text('Line 14')")
        at = page.evaluate("document.querySelector('#runbook-text').selectionStart")
        line = area.input_value()[:at].count("\n") + 1
        assert (line, page.evaluate("document.activeElement.id")) == (14, "runbook-text")
        area.fill(RESTART.replace('"restart"', '"mine"'))
        page.locator("text=It is sound").wait_for()
        page.select_option("#incident", "1")
        page.click("main button:has-text('What exactly would it do')")
        page.locator("main section, main .card").locator("text=Do: stop cart.").wait_for()
        page.locator("text=On incident 1, nothing is done").wait_for()
        page.click("main button:has-text('On which past incidents')")
        page.locator("text=it would have been for").wait_for()
        page.click("main button:has-text('Save as a new version')")
        page.wait_for_url("**/runbooks/mine")
        assert (books.get("mine").by, books.get("mine").source) == ("olga", "api")
        assert browser_page.wrong == []

    def test_who_approves_says_how_far_a_runbook_goes(self, browser_page, lit_house):
        page = browser_page.page
        browser_page.sign_in("olga")
        browser_page.open("/runbooks/other")
        assert page.locator("main button:has-text('Act and tell')").is_disabled()
        page.context.clear_cookies()
        browser_page.sign_in("grace")
        browser_page.open("/runbooks/other")
        page.click("main button:has-text('Act and tell')")
        page.click("text=Sure? Act and tell")
        page.locator("main button[aria-pressed=true]:has-text('Act and tell')").wait_for()
        assert lit_house.repairs.books.get("other").level is Level.ACT
        assert browser_page.wrong == []
