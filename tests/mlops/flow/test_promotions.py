"""Asking, answering and starting: nothing lost, nothing twice, and all of it in the journal."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from peers.memory_records import MemoryRecords
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import BadInput, Conflict, Denied, NotFound, Unavailable
from twinhelm.core.policy import Verdict as May
from twinhelm.core.ports import Record
from twinhelm.core.roles import Role
from twinhelm.core.settings import AuthSettings
from twinhelm.events.identities import Identities
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.products import DeploymentChanged
from twinhelm.mlops.flow.promotions import Promotions
from twinhelm.mlops.records import find, load, put
from twinhelm.mlops.types import (
    Approval,
    ApprovalState,
    Check,
    Product,
    ProductVersion,
    Rollout,
    RolloutState,
    Stage,
    Validation,
    Verdict,
)
from twinhelm.store.records import open_records

APPROVER = ["approver"]


def spec(tier):
    return {
        "product": {
            "name": "fraud", "use_case": "u", "decides": "d", "owner": "olga", "tier": tier,
            "reviewers": ["rita"], "affects": "a", "reasons": ["r"], "instead": "i",
        },
        "success": {"measure": "m", "cost_of_wrong": "c"},
        "data": {"train": "t.csv", "holdout": "h.csv"},
        "gates": [{"metric": "accuracy", "at_least": 0.9}],
    }  # fmt: skip


class Desk:
    """The promotions of one product with versions 1 and 2, both fit."""

    def __init__(self, tier="limited", records=None):
        self.records = records or MemoryRecords()
        self.clock = FakeClock(1_000_000)
        self.journal = Journal(self.records, self.clock)
        self.started = []
        self.broken = ""
        self.unable = None
        self.promotions = Promotions(
            self.records, self.journal, self.clock, self.start, self.opened
        )
        self.change(Product("fraud", "d", "olga", tier, spec=spec(tier), framed_ms=1))
        for number in ("1", "2"):
            self.add(number)
        with self.records.writing() as unit:
            for name in ("ada", "bob", "eve", "grace", "olga", "rita"):
                unit.put(Record("person", name, {}))

    def add(self, number, verdict=Verdict.PASS):
        self.clock.advance(1)
        now = self.clock.now_ms()
        data = {"train": "t", "holdout": "h"}
        self.change(
            ProductVersion("fraud", number, Stage.REGISTERED, now, "m", author="ada",
                           digest="d" * 64, data=data),
            Validation("fraud", number, now, (Check("accuracy", verdict, "accuracy is 0.8"),), (),
                       data=data),
        )  # fmt: skip

    def change(self, *values):
        with self.journal.writing("test") as write:
            for value in values:
                put(write, value)

    def start(self, product, version, by):
        if self.unable is not None:
            raise self.unable
        self.started.append((version, by))
        ref = f"{product}/{version}/{len(self.started)}"
        now = self.clock.now_ms()
        self.change(Rollout(ref, product, version, "", RolloutState.RUNNING, 0, (), now, by))
        return ref

    def opened(self, product, version):
        if self.broken:
            raise Denied(self.broken)

    def ask(self, version="1", by="grace", **options):
        self.clock.advance(1)
        return self.promotions.ask("fraud", version, by=by, **options)

    def answer(self, asked, by="rita", *, agrees=True, note="", roles=APPROVER):
        self.clock.advance(1)
        return self.promotions.answer(asked.id, agrees=agrees, note=note, by=by, roles=roles)

    def stage(self, version="1"):
        return load(self.records, ProductVersion, f"fraud/{version}").stage

    def events(self):
        return [(row.kind, row.actor) for row in self.journal.read()]

    def deploy(self, *parts, by="twinhelm", reason="done"):
        self.clock.advance(1)
        with self.journal.writing(by) as write:
            write.event(DeploymentChanged("fraud", parts, "", reason))
        return self.clock.now_ms()


@pytest.fixture(params=["low", "limited", "high"])
def any_tier(request):
    return Desk(request.param)


@pytest.fixture
def desk():
    return Desk()


def test_judging_changes_nothing(any_tier):
    decision, checks = any_tier.promotions.judge("fraud", "1", by="grace")
    assert decision.verdict in (May.ALLOW, May.ASK)
    assert {"signature", "accuracy", "approved"} <= {each.name for each in checks}
    assert any_tier.events() == []


def test_low_with_passed_gates_starts_at_once():
    desk = Desk("low")
    assert desk.ask() is None
    assert desk.started == [("1", "grace")]
    assert desk.stage() == Stage.APPROVED
    assert desk.events() == [("approval.requested", "grace"), ("version.staged", "grace")]


def test_the_others_wait_for_somebody(desk):
    asked = desk.ask(note="better recall")
    assert (asked.state, asked.needs, asked.note) == (ApprovalState.OPEN, 1, "better recall")
    assert (desk.started, desk.stage()) == ([], Stage.REGISTERED)
    done = desk.answer(asked)
    assert done.state is ApprovalState.APPROVED
    assert desk.started == [("1", "grace")]
    assert desk.stage() == Stage.APPROVED
    assert [kind for kind, _ in desk.events()] == [
        "approval.requested", "approval.answered", "version.staged"
    ]  # fmt: skip


def test_a_token_of_no_person_s_name_lets_nothing_in(desk):
    asked = desk.ask()
    with pytest.raises(Denied, match="only a person"):
        desk.answer(asked, "ci", roles=["admin"])
    assert desk.answer(asked, "rita").state is ApprovalState.APPROVED


def test_what_an_mlflow_client_without_a_token_made_takes_two_of_whom_one_did_not_make_it(desk):
    version = load(desk.records, ProductVersion, "fraud/1")
    desk.change(replace(version, author="root", claimed=True))
    asked = desk.ask()
    assert asked.needs == 2
    for by in ("grace", "anonymous@loopback"):
        with pytest.raises(Denied):
            desk.answer(asked, by)
    assert desk.answer(asked, "rita").state is ApprovalState.OPEN
    assert (desk.started, desk.stage()) == ([], Stage.REGISTERED)
    assert desk.answer(asked, "bob").state is ApprovalState.APPROVED
    assert desk.started == [("1", "grace")]


@pytest.mark.parametrize("tier", ["low", "limited"])
def test_what_was_rolled_back_goes_the_same_road_again_when_somebody_asks(tier):
    desk = Desk(tier)
    if asked := desk.ask():
        desk.answer(asked)
    desk.change(replace(load(desk.records, Rollout, "fraud/1/1"), state=RolloutState.ROLLED_BACK))
    version = load(desk.records, ProductVersion, "fraud/1")
    desk.change(replace(version, stage=Stage.RETIRED, reason="errors"))
    assert desk.promotions.resume() == []
    _, checks = desk.promotions.judge("fraud", "1", by="grace")
    assert "errors" in next(each.says for each in checks if each.name == "taken back")
    again = desk.ask(note="the data base was away")
    if tier == "limited":
        assert (again.id, again.state) == ("fraud/1/2", ApprovalState.OPEN)
        assert len(desk.started) == 1
        desk.answer(again)
    assert [version for version, _ in desk.started] == ["1", "1"]


def test_asked_twice_it_is_the_same_request(desk):
    assert desk.ask() == desk.ask(by="bob")
    assert len(desk.promotions.approvals("fraud")) == 1


@pytest.mark.parametrize("door", ["api", "mlflow"])
def test_a_refused_promotion_is_told_with_its_reason(desk, door):
    desk.add("3", Verdict.FAIL)
    with pytest.raises(Denied, match=r"accuracy is 0\.8"):
        desk.ask("3", door=door)
    (row,) = desk.journal.read()
    assert (row.kind, row.actor, row.body["door"]) == ("promotion.refused", "grace", door)
    assert desk.promotions.inbox() == []


def test_nobody_on_loopback_asks(any_tier):
    with pytest.raises(Denied, match="sign in"):
        any_tier.ask(by="anonymous@loopback")
    assert any_tier.started == []


def test_a_tampered_version_is_refused_when_asked_and_when_answered(desk):
    asked = desk.ask()
    desk.broken = "model.pkl is not as it was signed"
    with pytest.raises(Denied, match="as it was signed"):
        desk.ask("2")
    with pytest.raises(Denied, match="as it was signed"):
        desk.answer(asked)
    assert (desk.started, desk.stage()) == ([], Stage.REGISTERED)


def test_what_is_not_there_is_not_found(desk):
    for call in (desk.ask, lambda version: desk.promotions.judge("fraud", version, by="x")):
        with pytest.raises(NotFound):
            call("9")
    with pytest.raises(NotFound):
        desk.promotions.answer("fraud/1/9", agrees=True, note="", by="rita", roles=APPROVER)
    assert desk.events() == []


@pytest.mark.parametrize("by", ["grace", "ada", "anonymous@loopback"])
def test_four_eyes(desk, by):
    asked = desk.ask()
    with pytest.raises(Denied):
        desk.answer(asked, by)
    assert desk.events()[-1] == ("promotion.refused", by)
    assert load(desk.records, Approval, asked.id) == asked


def test_one_person_with_two_tokens_is_one_pair_of_eyes(desk):
    ids = Identities(desk.journal, desk.records, desk.clock, AuthSettings())
    asks, answers, agrees = (
        ids.resolve_token(ids.create_token(name, [Role.ADMIN], "ada", person)).name
        for name, person in (("eve-ci", "eve"), ("eve-laptop", "eve"), ("rita-laptop", "rita"))
    )
    asked = desk.ask(by=asks)
    with pytest.raises(Denied, match="asked for it yourself"):
        desk.answer(asked, answers)
    assert desk.answer(asked, agrees).state is ApprovalState.APPROVED


def test_only_a_named_reviewer_lets_a_high_tier_in():
    desk = Desk("high")
    asked = desk.ask()
    for by in ("bob", "olga"):
        with pytest.raises(Denied):
            desk.answer(asked, by)
    assert desk.answer(asked, "rita").state is ApprovalState.APPROVED


def test_one_refusal_ends_it_and_needs_a_reason(desk):
    asked = desk.ask()
    with pytest.raises(BadInput, match="reason"):
        desk.answer(asked, agrees=False, note=" ")
    done = desk.answer(asked, agrees=False, note="no slice for the old")
    assert done.state is ApprovalState.REFUSED
    assert (desk.started, desk.stage()) == ([], Stage.REGISTERED)
    with pytest.raises(Conflict, match="refused"):
        desk.answer(asked, "bob")
    assert desk.ask().id != asked.id


def test_what_fails_meanwhile_cannot_be_agreed_to(desk):
    asked = desk.ask()
    desk.add("1", Verdict.FAIL)
    with pytest.raises(Denied, match="accuracy"):
        desk.answer(asked)
    assert desk.answer(asked, agrees=False, note="fails").state is ApprovalState.REFUSED


def test_where_two_must_agree_one_cannot_do_it_twice(desk):
    asked = replace(desk.ask(), needs=2)
    desk.change(asked)
    assert desk.answer(asked).state is ApprovalState.OPEN
    with pytest.raises(Conflict, match="rita has answered"):
        desk.answer(asked)
    assert desk.answer(asked, "bob").state is ApprovalState.APPROVED
    assert len(desk.started) == 1


@pytest.fixture(params=["memory", "sqlite"])
def shared(request, tmp_path):
    records = open_records(f"sqlite:///{tmp_path}/r.sqlite") if request.param == "sqlite" else None
    desk = Desk(records=records)
    yield desk
    desk.records.close()


def at_once(*calls):
    """Run all calls at the same moment; returns what each gave or raised."""
    gate, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(place, call):
        gate.wait()
        try:
            results[place] = call()
        except (Conflict, Denied) as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_two_who_approve_at_once_one_is_told_it_is_closed(shared):
    asked = shared.ask()
    results = at_once(*(lambda by=by: shared.answer(asked, by) for by in ("rita", "bob", "eve")))
    assert sum(isinstance(each, Conflict) for each in results) == 2
    assert len(load(shared.records, Approval, asked.id).answers) == 1
    assert len(shared.started) == 1
    assert shared.journal.verify().ok


def test_asked_by_many_at_once_there_is_one_request(shared):
    results = at_once(*(lambda by=by: shared.ask(by=by) for by in ("a", "b", "c", "d")))
    assert len({each.id for each in results}) == 1


def test_low_asked_by_many_at_once_starts_once():
    desk = Desk("low")
    results = at_once(*(lambda by=by: desk.ask(by=by) for by in ("a", "b", "c", "d")))
    assert len(desk.started) == 1
    assert results.count(None) >= 1
    assert all(each is None or isinstance(each, Denied) for each in results)


def test_killed_between_approval_and_start_it_is_picked_up(any_tier, monkeypatch):
    desk = any_tier

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(desk.promotions, "start_rollout", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.answer(desk.ask())
    assert (desk.stage(), desk.started) == (Stage.APPROVED, [])
    again = Promotions(desk.records, desk.journal, desk.clock, desk.start, desk.opened)
    assert again.resume() == ["fraud/1"]
    assert again.resume() == []
    assert desk.started == [("1", "grace")]


def test_a_rollout_that_cannot_start_is_told_once_and_tried_again(desk):
    desk.unable = Unavailable("another rollout is running")
    assert desk.answer(desk.ask()).state is ApprovalState.APPROVED
    assert desk.promotions.resume() == []
    told = [row for row in desk.journal.read() if row.kind == "promotion.refused"]
    assert [row.body["reason"] for row in told] == ["approved, but another rollout is running"]
    desk.unable = None
    assert desk.promotions.resume() == ["fraud/1"]


def test_an_agreement_is_used_up_by_one_rollout(desk):
    first = desk.ask()
    desk.answer(first)
    rollout = load(desk.records, Rollout, "fraud/1/1")
    with pytest.raises(Denied, match="being rolled out"):
        desk.ask()
    desk.change(replace(rollout, state=RolloutState.ROLLED_BACK))
    assert desk.promotions.resume() == []
    second = desk.ask()
    assert (second.id, second.state) == ("fraud/1/2", ApprovalState.OPEN)
    desk.answer(second)
    assert len(desk.started) == 2


def test_asked_while_it_waits_to_start_it_is_started(desk):
    desk.unable = Unavailable("busy")
    desk.answer(desk.ask())
    desk.unable = None
    assert desk.ask() is None
    assert len(desk.started) == 1


def test_a_tier_made_lower_lets_an_open_request_in(desk):
    asked = desk.ask()
    desk.change(Product("fraud", "d", "olga", "low", spec=spec("low"), framed_ms=1))
    assert desk.ask() is None
    assert len(desk.started) == 1
    assert asked.id != desk.promotions.approvals("fraud")[0].id


def test_going_live_overtakes_open_requests_of_its_own_and_older(desk):
    desk.add("3")
    asked = {version: desk.ask(version) for version in ("1", "2", "3")}
    over = desk.promotions.went_live("fraud", "2")
    assert {each.version for each in over} == {"1", "2"}
    with pytest.raises(Conflict, match="overtaken"):
        desk.answer(asked["1"])
    assert [each.version for each in desk.promotions.inbox()] == ["3"]
    assert desk.promotions.went_live("fraud", "2") == []


def test_the_inbox_shows_what_is_open(desk):
    asked = desk.ask()
    assert desk.promotions.inbox() == [asked]
    desk.answer(asked)
    assert desk.promotions.inbox() == []


def test_requests_are_listed_newest_first(desk):
    asked = [desk.ask("1"), desk.ask("2")]
    assert desk.promotions.approvals("fraud") == asked[::-1]
    assert desk.promotions.approvals("other") == []


def shown(rows):
    return [(row["version"], row["role"], row["share"]) for row in rows]


def test_who_was_live_is_told_from_the_journal_alone(desk):
    assert desk.promotions.live_at(desk.clock.now_ms()) == []
    desk.answer(desk.ask("1"), note="looked at it")
    first = desk.deploy(("1", "champion", 1.0))
    desk.answer(desk.ask("2", by="bob"), "eve")
    canary = desk.deploy(("1", "champion", 0.9), ("2", "canary", 0.1), reason="step 1")
    wider = desk.deploy(("1", "champion", 0.5), ("2", "canary", 0.5), reason="step 2")
    second = desk.deploy(("2", "champion", 1.0))
    none = desk.deploy()
    with desk.records.writing() as unit:  # the records may say what they like
        for noun in ("approval", "version"):
            for record in unit.find(noun):
                unit.delete(noun, record.key)
    live = desk.promotions.live_at
    assert live(first - 1) == []
    (row,) = live(first)
    assert (row["product"], row["version"], row["since_ms"]) == ("fraud", "1", first)
    assert (row["asked_by"], row["approved_by"], row["needs"]) == ("grace", ["rita"], 1)
    assert row["notes"] == ["looked at it"]
    assert shown(live(canary)) == [("2", "canary", 0.1), ("1", "champion", 0.9)]
    both = live(wider)
    assert shown(both) == [("2", "canary", 0.5), ("1", "champion", 0.5)]
    assert [row["since_ms"] for row in both] == [canary, first]
    (row,) = live(second)
    assert (row["version"], row["since_ms"]) == ("2", second)
    assert (row["asked_by"], row["approved_by"]) == ("bob", ["eve"])
    assert live(none) == []


def test_what_was_let_in_by_its_gates_has_no_approver():
    desk = Desk("low")
    desk.ask()
    (row,) = desk.promotions.live_at(desk.deploy(("1", "champion", 1.0)))
    assert (row["asked_by"], row["approved_by"], row["needs"]) == ("grace", [], 0)


def test_a_later_request_changes_nothing_in_the_past(desk):
    desk.answer(desk.ask())
    then = desk.deploy(("1", "champion", 1.0))
    desk.change(replace(load(desk.records, Rollout, "fraud/1/1"), state=RolloutState.DONE))
    desk.answer(desk.ask(by="mallory"), "bob")
    later = desk.deploy(("1", "champion", 1.0), reason="again")
    for moment in (then, later):
        (row,) = desk.promotions.live_at(moment)
        assert (row["asked_by"], row["approved_by"]) == ("grace", ["rita"])


def test_what_nobody_asked_for_says_so(desk):
    (row,) = desk.promotions.live_at(
        desk.deploy(("7", "champion", 1.0), by="ops", reason="by hand")
    )
    assert (row["approval"], row["changed_by"], row["reason"]) == ("", "ops", "by hand")


def test_all_that_was_written_is_one_whole_chain(desk):
    desk.answer(desk.ask())
    assert desk.journal.verify().ok
    with desk.records.reading() as unit:
        assert len(find(unit, Approval)) == 1
