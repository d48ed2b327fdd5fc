"""Who is called and when: rotas, escalation, digests, hours, ownership, mail to a real server."""

from __future__ import annotations

import pytest

from peers.plans import PEOPLE, everything, rota
from peers.plans import mail as mail_channel
from peers.receivers import Endpoint, MailServer

PLAN = """
[[channels]]
name = "ops"
kind = "slack"
secret = "secret:slack"
gather_s = 0
[[teams]]
name = "shop"
owns = ["service:shop*"]
[[escalations]]
name = "up"
rounds = 2
steps = [{ to = ["rota:primary"], wait_min = 10 }, { to = ["channel:ops"], wait_min = 5 }]
"""
PLAN += PEOPLE.format(channel="mail")
PLAN += rota("2023-11-14", "ada", "bob", more='handover = "00:00"\n')
UP = everything("escalation:up")


@pytest.fixture
def calling(teller):
    """``calling(routes)``: a teller, its mail server and its Slack."""
    with MailServer() as mail, Endpoint() as slack:

        def start(routes=UP):
            made = teller(PLAN + mail_channel(mail.port) + routes, slack=slack.url)
            return made, mail, slack

        yield start


def test_an_escalation_climbs_until_somebody_acknowledges(calling):
    teller, mail, slack = calling()
    teller.open()
    teller.walk()
    assert [one["To"] for one in mail.messages] == ["ada@example.org"]  # 2023-11-14 22:13 UTC
    teller.walk(9 * 60)
    assert not slack.taken
    teller.walk(60)
    assert "Not acknowledged yet" in slack.taken[0].said["text"]
    teller.walk(5 * 60)  # the second round
    assert len(mail.messages) == 2
    teller.take(by="bob")
    teller.walk()
    assert "bob has taken it" in mail.messages[-1]["Subject"]
    before = len(mail.messages), len(slack.taken)
    teller.walk(3600)
    assert (len(mail.messages), len(slack.taken)) == before


def test_whoever_is_on_call_at_the_step_is_told_not_who_was(calling):
    teller, mail, _ = calling(everything("rota:primary"))
    teller.open(1)
    teller.walk()
    teller.walk(2 * 3600)  # past midnight
    teller.open(2)
    teller.walk()
    assert [one["To"] for one in mail.messages] == ["ada@example.org", "bob@example.org"]
    teller.resolve(1)
    teller.walk()
    assert (
        mail.messages[-1]["To"] == "ada@example.org"
    )  # who was told it began hears that it is over


def test_an_escalation_that_brought_nobody_says_so_and_ends(calling):
    teller, _, _ = calling()
    teller.open()
    for _ in range(5):
        teller.walk(10 * 60)
    assert teller.kinds().count("notice.spent") == 1
    with teller.records.reading() as unit:
        assert [one.state for one in unit.find("climb")] == ["spent"]


def test_the_end_of_an_incident_ends_its_escalation(calling):
    teller, mail, slack = calling()
    teller.open()
    teller.walk()
    teller.resolve()
    teller.walk(3600)
    assert len(mail.messages) == 2
    assert not slack.taken


def test_a_restart_forgets_no_step(calling):
    teller, mail, slack = calling()
    teller.open()
    teller.walk()
    teller.restart()
    teller.walk(10 * 60)
    assert (len(mail.messages), len(slack.taken)) == (1, 1)


def test_a_digest_gathers_until_its_hour_and_is_one_message(calling):
    teller, _, slack = calling(
        '[[routes]]\nname = "d"\nto = ["channel:ops"]\ndigest = ["23:00", "06:00"]'
    )
    for number in (1, 2, 3):
        teller.open(number, title=f"trouble {number}")
    teller.resolve(2)
    teller.walk(30 * 60)
    assert not slack.taken
    teller.walk(30 * 60)
    (taken,) = slack.taken
    text = str(taken.said)
    assert all(f"trouble {number}" in text for number in (1, 2, 3))
    assert "Over: trouble 2" in text
    assert teller.walk(12 * 3600) == 0


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ('teams = ["shop"]', True),
        ('entities = ["service:cart"]', False),
        ('entities = ["service:*"]', True),
        ('severity = ["info"]', False),
        ('products = ["churn"]', False),
        ('kinds = ["approval.*"]', False),
        ('hours = {begin = "22:00", end = "06:00"}', True),
        ('hours = {days = ["wed"]}', False),  # it is a Tuesday
    ],
)
def test_a_route_takes_what_fits_it(calling, route, told):
    teller, _, slack = calling(f'[[routes]]\nname = "r"\nto = ["channel:ops"]\n{route}')
    teller.open()
    teller.walk()
    assert bool(slack.taken) is told


def test_the_first_route_decides_unless_it_says_more(calling):
    first = '[[routes]]\nname = "a"\nto = ["channel:ops"]\n'
    second = '[[routes]]\nname = "b"\nto = ["person:ada"]'
    teller, mail, slack = calling(first + second)
    teller.open()
    teller.walk()
    assert (len(mail.messages), len(slack.taken)) == (0, 1)
    teller.file.write_text(teller.file.read_text().replace(first, f"{first}more = true\n"))
    teller.open(2)
    teller.walk()
    assert (len(mail.messages), len(slack.taken)) == (1, 2)


def test_a_link_in_a_persons_mail_acknowledges_in_their_name(calling):
    teller, mail, _ = calling()
    teller.open()
    teller.walk()
    text = mail.messages[0].get_body(("plain",)).get_content()
    link = text.partition("link=")[2].split()[0]
    assert teller.desk.acknowledge(link) == [1]
    (row,) = teller.journal.read(kind="incident.acknowledged")
    assert row.actor == "ada"
