from __future__ import annotations

from pathlib import Path

import pytest

from azekura.errors import HostError
from azekura.remotes.credentials import Basic, Bearer, ClientCertificate, Credentials, CredentialStore


def test_credentials_come_back_as_they_were_saved(tmp_path: Path) -> None:
    store = CredentialStore(tmp_path / "deep" / "credentials.json")
    kept = {
        "https://a": Credentials(Bearer("t")),
        "b": Credentials(Basic("u", ":pä"), ClientCertificate("c", "k"), "ca"),
        "c": Credentials(),
    }
    for name, credentials in kept.items():
        store.save(name, credentials)
    assert {name: store.load(name) for name in store.names()} == kept
    store.remove("b")
    store.remove("b")
    assert store.load("b") is None
    assert store.names() == ["c", "https://a"]


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    CredentialStore(path).save("a", Credentials(Bearer("t")))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["credentials.json"]


def test_a_file_open_to_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    store = CredentialStore(path)
    store.save("a", Credentials(Bearer("t")))
    path.chmod(0o640)
    with pytest.raises(HostError, match="open to other users"):
        store.load("a")


@pytest.mark.parametrize(
    "content", ["", "[]", '{"version":1}', '{"version":2,"remotes":{}}', '{"version":1,"remotes":[]}']
)
def test_a_damaged_file_is_refused_without_quoting_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(HostError, match="damaged"):
        CredentialStore(path).names()


def test_damaged_credentials_of_one_remote_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text('{"version":1,"remotes":{"a":{"basic":["sec"]}, "b": 7}}')
    path.chmod(0o600)
    for name in "ab":
        with pytest.raises(HostError, match="damaged") as caught:
            CredentialStore(path).load(name)
        assert "sec" not in str(caught.value)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(HostError):
        CredentialStore(tmp_path / "link").names()
