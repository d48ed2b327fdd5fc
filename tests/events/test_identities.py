"""People, sessions, links and tokens: who gets in, for how long, and what is written down."""

from __future__ import annotations

import getpass
import threading
from dataclasses import replace

import pytest

from peers.memory_records import MemoryRecords
from twinhelm.core import json
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import BadInput, Conflict, NotFound, Overloaded, Unauthenticated
from twinhelm.core.roles import Identity, Role
from twinhelm.core.settings import AuthSettings
from twinhelm.events.identities import Identities
from twinhelm.events.journal import Journal

PASSWORD = "correct horse battery"
OTHER = "staple of the trade"
ADMIN = [Role.ADMIN]
VIEWER = [Role.VIEWER]


class House:
    """Identities over records in memory, and what a test wants to look at."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.records = MemoryRecords()
        self.journal = Journal(self.records, self.clock)
        self.ids = self.again()

    def again(self) -> Identities:
        """Another process on the same records."""
        return Identities(self.journal, self.records, self.clock, AuthSettings(session_hours=12.0))

    def kinds(self) -> list[str]:
        return [row.kind for row in self.journal.read()]


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def ada(house) -> House:
    house.ids.add_person("ada", ADMIN, PASSWORD, "test")
    return house


def test_a_person_signs_in_with_the_password(ada):
    secret = ada.ids.sign_in("ada", PASSWORD)
    assert ada.ids.resolve_session(secret) == Identity("ada", frozenset(ADMIN), "session")
    assert ada.kinds() == ["person.added", "session.signed_in"]


@pytest.mark.parametrize(
    ("name", "password"),
    [("ada", OTHER), ("ada", ""), ("bob", PASSWORD), ("", ""), ("ada\x00", PASSWORD)],
)
def test_a_wrong_name_or_password_is_told_apart_by_nothing(ada, name, password):
    with pytest.raises(Unauthenticated) as caught:
        ada.ids.sign_in(name, password)
    assert caught.value.message == "the name or the password is wrong"
    assert ada.kinds()[-1] == "session.sign_in_failed"


def test_an_unknown_name_costs_a_hash_as_well(ada, monkeypatch):
    asked = []
    matches = ada.ids._passwords.matches
    monkeypatch.setattr(
        ada.ids._passwords, "matches", lambda kept, p: asked.append(kept) or matches(kept, p)
    )
    for name in ("ada", "nobody"):
        with pytest.raises(Unauthenticated):
            ada.ids.sign_in(name, OTHER)
    assert asked[0].startswith("$argon2id$")
    assert asked[1] is None


def test_a_person_without_a_password_cannot_use_one(house):
    house.ids.add_person("bob", VIEWER, None, "test")
    for password in ("", PASSWORD):
        with pytest.raises(Unauthenticated):
            house.ids.sign_in("bob", password)


def test_guessing_is_slowed_and_forgiven(ada):
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            ada.ids.sign_in("ada", OTHER)
    with pytest.raises(Overloaded) as caught:
        ada.ids.sign_in("ada", PASSWORD)
    assert caught.value.status == 429
    ada.clock.advance(caught.value.retry_after_s)
    ada.ids.sign_in("ada", PASSWORD)
    with pytest.raises(Unauthenticated):
        ada.ids.sign_in("ada", OTHER)


def test_guessing_never_waits_more_than_a_minute(ada):
    for _ in range(14):
        ada.clock.advance(60.0)
        with pytest.raises(Unauthenticated):
            ada.ids.sign_in("ada", OTHER)
    with pytest.raises(Overloaded) as caught:
        ada.ids.sign_in("ada", OTHER)
    assert caught.value.retry_after_s == 60.0


def test_guessing_one_name_does_not_slow_another(ada):
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            ada.ids.sign_in("bob", OTHER)
    ada.ids.sign_in("ada", PASSWORD)


def test_a_session_ends_by_the_clock(ada):
    secret = ada.ids.sign_in("ada", PASSWORD)
    ada.clock.advance(12 * 3600 - 0.001)
    assert ada.ids.resolve_session(secret) is not None
    ada.clock.advance(0.001)
    assert ada.ids.resolve_session(secret) is None


def test_expired_sessions_are_tidied_away(ada):
    ada.ids.sign_in("ada", PASSWORD)
    ada.clock.advance(13 * 3600)
    ada.ids.sign_in("ada", PASSWORD)
    with ada.records.reading() as unit:
        assert unit.count("session") == 1


def test_signing_out_ends_the_session_at_once(ada):
    secret = ada.ids.sign_in("ada", PASSWORD)
    assert ada.ids.resolve_session(secret)
    ada.ids.sign_out(secret)
    ada.ids.sign_out(secret)
    assert ada.ids.resolve_session(secret) is None
    assert ada.kinds().count("session.signed_out") == 1


@pytest.mark.parametrize("secret", ["", "nonsense", "\ud800", "x" * 100_000])
def test_an_unknown_session_is_nobodys(ada, secret):
    assert ada.ids.resolve_session(secret) is None


def test_a_change_of_roles_holds_in_open_sessions(ada):
    ada.ids.add_person("bob", VIEWER, PASSWORD, "ada")
    secret = ada.ids.sign_in("bob", PASSWORD)
    assert ada.ids.resolve_session(secret).roles == frozenset(VIEWER)
    ada.ids.set_roles("bob", [Role.OPERATOR, Role.APPROVER], "ada")
    assert ada.ids.resolve_session(secret).roles == {Role.OPERATOR, Role.APPROVER}
    (row,) = ada.journal.read(kind="person.roles_changed")
    assert (row.body["before"], row.body["after"]) == (["viewer"], ["approver", "operator"])


def test_a_removed_person_is_out_at_once(ada):
    ada.ids.add_person("bob", VIEWER, PASSWORD, "ada")
    secret = ada.ids.sign_in("bob", PASSWORD)
    assert ada.ids.resolve_session(secret)
    ada.ids.remove_person("bob", "ada")
    assert ada.ids.resolve_session(secret) is None
    with pytest.raises(Unauthenticated):
        ada.ids.sign_in("bob", PASSWORD)
    assert [person.name for person in ada.ids.people()] == ["ada"]


def test_a_new_password_ends_sessions_and_the_old_password(ada):
    secret = ada.ids.sign_in("ada", PASSWORD)
    ada.ids.set_password("ada", OTHER, "ada")
    assert ada.ids.resolve_session(secret) is None
    with pytest.raises(Unauthenticated):
        ada.ids.sign_in("ada", PASSWORD)
    ada.ids.sign_in("ada", OTHER)


def test_the_last_admin_stays(ada):
    ada.ids.add_person("bob", VIEWER, None, "ada")
    with pytest.raises(Conflict, match="last admin"):
        ada.ids.remove_person("ada", "ada")
    with pytest.raises(Conflict, match="last admin"):
        ada.ids.set_roles("ada", VIEWER, "ada")
    ada.ids.set_roles("bob", ADMIN, "ada")
    ada.ids.remove_person("ada", "bob")
    assert [person.name for person in ada.ids.people()] == ["bob"]


def test_two_of_one_name_are_refused(ada):
    with pytest.raises(Conflict, match="ada"):
        ada.ids.add_person("ada", VIEWER, PASSWORD, "test")


def test_changing_nobody_is_refused(house):
    for change in (
        lambda: house.ids.remove_person("bob", "x"),
        lambda: house.ids.set_roles("bob", VIEWER, "x"),
        lambda: house.ids.set_password("bob", PASSWORD, "x"),
        lambda: house.ids.link_secret("bob", "x"),
        lambda: house.ids.revoke_token("bob", "x"),
    ):
        with pytest.raises(NotFound, match="bob"):
            change()
    assert house.kinds() == []


@pytest.mark.parametrize(
    "name", ["", " ", "a ", "a\n", "a\x00b", "\ud800", "a/b", "x" * 65, "system", "twinhelm"]
)
def test_an_unusable_name_is_refused(house, name):
    with pytest.raises(BadInput):
        house.ids.add_person(name, VIEWER, None, "test")
    with pytest.raises(BadInput):
        house.ids.create_token(name, VIEWER, "test")


@pytest.mark.parametrize("password", ["", "x" * 11, "x" * 1025])
def test_an_unusable_password_is_refused(house, password):
    with pytest.raises(BadInput, match="password"):
        house.ids.add_person("bob", VIEWER, password, "test")


def test_somebody_without_a_role_is_refused(house):
    with pytest.raises(BadInput, match="role"):
        house.ids.add_person("bob", [], None, "test")


def test_the_first_run_link_makes_one_admin_once(house):
    link = house.ids.first_run_link_secret()
    session = house.ids.redeem_link(link)
    who = house.ids.resolve_session(session)
    assert (who.name, who.roles) == (getpass.getuser(), frozenset(ADMIN))
    with pytest.raises(Unauthenticated):
        house.ids.redeem_link(link)
    assert house.ids.first_run_link_secret() is None
    assert house.kinds() == ["link.created", "person.added", "session.signed_in"]


def test_the_first_run_link_lasts_a_day(house):
    link = house.ids.first_run_link_secret()
    house.clock.advance(24 * 3600)
    with pytest.raises(Unauthenticated):
        house.ids.redeem_link(link)


def test_a_new_first_run_link_ends_the_one_before(house):
    before, after = house.ids.first_run_link_secret(), house.ids.first_run_link_secret()
    with pytest.raises(Unauthenticated):
        house.ids.redeem_link(before)
    house.ids.redeem_link(after)


def test_the_first_run_link_dies_with_the_first_person(house):
    link = house.ids.first_run_link_secret()
    house.ids.add_person("ada", ADMIN, PASSWORD, "test")
    with pytest.raises(Unauthenticated):
        house.ids.redeem_link(link)
    assert [person.name for person in house.ids.people()] == ["ada"]


def test_a_link_used_from_two_threads_signs_in_once(house):
    link = house.ids.first_run_link_secret()
    start, results = threading.Barrier(2), []

    def use() -> None:
        start.wait()
        try:
            results.append(house.ids.redeem_link(link))
        except Unauthenticated:
            results.append(None)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result is None for result in results) == [False, True]


def test_a_link_signs_a_person_in_without_a_password(ada):
    ada.ids.add_person("bob", VIEWER, None, "ada")
    link = ada.ids.link_secret("bob", "ada")
    assert ada.ids.resolve_session(ada.ids.redeem_link(link)).name == "bob"


def test_a_link_of_a_removed_person_is_void(ada):
    ada.ids.add_person("bob", VIEWER, None, "ada")
    link = ada.ids.link_secret("bob", "ada")
    ada.ids.remove_person("bob", "ada")
    with pytest.raises(Unauthenticated):
        ada.ids.redeem_link(link)


def test_a_token_opens_what_its_roles_say(house):
    secret = house.ids.create_token("prometheus", [Role.OPERATOR], "ada")
    assert secret.startswith("th_")
    expected = Identity("prometheus", frozenset({Role.OPERATOR}), "token", "prometheus")
    assert house.ids.resolve_token(secret) == expected
    assert house.again().resolve_token(secret) == expected
    (token,) = house.ids.tokens()
    assert (token.name, token.created_by) == ("prometheus", "ada")


@pytest.mark.parametrize("secret", ["", "th_", "th_nonsense", "\ud800", "x" * 100_000])
def test_an_unknown_token_is_refused(house, secret):
    with pytest.raises(Unauthenticated):
        house.ids.resolve_token(secret)


def test_tokens_of_a_person_act_in_their_name_and_end_with_them(ada):
    ada.ids.add_person("ann", [Role.APPROVER], None, "ada")
    first = ada.ids.create_token("ann-laptop", [Role.APPROVER], "ada", "ann")
    second = ada.ids.create_token("ci", [Role.OPERATOR], "ada", "ann")
    other = ada.ids.create_token("scraper", [Role.OPERATOR], "ada")
    found = [ada.again().resolve_token(secret) for secret in (first, second)]
    assert [(one.name, one.token) for one in found] == [("ann", "ann-laptop"), ("ann", "ci")]
    assert found[1].roles == {Role.OPERATOR}
    assert {one.name: one.person for one in ada.ids.tokens()} == {
        "ann-laptop": "ann", "ci": "ann", "scraper": "",
    }  # fmt: skip
    with pytest.raises(NotFound, match="no person"):
        ada.ids.create_token("t", VIEWER, "ada", "nobody")
    assert ada.ids.resolve_token(first).name == "ann"  # hot
    ada.ids.remove_person("ann", "ada")
    for secret in (first, second):
        with pytest.raises(Unauthenticated):
            ada.ids.resolve_token(secret)
    assert ada.ids.resolve_token(other).name == "scraper"
    assert ada.kinds()[-3:] == ["token.revoked", "token.revoked", "person.removed"]


def test_a_token_made_before_tokens_had_people_is_a_program_s(house):
    secret = house.ids.create_token("old", VIEWER, "ada")
    with house.records.writing() as unit:
        record = unit.get("token", "old")
        unit.put(replace(record, body={"roles": ["viewer"], "by": "ada"}))
    assert house.again().resolve_token(secret).name == "old"
    assert house.ids.tokens()[0].person == ""


def test_a_revoked_token_opens_nothing_at_once(house):
    secret = house.ids.create_token("t", VIEWER, "ada")
    house.ids.resolve_token(secret)
    house.ids.revoke_token("t", "ada")
    with pytest.raises(Unauthenticated):
        house.ids.resolve_token(secret)
    assert house.ids.tokens() == []


def test_a_token_revoked_elsewhere_is_noticed_within_seconds(house):
    secret = house.ids.create_token("t", VIEWER, "ada")
    house.ids.resolve_token(secret)
    house.again().revoke_token("t", "ada")
    house.clock.advance(5.0)
    with pytest.raises(Unauthenticated):
        house.ids.resolve_token(secret)


def test_a_look_up_under_way_does_not_outlive_a_revocation(house, monkeypatch):
    secret = house.ids.create_token("t", VIEWER, "ada")
    look_up = house.ids._tokens._look_up

    def revoked_meanwhile(key: str) -> Identity | None:
        found = look_up(key)
        house.ids.revoke_token("t", "ada")
        return found

    monkeypatch.setattr(house.ids._tokens, "_look_up", revoked_meanwhile)
    house.ids.resolve_token(secret)
    monkeypatch.undo()
    with pytest.raises(Unauthenticated):
        house.ids.resolve_token(secret)


def test_a_hot_token_does_not_ask_the_database(house, monkeypatch):
    secret = house.ids.create_token("t", VIEWER, "ada")
    house.ids.resolve_token(secret)
    monkeypatch.setattr(house.ids._tokens, "_look_up", lambda key: pytest.fail("asked"))
    assert house.ids.resolve_token(secret).name == "t"


def test_two_tokens_of_one_name_are_refused(house):
    house.ids.create_token("t", VIEWER, "ada")
    with pytest.raises(Conflict, match="'t'"):
        house.ids.create_token("t", VIEWER, "ada")


def test_no_secret_is_ever_stored(ada):
    link = ada.ids.link_secret("ada", "ada")
    secrets = [
        PASSWORD,
        ada.ids.create_token("t", VIEWER, "ada"),
        ada.ids.sign_in("ada", PASSWORD),
        link,
    ]
    with ada.records.reading() as unit:
        kept = [unit.find(kind) for kind in ("person", "token", "session", "link")]
        text = json.dumps(
            [
                [[r.key, r.parent, r.state, dict(r.body)] for records in kept for r in records],
                [[row.subject, dict(row.body)] for row in unit.read_journal()],
            ]
        ).decode()
    assert not [secret for secret in secrets if secret in text]
    assert "argon2" in text
    journaled = json.dumps([dict(row.body) for row in ada.journal.read()]).decode()
    assert "argon2" not in journaled


def test_form_tokens_belong_to_one_session(ada):
    one, two = ada.ids.sign_in("ada", PASSWORD), ada.ids.sign_in("ada", PASSWORD)
    assert ada.ids.csrf_token(one) == ada.ids.csrf_token(one)
    assert ada.ids.csrf_token(one) != ada.ids.csrf_token(two)
    assert one not in ada.ids.csrf_token(one)


def test_all_of_it_is_in_a_journal_that_verifies(ada):
    ada.ids.sign_out(ada.ids.sign_in("ada", PASSWORD))
    ada.ids.create_token("t", VIEWER, "ada")
    ada.ids.revoke_token("t", "ada")
    result = ada.journal.verify()
    assert (result.ok, result.rows) == (True, 5)
