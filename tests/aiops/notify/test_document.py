"""A plan is taken whole, or all that is wrong with it is told by line, never with a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiops.notify.plans import SMALL, plan
from twinhelm.core.errors import BadInput


def wrong(text):
    with pytest.raises(BadInput) as raised:
        plan(text)
    return raised.value.message


def test_a_small_plan_is_enough():
    made = plan(SMALL)
    assert made.named("channels", "ops").kind == "slack"
    assert made.named("people", "nobody") is None
    assert plan("").routes == ()


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('"secret:slack"', '"slack"', "n.toml:5:1: the secret of ops is not named: write secret:"),
        ('"secret:slack"', '"env:SLACK"', "n.toml:5:1: the secret of ops is not named"),
        ("[[channels]]", '[secrets]\na = "env:A"\n[[channels]]', "there is no [secrets] any more"),
        ('secret = "secret:slack"', "", "ops is slack and needs secret"),
        ('kind = "slack"', 'kind = "snack"', "it must be 'slack', 'pagerduty'"),
        ('channels = ["ops"]', 'channels = ["opps"]', "there is no opps among channels (ops)"),
        ('people = ["ada", "bob"]', 'people = ["ada", "bo"]', "there is no bo among people"),
        ('to = ["rota:primary"]', 'to = ["rota:prime"]', "there is no prime among rotas"),
        (
            'to = ["rota:primary"]',
            'to = ["primary"]',
            "'primary' leads nowhere; write channel:NAME",
        ),
        ('zone = "Europe/Berlin"', 'zone = "Europe/Bern"', "no time zone 'Europe/Bern'"),
        ('handover = "09:00"', 'handover = "9:00"', "handover is '9:00'; it must match"),
        ('every = "day"', 'every = "day"\nhours = {end = "22:00"}', "nobody of primary is on call"),
        ("starts = 2026-01-05", "starts = 2027-01-05", "nobody of primary is on call from 2026-"),
        ('name = "bob"', 'name = "ada"', "there is another ada among people"),
        (
            'name = "ops"',
            'name = "ops"\nnom = 1',
            "n.toml:4:1: there is no key channels[1].nom (known here: name",
        ),
        (
            "begin = 2026-05-01T09:00:00",
            "begin = 2026-03-29T02:30:00",
            "begin does not exist: the clock goes forward; write it with an offset",
        ),
        (
            "end = 2026-05-02T09:00:00",
            "end = 2026-10-25T02:30:00",
            "end comes twice: the clock goes back; write it with an offset",
        ),
        ("end = 2026-05-02T09:00:00", "end = 2026-05-01T09:00:00", "end is not after begin"),
    ],
)
def test_what_does_not_hold_together_is_refused_by_line(before, after, says):
    assert before in SMALL
    told = wrong(SMALL.replace(before, after))
    assert says in told
    assert told.startswith("n.toml:")


def test_gaps_are_allowed_where_they_are_said():
    text = SMALL.replace('every = "day"', 'every = "day"\nhours = {days = ["mon"]}')
    assert "nobody of primary" in wrong(text)
    assert plan(text.replace('handover = "09:00"', 'handover = "09:00"\ngaps = true'))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"secret:slack"', '"https://hooks.slack.example/T0/B0/sekret"'),
        ('"secret:slack"', '"sekret"'),
        ("[[channels]]", '[secrets]\nslack = "sekret"\n[[channels]]'),
        ('"secret:slack"', '"secret:slack"\nurl = "https://me:sekret@hooks.example"'),
    ],
)
def test_a_secret_in_clear_text_is_refused_and_not_repeated(before, after):
    assert "sekret" not in wrong(SMALL.replace(before, after))


def test_a_password_in_clear_text_on_the_wire_is_refused():
    mail = """
[[channels]]
name = "mail"
kind = "email"
host = "mail.example"
sender = "helm@example.org"
user = "helm"
secret = "secret:pw"
tls = "none"
"""
    assert "would send its password in clear text" in wrong(mail)
    assert "and needs secret" in wrong(mail.replace('secret = "secret:pw"', ""))
    assert plan(mail.replace("none", "starttls"))


def test_the_plan_of_the_documentation_is_sound():
    page = (Path(__file__).parents[3] / "docs" / "notify.md").read_text(encoding="utf-8")
    text = page.partition("```toml\n")[2].partition("```")[0]
    made = plan(text)
    assert [route.name for route in made.routes] == ["shop-pages", "the-rest"]
