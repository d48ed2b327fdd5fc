"""The commands of messages: a plan is checked without a server, the rest asks a real one."""

from __future__ import annotations

from peers.plans import everything, rota

PLAN = """
[[channels]]
name = "ops"
kind = "slack"
secret = "secret:test-slack"
[[people]]
name = "ada"
channels = ["ops"]
"""
PLAN += rota("2020-01-06", "ada", more='zone = "Europe/Berlin"\n') + everything("rota:primary")


def test_a_sound_plan_is_told_with_who_is_on_call_and_what_is_missing(twinhelm, tmp_path):
    file = tmp_path / "notify.toml"
    file.write_text(PLAN)
    ran = twinhelm("notify", "check", file)
    assert ran.status == 0
    assert "is sound: 1 channel, 1 route" in ran.out
    assert "primary: ada" in ran.out
    assert "has 23 hours in Europe/Berlin" in ran.out
    assert "there is no secret 'test-slack'" in ran.out
    said = twinhelm("notify", "check", file, "--json").json
    assert said["on_call"] == {"primary": "ada"}


def test_a_plan_that_is_wrong_is_refused_by_line_and_column(twinhelm, tmp_path):
    file = tmp_path / "notify.toml"
    file.write_text(PLAN.replace("rota:primary", "rota:second"))
    ran = twinhelm("notify", "check", file)
    assert ran.status == 1
    assert "notify.toml:18:1: there is no second among rotas (primary)" in ran.err
    assert twinhelm("notify", "check", tmp_path / "none.toml").status == 1


def test_a_server_does_not_start_with_a_plan_that_is_wrong(twinhelm, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "notify.toml").write_text("[[routes]]\nname = 'x'\n")
    ran = twinhelm("up", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", "--no-host")
    assert ran.status == 1
    assert "notify.toml:1:3: routes[1].to is missing" in ran.err


def test_who_is_on_call_and_what_was_sent_is_asked_of_the_server(twinhelm, live):
    at = ("--data", live.data)
    assert "No rota is planned" in twinhelm("oncall", *at).out
    assert "No message was due" in twinhelm("notify", "sent", *at).out
    assert "0 incidents" in twinhelm("quality", "--last", "1d", *at).out
    ran = twinhelm("notify", "test", "ops", *at)
    assert ran.status == 1
    assert "the plan has no channel 'ops'" in ran.err


def test_a_window_is_planned_listed_and_ended(twinhelm, live):
    at = ("--data", live.data)
    planned = twinhelm(
        *("maintenance", "plan", "service:shop/*", "host:*", "--until", "9999-01-01"),
        *("--reason", "upgrade", *at),
    )
    assert planned.status == 1
    assert "cannot be" in planned.err
    now = twinhelm("status", "--json", *at).json["now_ms"]
    planned = twinhelm(
        *("maintenance", "plan", "service:shop/*", "host:*", "--until", str(now + 3_600_000)),
        *("--reason", "upgrade", "--json", *at),
    ).json
    assert planned["entities"] == ["service:shop/*", "host:*"]
    assert "upgrade" in twinhelm("maintenance", "list", *at).out
    weekly = twinhelm(
        *("maintenance", "plan", "host:*", "--until", str(now + 30 * 86_400_000), "--reason", "r"),
        *("--weekly", "sat,sun", "--hours", "22:00-02:00", "--zone", "Europe/Berlin", *at),
    )
    assert weekly.status == 0, weekly.err
    said = twinhelm("maintenance", "list", *at).out
    assert "sat, sun 22:00 to 02:00 Europe/Berlin" in " ".join(said.split())
    assert twinhelm("maintenance", "end", planned["id"], *at).status == 0
    assert twinhelm("maintenance", "end", planned["id"], *at).status == 1
