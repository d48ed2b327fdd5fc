"""Settings: which source wins, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import BaseModel

from twinhelm.core.errors import BadInput
from twinhelm.core.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine that runs the tests comes in."""
    for name in os.environ:
        if name.startswith("TWINHELM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def written(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "twinhelm.toml"
    file.write_text(text)
    return file


def test_without_any_source_the_defaults_hold():
    assert load_settings().model_dump() == Settings().model_dump()
    assert load_settings().server.listen == "127.0.0.1:9700"


def test_the_file_in_the_data_directory_beats_the_defaults(tmp_path):
    written(tmp_path / "d", '[server]\nlisten = "127.0.0.1:1"\n')
    assert load_settings({"data": tmp_path / "d"}).server.listen == "127.0.0.1:1"


def test_the_environment_beats_the_file(tmp_path, monkeypatch):
    written(tmp_path / "d", "[host]\ninterval_s = 7\ntop_processes = 3\n")
    monkeypatch.setenv("TWINHELM_DATA", str(tmp_path / "d"))
    monkeypatch.setenv("TWINHELM_HOST__INTERVAL_S", "9")
    host = load_settings().host
    assert (host.interval_s, host.top_processes) == (9.0, 3)


def test_a_flag_beats_the_environment(monkeypatch):
    monkeypatch.setenv("TWINHELM_HOST__INTERVAL_S", "9")
    assert load_settings({"host": {"interval_s": 11}}).host.interval_s == 11


def test_each_setting_knows_which_source_set_it(tmp_path, monkeypatch):
    written(tmp_path / "d", "[host]\ninterval_s = 7\ntop_processes = 10\n[detect]\ntick_s = 2\n")
    monkeypatch.setenv("TWINHELM_HOST__INTERVAL_S", "9")
    monkeypatch.setenv("TWINHELM_AUTH", '{"session_hours": 3}')
    found = load_settings({"data": tmp_path / "d", "detect": {"tick_s": 1}})
    told = {
        "data": "flag",
        "detect.tick_s": "flag",
        "host.interval_s": "environment",
        "auth.session_hours": "environment",
        "host.top_processes": "file",  # also where it says what the default says
        "host.enabled": "default",
    }
    assert {name: found.source_of(name) for name in told} == told
    assert Settings(data=tmp_path).source_of("data") == "default"


def test_the_named_file_is_read_instead(tmp_path, monkeypatch):
    monkeypatch.setenv("TWINHELM_CONFIG", str(written(tmp_path / "e", "[detect]\ntick_s = 2\n")))
    assert load_settings().detect.tick_s == 2


def test_a_named_file_that_is_absent_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TWINHELM_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(BadInput, match=r"none\.toml does not exist"):
        load_settings()


def test_a_file_that_is_not_toml_is_refused_by_name(tmp_path):
    file = written(tmp_path / "d", "[server\n")
    with pytest.raises(BadInput, match=str(file)):
        load_settings({"data": tmp_path / "d"})


@pytest.mark.parametrize(
    ("flags", "where"),
    [
        ({"server": {"lissten": "x"}}, "server.lissten"),
        ({"host": {"interval_s": 0.1}}, "host.interval_s"),
        ({"detect": {"sensitivity": 1.5}}, "detect.sensitivity"),
        ({"tracing": {"log_level": "loud"}}, "tracing.log_level"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_bad_setting_is_named(flags, where):
    with pytest.raises(BadInput, match=where):
        load_settings(flags)


def test_lists_in_the_environment_are_json(monkeypatch):
    monkeypatch.setenv("TWINHELM_SERVER__ALLOWED_HOSTS", '["watch.example.org"]')
    assert load_settings().server.allowed_hosts == ["watch.example.org"]


def test_settings_do_not_change_once_read():
    with pytest.raises(ValueError, match="frozen"):
        load_settings().server.listen = "0.0.0.0:1"


def test_every_setting_says_what_it_means():
    wrong = []
    for name, info in Settings.model_fields.items():
        section = info.annotation
        group = isinstance(section, type) and issubclass(section, BaseModel)
        for key, field in section.model_fields.items() if group else [(name, info)]:
            if len((field.description or "").split()) < 3:
                wrong.append(f"{name}.{key}")
    assert not wrong
