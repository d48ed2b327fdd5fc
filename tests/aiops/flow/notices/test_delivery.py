"""Messages reach real receivers once each, in order, over crashes, and few in a storm."""

from __future__ import annotations

from datetime import datetime

import pytest

from aiops.flow.notices.telling import Crash
from peers.plans import everything
from peers.plans import hook as hook_channel
from peers.receivers import Endpoint
from twinhelm.aiops.flow.notices.maintenance import Weekly
from twinhelm.aiops.notify.channels.webhook import sign
from twinhelm.aiops.records import incident_key
from twinhelm.aiops.types import IncidentState
from twinhelm.core.errors import Conflict, Unauthenticated
from twinhelm.core.ports import Record
from twinhelm.events.kinds.machines import IncidentUpdated

SECRET = "whsec_" + "c2VjcmV0" * 4
PAGER = """
[[channels]]
name = "pager"
kind = "pagerduty"
url = "{url}"
secret = "secret:pd"
[[routes]]
name = "pages"
severity = ["critical"]
to = ["channel:pager"]
"""


def signed(taken):
    """Check a request as a receiver of Standard Webhooks does."""
    name, stamp = taken.headers["webhook-id"], taken.headers["webhook-timestamp"]
    assert taken.headers["webhook-signature"] == sign(SECRET, name, stamp, taken.body)
    said = taken.said
    assert set(said) == {"type", "timestamp", "data"}
    assert said["data"]["act"] in {"open", "taken", "over", "tell"}


def pagerduty(taken):
    """Check a request by the documented schema of Events API v2."""
    said = taken.said
    assert said["routing_key"] == "0" * 32
    assert said["event_action"] in {"trigger", "acknowledge", "resolve"}
    assert len(said["dedup_key"]) <= 255
    if said["event_action"] == "trigger":
        load = said["payload"]
        assert load["severity"] in {"critical", "error", "warning", "info"}
        assert load["source"]
        assert 0 < len(load["summary"]) <= 1024


@pytest.fixture
def hook(teller):
    with Endpoint(signed) as end:
        made = teller(hook_channel(f"{end.url}/in") + everything("channel:hook"), hook=SECRET)
        yield made, end
        assert not end.wrong


@pytest.fixture
def pager(teller):
    with Endpoint(pagerduty, status=202) as end:
        made = teller(PAGER.format(url=end.url), pd="0" * 32)
        yield made, end
        assert not end.wrong


def acts(end):
    return [taken.said["data"]["act"] for taken in end.taken]


def pages(end):
    return [(taken.said["event_action"], taken.said["dedup_key"]) for taken in end.taken]


def test_the_life_of_an_incident_is_told_in_order(hook):
    teller, end = hook
    teller.open()
    teller.take()
    teller.resolve()
    assert teller.walk() == 3
    assert acts(end) == ["open", "taken", "over"]
    assert len({taken.said["data"]["thread"] for taken in end.taken}) == 1
    assert teller.walk(60) == 0
    assert teller.kinds().count("notice.sent") == 3


def test_a_receiver_that_is_away_gets_all_of_it_in_order_later(hook):
    teller, end = hook
    end.answers.extend([(503, {}), (429, {"retry-after": "30"})])
    teller.open()
    teller.resolve()
    assert teller.walk() == 0
    assert teller.walk(1) == 0  # let alone for two seconds
    assert teller.walk(1) == 0  # and refused with 429
    assert teller.walk(29) == 0
    assert not end.taken
    assert teller.walk(1) == 2
    assert acts(end) == ["open", "over"]
    first = teller.desk.deliveries()[-1]
    assert [one.outcome[:3] for one in first.attempts] == ["503", "429", "200"]


def test_what_a_receiver_will_never_take_is_given_up_and_told(hook):
    teller, end = hook
    end.answers.append((422, {}))
    teller.open()
    teller.resolve()
    teller.walk()
    assert teller.states() == ["failed", "sent"]
    assert "notice.failed" in teller.kinds()


def test_what_nobody_takes_for_a_day_is_given_up(hook):
    teller, end = hook
    end.status = 503
    teller.open()
    end.answers.extend([(503, {})] * 3)
    teller.walk()
    teller.walk(3600)
    teller.walk(24 * 3600)
    assert teller.states() == ["failed"]


def test_a_crash_at_any_point_loses_nothing_and_repeats_no_id(hook):
    """Killed at each step of hearing and sending, a receiver that joins by id sees each once."""
    teller, end = hook
    teller.open()
    teller.open(2)
    teller.resolve()
    points = 0
    while True:
        left = points

        def counted(call, left=left):
            def wrapped(*args, **more):
                nonlocal seen
                seen += 1
                if seen > left:
                    raise Crash
                return call(*args, **more)

            return wrapped

        seen = 0
        wire, writing = teller.wire, teller.records.writing
        teller.wire, teller.records.writing = counted(wire), counted(writing)
        try:
            teller.walk(1)
            break
        except Crash:
            points += 1
        finally:
            teller.wire, teller.records.writing = wire, writing
            teller.restart()
    assert points > 3
    ids = [taken.headers["webhook-id"] for taken in end.taken]
    assert len(dict.fromkeys(ids)) == 3
    firsts = list({taken.headers["webhook-id"]: taken.said["data"] for taken in end.taken}.values())
    assert [(one["act"], one["thread"][-1]) for one in firsts] == [
        ("open", "1"),
        ("open", "2"),
        ("over", "1"),
    ]


def test_a_crash_between_sending_and_writing_it_down_repeats_the_id(hook):
    teller, end = hook

    def crash(parcel):
        send(parcel)
        raise Crash

    teller.open()
    send = teller.wire
    teller.wire = crash
    with pytest.raises(Crash):
        teller.walk()
    teller.wire = send
    teller.restart()
    assert teller.walk() == 1
    first, second = end.taken
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert "This may have reached you before." in second.said["data"]["lines"]


def test_a_thousand_incidents_in_a_minute_are_one_page(pager):
    teller, end = pager
    for number in range(1, 1001):
        teller.open(number)
        if number % 17 == 0:
            teller.walk(1)
    teller.walk(120)
    threads = {thread for _, thread in pages(end)}
    assert len(threads) == 1  # PagerDuty joins what has one dedup_key: one alert, one page
    assert len(end.taken) <= 3
    told = sum("more" in taken.said["payload"]["summary"] for taken in end.taken)
    assert told == len(end.taken)
    assert teller.states().count("together") == 1000 - len(end.taken)
    for number in range(1, 1001):
        teller.resolve(number)
    teller.walk()
    assert pages(end)[-1] == ("resolve", threads.pop())
    assert [action for action, _ in pages(end)].count("resolve") == 1


def test_few_incidents_are_told_each_by_itself(pager):
    teller, end = pager
    teller.open(1)
    teller.open(2)
    assert teller.walk(1) == 0  # gathered for five seconds
    assert teller.walk(4) == 2
    teller.take(2)
    teller.resolve(1)
    teller.walk()
    assert [action for action, _ in pages(end)] == ["trigger", "trigger", "acknowledge", "resolve"]


def test_an_incident_that_grows_is_told_to_those_who_were_not(pager):
    teller, end = pager
    teller.open(severity="warning")
    teller.walk(60)
    assert not end.taken
    teller.open(severity="critical")  # what is on record now
    teller.walk(60)
    with teller.journal.writing("twinhelm") as write:
        write.event(IncidentUpdated(1, "warning became critical"))
    teller.walk(60)
    assert [action for action, _ in pages(end)] == ["trigger"]


def test_what_comes_back_is_told_again(pager):
    teller, end = pager
    teller.open()
    teller.walk(60)
    teller.resolve()
    teller.walk(60)
    teller.reopen()
    teller.walk(60)
    assert [action for action, _ in pages(end)] == ["trigger", "resolve", "trigger"]


def link_of(taken):
    links = taken.said["links"]
    (url,) = [one["href"] for one in links if "acknowledge" in one["href"]]
    return url.partition("link=")[2]


def test_a_link_acknowledges_once_and_looking_changes_nothing(pager):
    teller, end = pager
    teller.open()
    teller.walk(60)
    link = link_of(end.taken[0])
    for _ in range(3):
        assert teller.desk.asked(link)[1] == (1,)
    assert teller.kinds().count("incident.acknowledged") == 0
    assert teller.desk.acknowledge(link) == [1]
    with pytest.raises(Conflict):
        teller.desk.acknowledge(link)
    (row,) = teller.journal.read(kind="incident.acknowledged")
    assert (row.actor, row.body["owner"]) == ("channel:pager", "channel:pager")


def test_a_link_expires_and_another_is_not_ours(pager):
    teller, end = pager
    teller.open()
    teller.walk(60)
    link = link_of(end.taken[0])
    for bad in ("", "x", link[:-1] + ("0" if link[-1] != "0" else "1"), link.replace("1", "2", 1)):
        with pytest.raises(Unauthenticated):
            teller.desk.acknowledge(bad)
    teller.clock.advance(25 * 3600)
    with pytest.raises(Unauthenticated, match="expired"):
        teller.desk.acknowledge(link)


def test_the_link_of_a_storm_takes_all_of_it(pager):
    teller, end = pager
    for number in range(1, 31):
        teller.open(number)
    teller.walk(60)
    assert teller.desk.acknowledge(link_of(end.taken[0])) == list(range(1, 31))
    teller.walk()
    assert [action for action, _ in pages(end)] == ["trigger", "acknowledge"]


def test_maintenance_keeps_people_undisturbed_and_says_why(pager):
    teller, end = pager
    now = teller.clock.now_ms()
    window = teller.maintenance.plan(now, now + 60_000, ["service:*"], "upgrade", by="ada")
    teller.open()
    teller.walk(30)
    assert not end.taken
    (kept,) = teller.desk.deliveries()
    assert kept.state.value == "quiet"
    assert window.id in kept.attempts[0].outcome
    teller.walk(60)
    teller.open(2)
    teller.walk(30)
    assert len(end.taken) == 1


@pytest.mark.parametrize(
    ("saturday", "begins", "hours"),
    [
        ("2026-10-17", "22:00+02:00", 6),
        ("2026-10-24", "22:00+02:00", 7),
        ("2027-03-27", "22:00+01:00", 5),
    ],
)  # the clock goes back on 25 October, and forward on 28 March
def test_weekly_maintenance_holds_by_the_clocks_of_its_zone(pager, saturday, begins, hours):
    teller, _end = pager
    teller.clock.move_to(ms("2026-10-01T00:00+00:00"))
    until = ms("2027-09-01T00:00+00:00")
    week = Weekly(days=("sat",), begin="22:00", end="04:00", zone="Europe/Berlin")
    now = teller.clock.now_ms()
    made = teller.maintenance.plan(now, until, ["service:*"], "reindex", by="ada", weekly=week)
    first = ms(f"{saturday}T{begins}")
    last = first + hours * 3_600_000
    held = {
        at: bool(teller.maintenance.expected(("service:shop",), at))
        for at in (first - 1, first, last - 1, last, first + 86_400_000)
    }
    assert list(held.values()) == [False, True, True, False, False]
    teller.clock.move_to(first)
    assert (first, last) in {(one.start_ms, one.end_ms) for one in teller.maintenance.windows()}
    assert teller.maintenance.all() == [made]
    teller.maintenance.end(made.id, by="ada")
    assert not teller.maintenance.expected(("service:shop",), first + 7 * 86_400_000)


def test_a_weekly_window_is_not_lost_among_many_of_one_time(pager):
    teller, _end = pager
    now = teller.clock.now_ms()
    weekly = {"by": "ada", "weekly": Weekly()}
    teller.maintenance.plan(now, now + 86_400_000, ["service:*"], "always", **weekly)
    for start in range(now + 1, now + 202):
        teller.maintenance.plan(start, start + 1_000, ["host:*"], "once", by="ada")
    assert "always" in teller.maintenance.expected(("service:shop",), now)


def ms(iso):
    return round(datetime.fromisoformat(iso).timestamp() * 1000)


def test_a_plan_that_breaks_leaves_the_old_one_and_says_so(hook):
    teller, _end = hook
    good = teller.file.read_text()
    teller.file.write_text(good + "\n[[routes]]\nname = 'x'\n")
    teller.open()
    assert teller.walk() == 1
    assert "routes[2].to is missing" in teller.desk.wrong
    teller.file.write_text(good + "\n")
    teller.walk()
    assert teller.desk.wrong == ""
    assert teller.kinds().count("notice.plan_read") == 2


def test_a_secret_that_is_missing_is_waited_for_and_named(hook):
    teller, _end = hook
    held = teller.secrets.pop("hook")
    teller.open()
    assert teller.walk() == 0
    assert "the secret hook" in teller.desk.standings()[0].last
    teller.secrets["hook"] = held
    assert teller.walk(5) == 1


def test_no_record_and_no_journal_row_holds_a_secret_or_an_address(pager):
    teller, end = pager
    teller.open(title="login failed password=hunter2hunter2")
    end.answers.append((500, {}))
    teller.walk(60)
    teller.walk(60)
    kept = repr([one.body for each in ("delivery", "receiver", "together") for one in
                 teller.records.reading().__enter__().find(each)])  # fmt: skip
    kept += repr(teller.journal.read(limit=1000)[1:])
    assert "0" * 32 not in kept
    assert end.url not in kept
    assert "hunter2" not in end.taken[-1].body.decode()


def test_incidents_from_before_the_first_route_are_nobodys_news(teller):
    with Endpoint(signed) as end:
        made = teller("", hook=SECRET)
        made.open()
        made.walk()
        made.file.write_text(hook_channel(f"{end.url}/in") + everything("channel:hook"))
        made.walk()
        made.resolve()
        made.walk()
        made.open(2)
        made.walk()
        assert [one.said["data"]["act"] for one in end.taken] == ["open"]


def test_the_state_is_that_of_the_incident(pager):
    teller, _end = pager
    teller.open()
    teller.walk(60)
    teller.take(by="bob")
    assert teller.desk.acknowledge(link_of(_end.taken[0])) == []
    with teller.records.reading() as unit:
        assert unit.find("incident")[0].state == IncidentState.ACKNOWLEDGED


def test_a_record_that_cannot_be_read_keeps_nobody_else_from_being_told(hook):
    teller, end = hook
    teller.open(1)
    with teller.records.writing() as write:
        write.put(Record("incident", incident_key(1), {"id": "nonsense"}))
    teller.open(2)
    assert teller.walk() == 1
    assert end.taken[0].said["data"]["thread"].endswith("incident/2")
