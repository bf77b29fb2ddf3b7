"""The client's settings: LXD's config.yml, plain and not so plain."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from azekura.client.config import Config, config_folder, socket_path
from azekura.client.config_file import dump, parse, parse_plain
from azekura.errors import InvalidRequest, NotFound

LXDS_OWN = """\
default-remote: local
remotes:
  images:
    addr: https://images.linuxcontainers.org
    protocol: simplestreams
    public: true
  local:
    addr: unix://
    public: false
aliases: {}
"""


def test_lxds_file_is_read_without_a_yaml_library() -> None:
    plain = parse_plain(LXDS_OWN)
    assert plain == yaml.safe_load(LXDS_OWN)
    code = (
        f"from azekura.client.config_file import parse; parse({LXDS_OWN!r}); import sys; print('yaml' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize(
    "text",
    [
        "a: 'quoted'",
        "a: 1",
        "a: 1.5",
        "a: 2020-01-01",
        "a: yes",
        "a: null",
        "a: ~",
        "a: x # comment",
        "# comment\na: x",
        "a: [b]",
        "a: {b: c}",
        "a:\n- b",
        "a: &x b",
        "a: |\n  text",
        "a: x\na: y",
        "a:\n   b: c",
        "a: x:",
        "? a\n: b",
        "a b: c",
        "yes: c",
        "a:",
        "\ta: b",
        "a: x  ",
        "a: café",
    ],
)
def test_what_is_not_plain_is_left_to_the_yaml_library(text: str) -> None:
    assert parse_plain(text) is None


_WORD = st.text("abcXYZ019-_./:@ ~#'\"[]{}", max_size=12)


@given(
    st.dictionaries(
        _WORD,
        st.one_of(_WORD, st.booleans(), st.dictionaries(_WORD, st.one_of(_WORD, st.booleans()), max_size=3)),
        max_size=4,
    )
)
def test_plain_reading_never_differs_from_yaml(value: dict[str, object]) -> None:
    text = dump(value)
    plain = parse_plain(text)
    assert plain is None or plain == yaml.safe_load(text)


@given(st.text("ab:- \n{}[]'\"0t", max_size=40))
def test_plain_reading_of_any_text_never_differs_from_yaml(text: str) -> None:
    plain = parse_plain(text)
    if plain is not None:
        assert plain == (yaml.safe_load(text) or {})


@pytest.mark.parametrize("text", ["a: [", "- a", "just text", "a: " + "x" * (2 << 20), "[" * 5000])
def test_broken_files_are_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(text)


def test_remotes_of_the_file_join_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text(
        "default-remote: r\nremotes:\n  r: {addr: 'https://h:8443', project: web, spare: 1}\nfuture: {x: 1}\n"
    )
    config = Config.load(str(tmp_path))
    assert config.default_remote == "r"
    assert sorted(config.remotes) == ["local", "r", "ubuntu", "ubuntu-daily"]
    assert config.remotes["ubuntu"].is_simplestreams
    assert config.split("r:a:b") == ("r", "a:b")
    assert config.split("name") == ("r", "name")
    with pytest.raises(NotFound, match='The remote "x" doesn\'t exist'):
        config.split("x:name")


def test_unknown_keys_survive_saving(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text("remotes:\n  r: {addr: 'https://h', spare: [1]}\nfuture: {x: 1}\naliases: {ll: list -c n}\n")
    config = Config.load(str(tmp_path))
    config.default_remote = "r"
    config.save()
    saved = yaml.safe_load(path.read_text())
    assert saved["future"] == {"x": 1}
    assert saved["remotes"]["r"]["spare"] == [1]
    assert saved["aliases"] == {"ll": "list -c n"}
    assert saved["default-remote"] == "r"
    assert "ubuntu" not in saved["remotes"]
    assert path.stat().st_mode & 0o077 == 0


def test_new_settings_have_the_remote_images(tmp_path: Path) -> None:
    config = Config.load(str(tmp_path))
    assert config.is_new
    assert "images" in config.remotes
    config.save()
    assert parse_plain((tmp_path / "config.yml").read_text()) is not None
    assert not Config.load(str(tmp_path)).is_new


def test_global_remotes_are_seen_and_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "global").mkdir()
    (tmp_path / "global/config.yml").write_text("remotes:\n  shared:\n    addr: https://shared\n    public: true\n")
    monkeypatch.setenv("LXD_GLOBAL_CONF", str(tmp_path / "global"))
    config = Config.load(str(tmp_path / "own"))
    assert config.remotes["shared"].is_global
    config.save()
    assert "shared" not in (tmp_path / "own/config.yml").read_text()


def test_environment_names_folder_socket_and_default_remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LXD_CONF", f"{tmp_path}/")
    monkeypatch.setenv("LXD_DIR", f"{tmp_path}/state/")
    monkeypatch.setenv("LXC_REMOTE", "ubuntu")
    assert config_folder() == str(tmp_path)
    assert socket_path() == f"{tmp_path}/state/unix.socket"
    assert Config.load().default_remote == "ubuntu"
    assert Config.load().server("local").url == f"unix://{tmp_path}/state/unix.socket"
    monkeypatch.setenv("LXD_SOCKET", "/run/x.socket")
    assert socket_path() == "/run/x.socket"


def test_simplestreams_remote_is_no_server_of_lxds_api(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="The remote isn't a private LXD server"):
        Config.load(str(tmp_path)).server("ubuntu")
