"""Pages of the models' wing on flows in memory: what each reader finds, and what each may do."""

from __future__ import annotations

import httpx
import pytest

from twinhelm.core.roles import Role
from twinhelm.events.kinds.products import ApprovalAnswered, ApprovalRequested, DeploymentChanged
from twinhelm.mlops.records import put
from twinhelm.mlops.types import (
    ApprovalState,
    Deployment,
    Part,
    Product,
    ProductVersion,
    Rollout,
    RolloutState,
    Run,
    Stage,
)
from twinhelm.web.pages.models.parts import interval
from web.conftest import memory_house
from web.wing import furnish, wing

HOSTILE = '</script><img src=x onerror="window.harmed=1"><b>${window.harmed=1}</b>`\'"{{harmed}}'
PASSWORD = "correct horse battery"
PEOPLE = {"ada": Role.DATA_SCIENTIST, "grace": Role.APPROVER, "eve": Role.APPROVER}
PEOPLE |= {"olga": Role.OPERATOR, "vic": Role.VIEWER}
TABS = ["", "versions", "builds", "health", "evidence", "talk", "journal"]
PAGES = ["/products", *(f"/products/cancer?tab={tab}" for tab in TABS), "/approvals"]
PAGES += [
    "/audit/live",
    "/audit/live?at=1",
    "/products/cancer/versions/4",
    "/products/cancer/compare?a=3&b=4",
    "/products/bare",
]


@pytest.fixture(scope="module")
def lit_house(tmp_path_factory):
    """A house in memory with ``cancer``, and ``bare``, of which nothing is known."""
    house = memory_house()
    house.host = None
    house.models = wing(house, tmp_path_factory.mktemp("wing"))
    house.workflows = house.models.workflows
    furnish(house, hostile=HOSTILE)
    with house.journal.writing("ada") as write:
        put(write, Product("bare", "nothing yet", "eve", "low"))
        write.event(ApprovalRequested("cancer", "3", "cancer/3/1", 1))
    with house.journal.writing("grace") as write:
        write.event(ApprovalAnswered("cancer", "3", "cancer/3/1", True, "slices read", "approved"))
        parts = (("3", "champion", 1.0),)
        write.event(DeploymentChanged("cancer", parts, "", f"recall is better {HOSTILE}"))
    for name, role in PEOPLE.items():
        house.identities.add_person(name, [role], PASSWORD, "test")
    yield house
    house.workflows.close()


@pytest.fixture
def asked(lit_house):
    """A request that version 4 of cancer go live, open again for each test."""
    with lit_house.journal.writing("test") as write:
        version = lit_house.models.desk.version("cancer", "4")
        put(write, ProductVersion(**{**_plain(version), "stage": Stage.REGISTERED}))
    return lit_house.models.promotions.ask("cancer", "4", by="mia", note="better on older people")


def _plain(value):
    return {name: getattr(value, name) for name in type(value).__slots__}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_sent_whole(read, path):
    status, text = read(path)
    assert status == 200
    assert "<img src=x" not in text


@pytest.mark.parametrize("path", ["/products/none", "/products/cancer/versions/9",
                                  "/products/cancer/compare?a=3&b=9"])  # fmt: skip
def test_what_is_not_there_is_answered_so(read, path):
    status, text = read(path)
    assert status == 404
    assert "There is no" in text


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/products", ["waiting for approval", "of 7", "Next step"]),
        ("/products/cancer", ["Who answers", "Roll back cancer to 2", "needs the role"]),
        ("/products/cancer?tab=versions", ["Ask to promote", "Compare the two"]),
        ("/products/cancer?tab=builds", ["Run again", "Start a build"]),
        ("/products/cancer?tab=health", ["0.94 (0.9 to 0.97)", "0.93 (0.9 to 0.96)", "radius"]),
        ("/products/cancer?tab=evidence", ["What came of what", "EU AI Act", "a late finding"]),
        ("/products/cancer/versions/4", ["those that were signed", "Calibration", "is well"]),
        ("/products/cancer/compare?a=3&b=4", ["no clear difference", "logistic regression"]),
        ("/products/bare", ["No request is led here", "not live", "no product file"]),
        ("/products/bare?tab=versions", ["Register one with the MLflow client"]),
        ("/products/bare?tab=health", ["Nobody has looked yet", "Labels are missing"]),
        ("/products/bare?tab=builds", ["Nothing was built here yet"]),
    ],
)
def test_a_page_says_what_its_readers_come_for(read, path, says):
    _, text = read(path)
    assert [each for each in says if each not in text] == []


def test_what_was_live_is_told_for_any_time_with_who_let_it(read, lit_house):
    changed = lit_house.journal.read(kind=DeploymentChanged.kind)[0].time_ms
    for path in ("/audit/live", f"/audit/live?at={changed}&product=cancer"):
        _, text = read(path)
        why = ("Recall is better", "Slices read.")
        for says in (*why, "100.0% as champion", "grace", "ada", "#evidence"):
            assert says in text, (path, says)
    _, text = read(f"/audit/live?at={changed - 1}")
    assert "Nothing was live then" in text
    assert f"at={changed}" in text
    assert "twinhelm live --at " in text
    _, text = read("/audit/live?product=bare")
    assert "Nothing was live then" in text


def test_an_address_of_mlflow_leads_a_browser_to_the_portfolio(address):
    for path in ("/mlflow", "/mlflow/"):
        answer = httpx.get(address + path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/products")


def test_the_inbox_shows_the_evidence_beside_the_buttons(read, asked):
    _, text = read("/approvals")
    for says in ("better on older people", "recall is well", "older, recall", "0 of 1 agreed"):
        assert says in text
    assert asked.state is ApprovalState.OPEN


def test_an_interval_stands_beside_a_value_where_it_is_known():
    assert interval(0.95, 0.9, 0.98) == "0.95 (0.9 to 0.98)"
    assert interval(0.95, None, float("nan")) == "0.95"


@pytest.mark.peer("chromium")
class TestInABrowser:
    """What only a browser shows."""

    @pytest.mark.parametrize("path", PAGES)
    def test_a_page_stands_without_a_word_in_the_console(self, browser_page, asked, path):
        assert browser_page.open(path).status == 200
        page = browser_page.page
        assert page.locator("h1").inner_text()
        assert page.evaluate("window.harmed") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= 1440
        assert browser_page.wrong == []
        assert browser_page.grave() == [], asked.id

    @pytest.mark.parametrize("path", PAGES)
    def test_a_page_stands_on_a_telephone_and_in_the_dark(self, browser_page, asked, path):
        page = browser_page.page
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 390, "height": 900})
        browser_page.open(path)
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.set_viewport_size({"width": 1440, "height": 900})
        assert browser_page.grave() == [], asked.id

    def test_a_named_reviewer_approves_and_others_read_why_not(
        self, browser_page, lit_house, asked
    ):
        page = browser_page.page
        browser_page.sign_in("eve")
        browser_page.open("/approvals")
        assert page.locator("#content button:has-text('Approve cancer')").is_disabled()
        page.locator("text=Only a reviewer named").or_(
            page.locator("text=only a reviewer")
        ).wait_for()
        page.context.clear_cookies()
        browser_page.sign_in("grace")
        browser_page.open("/approvals")
        page.fill("main textarea", "read all of it")
        page.click("#content button:has-text('Approve cancer')")
        page.click("text=Sure?")
        page.locator("text=Nothing waits for an answer").wait_for()
        (one,) = [each for each in lit_house.models.promotions.approvals("cancer")
                  if each.id == asked.id]  # fmt: skip
        assert [(each.by, each.note) for each in one.answers] == [("grace", "read all of it")]
        assert browser_page.wrong == []

    def test_a_build_is_cancelled_and_a_rollout_stopped_after_a_second_press(
        self, browser_page, lit_house
    ):
        models, page = lit_house.models, browser_page.page
        parts = (Part("1", "champion", 0.9), Part("2", "canary", 0.1))
        with lit_house.journal.writing("ada") as write:
            for value in (
                Product("busy", "much", "ada", "low"),
                ProductVersion("busy", "1", Stage.LIVE, 1, "m"),
                ProductVersion("busy", "2", Stage.LIVE, 2, "m"),
                Run("busy", 1, "running", "ada", 1, job="build-busy/1"),
                Deployment("busy", parts, 1),
                Rollout("busy/2/1", "busy", "2", "1", RolloutState.RUNNING, 1, (0.1,), 1, "ada"),
            ):
                put(write, value)
        browser_page.sign_in("ada")
        for path, button in (("?tab=builds", "Cancel"), ("", "Stop the rollout")):
            browser_page.open(f"/products/busy{path}")
            page.click(f"#content button:has-text('{button}')")
            page.click("text=Sure?")
            page.locator(f"#content button:has-text('{button}')").wait_for(state="detached")
        (run,) = models.builds.runs("busy")
        assert (run.state, run.error) == ("failed", "cancelled by ada")
        assert models.rollouts.deployment("busy").parts == (Part("1", "champion", 1.0),)
        assert models.rollouts.rollouts("busy")[0].state is RolloutState.STOPPED

    def test_a_remark_joins_the_talk(self, browser_page):
        page = browser_page.page
        browser_page.sign_in("olga")
        browser_page.open("/products/cancer?tab=talk")
        page.fill("#remark-text", "why so slow, @ada?")
        page.click("text=Add remark")
        page.click("text=Sure?")
        page.locator("main li >> text=why so slow").wait_for()
        assert page.locator("#remark-text").input_value() == ""

    def test_the_address_that_mlflow_prints_ends_at_the_portfolio(self, browser_page):
        browser_page.open("/mlflow/#/experiments/1/runs/2f")
        assert browser_page.page.locator("h1").inner_text() == "Portfolio"

    def test_a_time_is_chosen_by_the_keyboard_in_the_readers_zone(self, browser_page, lit_house):
        page = browser_page.page
        changed = lit_house.journal.read(kind=DeploymentChanged.kind)[0].time_ms
        browser_page.open(f"/audit/live?at={changed - 60_000}")
        page.locator("text=Nothing was live then").wait_for()
        shown = page.evaluate("ms => new Date(ms).getFullYear()", changed)
        assert str(shown) in page.locator("main input[type=datetime-local]").input_value()
        page.locator("main input[type=datetime-local]").fill("2100-01-31T08:00:00")
        page.keyboard.press("Enter")
        page.wait_for_url("**/audit/live?at=41*")
        page.locator("main td >> text=grace").first.wait_for()
        assert browser_page.wrong == []

    def test_the_palette_finds_products_and_versions(self, browser_page):
        page = browser_page.page
        browser_page.open("/audit/live")
        page.keyboard.press("Control+k")
        page.keyboard.type("cance")
        page.locator("#palette li >> text=cancer").first.wait_for()
        page.fill("#palette input", "cancer 4")
        page.locator("#palette li >> text=cancer, version 4").wait_for()
        page.keyboard.press("Enter")
        page.wait_for_url("**/products/cancer/versions/4")

    def test_a_pack_is_made_once_and_stands_with_its_files(self, browser_page, lit_house):
        page = browser_page.page
        browser_page.sign_in("grace")
        browser_page.open("/products/cancer/versions/3")
        row = page.locator("tr", has_text="EU AI Act")
        row.locator("button").click()
        row.locator("text=Sure?").click()
        row.locator("a:has-text('PDF')").wait_for()
        (made,) = lit_house.models.evidence.packs("cancer", "3")
        assert made.made_by == "grace"
        for form in ("html", "pdf", "json"):
            assert made.digest in row.locator(f"a:has-text('{form.upper()}')").get_attribute("href")
        assert lit_house.models.evidence.packs("cancer", "3") == [made]
        assert browser_page.wrong == []

    def test_a_viewer_may_press_nothing(self, browser_page):
        page = browser_page.page
        browser_page.sign_in("vic")
        browser_page.open("/products/cancer")
        assert page.locator("#content button.danger").is_disabled()
