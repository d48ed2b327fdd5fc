"""Each source of toil: what is found in it, what is not, and what the draft would have done."""

from __future__ import annotations

import pytest
import yaml

from advise.seen import deed, firing, job, mending, past, reader, run, seen
from twinhelm.advise.draft import slug
from twinhelm.advise.find import FINDERS
from twinhelm.advise.find.chores import by_hand
from twinhelm.advise.find.ci import flaky, slow
from twinhelm.advise.find.deliveries import late, rebuilt, reverted
from twinhelm.advise.find.incidents import repeated, unbooked
from twinhelm.advise.find.repairs import trusted
from twinhelm.advise.find.rules import idle
from twinhelm.advise.trial import tried
from twinhelm.core.telemetry import Change

PRUNE = "sudo /usr/local/bin/prune --host db-{} --older 7d"


@pytest.fixture
def only(tmp_path):
    """``only(finder, seen)``: the one thing that it finds, tried on the past."""

    def find(finder, what):
        (found,) = finder(what)
        return tried(found, what, reader(tmp_path))

    return find


@pytest.mark.parametrize("finder", FINDERS)
def test_where_nothing_happened_nothing_is_found(finder):
    assert list(finder(seen())) == []


def mended(day, host=1, text=PRUNE):
    return past(day, deed(day, text.format(host)), entity=f"host:db-{host}")


def test_incidents_that_end_in_the_same_way_are_a_runbook(only):
    pasts = [mended(day, host) for day, host in ((1, 1), (5, 2), (9, 3), (12, 1))]
    pasts.append(past(14, deed(14, "systemctl restart ntpd")))
    found = only(repeated, seen(pasts=pasts))
    assert (found.hours, found.right) == (4.0, [one.ref for one in pasts[:4]])
    assert found.draft.runbook.steps[0].arguments == {
        "command": ["/usr/local/bin/prune", "--host", "{name}", "--older", "7d"]
    }
    # It would have run on the fifth too, where something else helped: that speaks against it.
    assert list(found.covered) == [one.ref for one in pasts]
    assert found.saved == 1.0
    assert found.same < 0.8
    assert any("something else was done" in text for text, _ in found.says_against)


@pytest.mark.parametrize(
    "text",
    [
        "find /var/log -name '*.gz' | xargs rm",
        "echo $(cat /etc/hosts) > /tmp/x; reboot",
        "prune --host {name}",
        "restarted the worker and told support",
    ],
)
def test_what_only_a_shell_or_a_person_understands_becomes_a_question(only, text):
    kind = "note" if text.startswith("restarted") else "command"
    pasts = [past(day, deed(day, f"sudo rm -r {text}" if kind == "command" else text, kind=kind))
             for day in (1, 2, 3)]  # fmt: skip
    found = only(repeated, seen(pasts=pasts))
    assert found.draft.runbook.steps[0].do == "ask"


def test_incidents_that_end_by_themselves_or_each_in_its_way_are_no_habit():
    assert list(repeated(seen(pasts=[past(day) for day in range(9)]))) == []
    notes = ("drained a node", "raised a limit", "waited")
    each = [past(day, deed(day, note, kind="note")) for day, note in enumerate(notes)]
    (found,) = repeated(seen(pasts=each))
    assert len(found.times) == 1  # less than three days; the desk leaves it out


def test_looking_and_developing_is_no_toil():
    texts = ("ls -la", "kubectl get pods", "git push", "sudo journalctl -u shop", "vim x", "df -h")
    assert list(by_hand(seen(deeds=[deed(day, text) for day, text in enumerate(texts * 5)]))) == []


def test_commands_of_one_shape_are_toil_once_in_ten_minutes(only):
    deeds = [deed(day, f"unlock --user {day}{day}", who=who)
             for day, who in ((1, "ann"), (1, "ann"), (4, "bob"), (9, "ann"))]  # fmt: skip
    found = only(by_hand, seen(deeds=deeds))
    assert (len(found.times), set(found.people)) == (3, {"ann", "bob"})
    assert found.hours == pytest.approx(0.5)
    assert found.key == "chore-unlock-user"


def test_tickets_cost_what_they_say(only):
    deeds = [deed(day, f"Unlock account of {day}", kind="ticket", hours=0.5) for day in (1, 2, 3)]
    assert only(by_hand, seen(deeds=deeds)).hours == pytest.approx(1.5)


def test_a_rule_that_nobody_acts_on_is_held_back_no_longer_than_what_was_acted_on(only):
    lazy = [firing(day, 5) for day in range(1, 10)] + [firing(11, 50)]
    found = only(idle, seen(firings=[*lazy, firing(12, 20, acted=True)]))
    (rule,) = yaml.safe_load(found.draft.text)["groups"][0]["rules"]
    assert rule["for"] == "360s"
    assert rule["expr"] == 'ALERTS{alertname="HighLoad",alertstate="firing"}'
    assert found.saved == pytest.approx(0.9)
    acted = [firing(day, 5, acted=day % 2 == 0) for day in range(10)]
    assert list(idle(seen(firings=acted))) == []


def test_alerts_without_a_runbook_are_told_of_where_nobody_left_a_word(only):
    took = deed(1, "", kind="note")
    pasts = [past(day, took, shows="Odd") for day in (1, 2, 3)]
    bare = [firing(day, 5, acted=True, name="Odd") for day in (1, 2, 3)]
    found = only(unbooked, seen(pasts=pasts, firings=bare))
    assert found.draft.runbook.steps[0].do == "ask"
    booked = [firing(day, 5, acted=True, booked=True, name="Odd") for day in (1, 2, 3)]
    assert list(unbooked(seen(pasts=pasts, firings=booked))) == []


def test_a_stage_is_flaky_where_the_same_commit_passed_later(only):
    changes = []
    for day in (1, 3, 5):
        changes += [job(day, f"c{day}", "failure"), job(day, f"c{day}", "success", at_min=45)]
    changes += [job(7, "real", "failure"), job(8, "fixed", "success")]
    reports = [
        Change(f"t{n}", 0, "ci", "", "", "junit", 0, "",
               {"type": "tests", "repo": "acme/shop", "commit": "c1", "failed": failed})
        for n, failed in enumerate(("cart.pays\ncart.sum", "cart.sum"))
    ]  # fmt: skip
    found = only(flaky, seen(changes=[*changes, *reports]))
    assert (len(found.times), found.same, found.hours) == (3, 0.75, pytest.approx(3 * 45 / 60))
    assert found.saved == pytest.approx(40 / 45)
    assert any("cart.pays" in text for text, _ in found.says_for)
    assert not any("cart.sum" in text for text, _ in found.says_for)
    assert "gh run rerun" in yaml.safe_load(found.draft.text)["jobs"]["rerun"]["steps"][0]["run"]
    real = [job(day, f"c{day}", "failure") for day in range(9)]
    assert list(flaky(seen(changes=real))) == []


def test_a_stage_is_slow_where_it_takes_most_of_its_workflow(only):
    changes = [job(day, f"c{day}", "success", minutes=30, name="e2e") for day in range(5)]
    changes += [job(day, f"c{day}", "success", minutes=3) for day in range(5)]
    found = only(slow, seen(changes=changes))
    assert "e2e" in found.text
    assert found.hours == pytest.approx(5 * 0.5 * 0.1)


def test_a_pipeline_that_failed_and_was_begun_again_is_a_runbook(only):
    changes = [run(day) for day in range(20) if day not in {4, 5, 9}]
    for day in (4, 5, 9):
        changes += [run(day, "failure"), run(day, hour=17)]
    did = [deed(day + 0.7, "airflow dags trigger orders", entity="host:etl") for day in (4, 5, 9)]
    found = only(late, seen(changes=changes, deeds=did))
    assert (len(found.times), found.same) == (3, 1.0)
    argv = ("/usr/bin/airflow", "dags", "trigger", "orders")
    assert tuple(found.draft.runbook.steps[0].arguments["command"]) == argv
    assert list(by_hand(seen(changes=changes, deeds=did))) == []
    assert list(late(seen(changes=[run(day) for day in range(20)]))) == []


def test_deploys_that_were_taken_back_ask_for_a_way_back(only):
    changes = []
    for day in (1, 4, 7, 9):
        deploy = {"repo": "acme/shop", "who": "ann"}
        changes.append(Change(f"d{day}", day * 86_400_000, "deploy", "service:shop", f"shop v{day}",
                              "github", None, "success", deploy))  # fmt: skip
        if day != 9:
            took = {"type": "push", "repo": "acme/shop", "reverts": "yes"}
            changes.append(Change(f"p{day}", day * 86_400_000 + 1_800_000, "ci", "", "", "github",
                                  None, "", took))  # fmt: skip
    found = only(reverted, seen(changes=changes))
    assert (len(found.times), found.hours) == (3, 1.5)
    assert found.draft.runbook.when.change == ("deploy",)


def test_models_built_by_hand_in_regular_steps_get_a_schedule(only):
    deeds = [deed(day, f"build {day} of churn", entity="model:churn", kind="build")
             for day in (1, 8, 15, 22)]  # fmt: skip
    found = only(rebuilt, seen(deeds=deeds))
    assert "every_hours = 168" in found.draft.text
    assert found.same == 1.0


def test_a_draft_that_its_reader_refuses_is_told_of_and_left_out(tmp_path):
    def refusing(text, where):
        return reader(tmp_path)("[runbook]", where)

    what = seen(pasts=[mended(day) for day in (1, 2, 3)])
    (found,) = repeated(what)
    left = tried(found, what, refusing)
    assert left.draft is None
    assert "no draft could be made" in left.says_against[-1][0]


def test_names_of_drafts_are_names():
    assert slug("Ünlock — the 'account'!", "x" * 90) == ("nlock-the-account-" + "x" * 90)[:60]


DAYS = (1, 4, 7, 10, 13)


def test_a_runbook_that_was_approved_every_time_may_act_by_itself(only):
    found = only(trusted, seen(repairs=[mending(day) for day in DAYS]))
    assert found.text == "prune was approved 5 times of 5: let it act by itself"
    assert (found.people, found.same, round(found.hours, 2)) == ({"ann"}, 1.0, 1.67)
    assert any("20 min" in text for text, _ in found.says_for)
    assert found.draft.text.endswith("twinhelm runbook level prune act\n")
    # One that did not help long ago makes it less sure, and no more than that.
    spoilt = [mending(day, verified=day != 1) for day in DAYS]
    assert only(trusted, seen(repairs=spoilt)).same == 0.8


@pytest.mark.parametrize(
    "last",
    [
        {"agrees": False},
        {"level": "act"},
        {"dangerous": True},
        {"asked_by": "ann"},
        {"digest": "another text"},
        {"environment": "staging"},
        {"answers": ()},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_people_refuse_or_must_see_or_do_not_see_any_more_stays_as_it_is(last):
    repairs = [mending(day) for day in DAYS[:3]]
    assert list(trusted(seen(repairs=[*repairs, mending(DAYS[3], **last)]))) == []


def test_one_that_asks_since_a_repair_did_not_help_has_it_to_earn_again():
    repairs = [mending(day, verified=day != 10) for day in DAYS]
    assert list(trusted(seen(repairs=repairs))) == []
