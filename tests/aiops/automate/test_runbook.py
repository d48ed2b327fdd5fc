"""A runbook is read whole, or refused with everything that is wrong with it, by line and column."""

from __future__ import annotations

import pytest

from peers.runbooks import RESTART, Doer, house_actors
from twinhelm.aiops.automate.pattern import fault_of, taken
from twinhelm.aiops.automate.runbook import Deed, Level, read_runbook
from twinhelm.aiops.clean import redacted
from twinhelm.core.errors import BadInput, TooLarge

ACTORS = house_actors(Doer())


def read(text):
    return read_runbook(text, "r.toml", ACTORS, hidden=redacted)


def refused(old, new, text=RESTART):
    assert old in text
    with pytest.raises(BadInput) as caught:
        read(text.replace(old, new))
    return caught.value.message


def test_a_sound_one_is_read_whole():
    made = read(RESTART)
    assert (made.name, made.runbook.level, made.verify.within_s) == ("restart", Level.ASK, 300)
    assert made.parameters["service"].from_ == "suspect.name"
    assert isinstance(made.steps[0].undo, Deed)
    assert made.steps[0].undo.arguments == {"what": "start {service} as {did.before}"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('do = "doer"\nargu', 'do = "dooer"\nargu', "r.toml:14:1: nobody knows how to do 'dooer'"),
        ('name = "stop"', 'name = "stop"\nnext = "stop"', "there is no key steps[1].next"),
        ('name = "stop"', 'name = "stop"\ngoto = "stop"', "there is no key steps[1].goto"),
        ('do = "doer"\nargu', 'do = "runbook"\nargu', "nobody knows how to do 'runbook'"),
        ("undo = {", "after_ = {", "there is no key steps[1].after_"),
        ('undo = { do = "doer", arguments = { what = "start {service} as {did.before}" } }', "",
         "r.toml:12:3: stop changes something: say how to undo it"),
        ('undo = { do = "doer", arguments = { what = "start {service} as {did.before}" } }',
         'undo = "none"', "say with because = why stop cannot be undone"),
        ('what = "stop {service}"', 'what = "stop {servise}"', "the parameter servise is not decl"),
        ('what = "stop {service}"', 'what = "stop {did.before}"', "only an undo knows"),
        ('what = "stop {service}"', 'what = "password=hunter2x {service}"', "secret in clear text"),
        ('what = "stop {service}"', 'what = "stop {service}", api_key = "abc123"', "clear text"),
        ('what = "stop {service}"',
         'what = "stop {service}", argv = ["--token", "hunter2x"]', "clear text"),
        ('pattern = "[a-z][a-z0-9-]{0,40}"', "", "r.toml:9:2: parameters.service.pattern is miss"),
        ('pattern = "[a-z][a-z0-9-]{0,40}"', 'pattern = ".*"', "which takes anything"),
        ('pattern = "[a-z][a-z0-9-]{0,40}"', 'pattern = "([a-z]+)+"', "a group is repeated"),
        ('from = "suspect.name"', 'from = "suspect.nmae"', "did you mean suspect.name?"),
        ('from = "suspect.name"', 'from = "log.body"', "there is no fact 'log.body'"),
        ('resource = ["memory"]\nentity = ["service:[a-z/-]+"]', "", "for no incident in pa"),
        ('resource = ["memory"]', 'resource = ["memroy"]', "when.resource[1] is 'memroy'"),
        ('entity = ["service:[a-z/-]+"]', 'entity = ["service:.*"]', "r.toml:7:1: the pattern"),
        ('before = [{ do = "look", ', 'before = [{ do = "doer", ', "doer is no check"),
        ('level = "ask"', 'level = "always"', "it must be 'suggest', 'ask' or 'act'"),
        ("within_s = 300", "within_s = inf", "it must be a finite number"),
    ],
)  # fmt: skip
def test_what_does_not_hold_together_is_refused_by_its_place(old, new, said):
    assert said in refused(old, new)


def test_a_parameter_that_nobody_uses_is_told():
    more = '[parameters.other]\nfrom = "incident.id"\npattern = "[0-9]+"\n[[steps]]'
    assert "other is declared and never used" in refused("[[steps]]", more)


def test_all_that_is_wrong_is_told_at_once():
    told = refused('do = "doer"\nargu', 'do = "x"\nnext = 1\nsize = 2\nargu')
    assert len(told.splitlines()) == 2


def test_a_name_of_a_secret_is_none():
    assert read(RESTART.replace('what = "stop', 'token = "secret:api", what = "stop'))


def test_limits_on_size():
    with pytest.raises(TooLarge):
        read("#" * 64_001)
    step = RESTART[RESTART.index("[[steps]]") : RESTART.index("[verify]")]
    many = "".join(step.replace('"stop"', f'"stop-{number}"') for number in range(41))
    with pytest.raises(BadInput, match="at most 40 items"):
        read(RESTART.replace(step, many))
    slow = step.replace('"stop"', '"slow-NUMBER"') + "timeout_s = 3600\n"
    many = "".join(slow.replace("NUMBER", str(number)) for number in range(30))
    assert "longer than 24 h" in refused(step, many)


@pytest.mark.parametrize(
    "pattern",
    ["[a-z]+", "(?:shop/)?([a-z0-9-]{1,40})", r"(a|b)\d{1,3}", r"/var/[a-z/]+", r"a\.b", "x?y*"],
)
def test_patterns_that_name_their_characters_are_fine(pattern):
    assert fault_of(pattern) == ""


@pytest.mark.parametrize(
    "pattern",
    [".+", "[^a]", r"\S+", r"\W", r"[\S]", "(a+)+", "(a|b)*", "(?=a)a", r"(a)\1", "a" * 301, "[a",
     "a++", "(?i)a", "(?P<x>a)", r"[\D]", "(a){2,}", r"\s", "*"],
)  # fmt: skip
def test_patterns_that_take_anything_or_run_for_ever_are_not(pattern):
    assert fault_of(pattern)


@pytest.mark.parametrize("text", ["", "cart\n", "cart; reboot", "../cart", "cärt", "a" * 501])
def test_a_pattern_takes_a_text_whole_or_not_at_all(text):
    assert taken("[a-z]+", text) is None
