"""Simplestreams servers that want credentials, from the client; and indexes that are fetched once."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.busybox_images import tiny_image
from tests.daemon_process import running_daemon
from tests.fakes import fault_server as faulty
from tests.fakes.fault_server import Answer, FaultServer
from tests.fakes.streams_tree import StreamsTree
from tests.fakes.tls_identity import Identity, make_identity
from tests.rest import Rest

SECRET = "t0ken-of-the-client"
INDEX, PRODUCTS = "/streams/v1/index.json", "/streams/v1/images.json"


class Private(FaultServer):
    """Answers 401 to whoever doesn't show ``wanted``."""

    wanted = f"Bearer {SECRET}"

    def find(self, answer: Answer) -> faulty.Resource | None:
        if self.wanted and answer.headers.get("Authorization") != self.wanted:
            return faulty.Resource(b"no", status=401)
        return super().find(answer)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture
def web(identity: Identity) -> Iterator[Private]:
    tree = StreamsTree()
    tree.unified(tree.product("tiny/1"), "20260101_0000", tiny_image(1))
    with Private(identity.server_context()) as server:
        tree.publish(server)
        yield server


Lxc = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def lxc(tmp_path: Path, web: Private, identity: Identity) -> Lxc:
    """Our ``lxc`` with a remote ``corp``, whose certificate is pinned."""
    conf = tmp_path / "conf"
    (conf / "servercerts").mkdir(parents=True)
    (conf / "servercerts/corp.crt").write_text(identity.pem)
    (conf / "config.yml").write_text(
        f"default-remote: local\nremotes:\n  corp:\n    addr: {web.url}\n    protocol: simplestreams\n"
        "    public: true\n"
        "  lxdish:\n    addr: https://127.0.0.1:9\n    public: true\naliases: {}\n"
    )
    environment = {**os.environ, "LXD_CONF": str(conf), "LXD_GLOBAL_CONF": str(tmp_path / "none")}

    def run(*words: str, stdin: bytes = b"", check: bool = True, **more: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-I", "-m", "azekura.cli.main", *words]
        done = subprocess.run(command, env={**environment, **more}, input=stdin, capture_output=True, timeout=60)
        assert not check or done.returncode == 0, done.stderr.decode()
        assert SECRET.encode() not in done.stdout + done.stderr
        return done

    return run


def listed(lxc: Lxc) -> list[str]:
    return [image["fingerprint"] for image in json.loads(lxc("image", "list", "corp:", "-f", "json").stdout)]


def test_a_private_stream_is_read_with_a_token(lxc: Lxc, web: Private, tmp_path: Path) -> None:
    refused = lxc("image", "list", "corp:", check=False)
    assert refused.returncode == 1
    assert b"not authorized" in refused.stderr
    token = tmp_path / "token"
    token.write_text(SECRET + "\n")
    lxc("remote", "set-credentials", "corp", "--bearer-file", str(token))
    kept = tmp_path / "conf/credentials.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert len(listed(lxc)) == 1
    assert b"tiny" in lxc("image", "info", "corp:tiny/1").stdout.lower()
    lxc("image", "export", "corp:tiny/1", str(tmp_path / "exported"))
    assert (tmp_path / "exported.tar.gz").read_bytes() == tiny_image(1)
    assert SECRET not in (tmp_path / "conf/config.yml").read_text()
    lxc("remote", "unset-credentials", "corp:")
    assert SECRET not in kept.read_text()
    web.faults.clear()
    assert lxc("remote", "unset-credentials", "corp", check=False).returncode == 1


def test_a_user_and_a_password_from_standard_input(lxc: Lxc, web: Private) -> None:
    web.wanted = "Basic bWU6eA=="
    lxc("remote", "set-credentials", "corp", "--user", "me", "--password-file", "-", stdin=b"x\n")
    assert len(listed(lxc)) == 1


def test_credentials_by_url_serve_the_remote_with_that_url(lxc: Lxc, web: Private) -> None:
    lxc("remote", "set-credentials", f"{web.url}/", "--bearer-file", "-", stdin=SECRET.encode())
    assert len(listed(lxc)) == 1


def test_credentials_follow_their_remotes_name(lxc: Lxc, tmp_path: Path) -> None:
    lxc("remote", "set-credentials", "corp", "--bearer-file", "-", stdin=SECRET.encode())
    lxc("remote", "rename", "corp", "company")
    assert len(json.loads(lxc("image", "list", "company:", "-f", "json").stdout)) == 1
    lxc("remote", "remove", "company")
    assert SECRET not in (tmp_path / "conf/credentials.json").read_text()


def test_an_unchanged_index_is_not_fetched_again(lxc: Lxc, web: Private) -> None:
    web.wanted = ""
    first = listed(lxc)
    once = web.sent(PRODUCTS) + web.sent(INDEX)
    assert once
    assert listed(lxc) == first
    lxc("image", "info", "corp:tiny/1")
    assert web.sent(PRODUCTS) + web.sent(INDEX) == once


def test_a_silent_server_is_warned_about_and_its_index_used(lxc: Lxc, web: Private) -> None:
    web.wanted = ""
    first = listed(lxc)
    web.script(INDEX, faulty.status(500))
    done = lxc("image", "list", "corp:", "-f", "json")
    assert [image["fingerprint"] for image in json.loads(done.stdout)] == first
    assert done.stderr.decode().startswith("Warning: Using the kept index of ")
    web.script(INDEX, faulty.status(500))
    assert lxc("image", "list", "corp:", "-f", "json", "--quiet").stderr == b""


def test_without_a_folder_of_its_own_the_client_keeps_indexes_in_the_users_cache(
    lxc: Lxc, web: Private, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azekura.cli.remote_images import cache_folder

    monkeypatch.delenv("LXD_CONF", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache/azekura"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/azekura"


def test_another_certificate_than_the_pinned_one_is_refused(lxc: Lxc, web: Private, tmp_path: Path) -> None:
    web.wanted = ""
    web.context = make_identity(tmp_path).server_context()
    done = lxc("image", "list", "corp:", check=False)
    assert b"another certificate than the one pinned" in done.stderr
    assert web.seen == []


@pytest.mark.parametrize(
    ("words", "stdin", "reason"),
    [
        (["corp"], "", "Say what to show"),
        (["corp", "--user", "me"], "", "--user and --password-file belong together"),
        (["corp", "--certificate", "/dev/null"], "", "Say what to show"),
        (["corp", "--bearer-file", "/nosuch"], "", "Can't read /nosuch"),
        (["corp", "--bearer-file", "-"], "", "must hold the secret on one line"),
        (["corp", "--bearer-file", "-"], f"{SECRET}\nmore\n", "must hold the secret on one line"),
        (["corp", "--user", "me", "--password-file", "-", "--bearer-file", "-"], SECRET, "must hold the secret"),
        (["nosuch", "--bearer-file", "-"], SECRET, 'remote "nosuch" doesn\'t exist'),
        (["local", "--bearer-file", "-"], SECRET, "takes no credentials"),
        (["lxdish", "--bearer-file", "-"], SECRET, "we show our own certificate"),
        (["http://example.org", "--bearer-file", "-"], SECRET, "over HTTPS alone"),
        (["https://me:x@example.org", "--bearer-file", "-"], SECRET, "credentials don't belong in it"),
    ],
)
def test_what_can_not_be_is_refused(lxc: Lxc, tmp_path: Path, words: list[str], stdin: str, reason: str) -> None:
    done = lxc("remote", "set-credentials", *words, stdin=stdin.encode(), check=False)
    assert done.returncode == 1
    assert reason in done.stderr.decode()
    assert not (tmp_path / "conf/credentials.json").exists()


def test_a_daemon_is_given_its_own_credentials(lxc: Lxc, web: Private, identity: Identity, tmp_path: Path) -> None:
    with running_daemon() as daemon:
        here = {"LXD_DIR": str(daemon.folder), "LXD_SOCKET": ""}
        assert b"not authorized" in lxc("image", "copy", "corp:tiny/1", "local:", check=False, **here).stderr
        lxc(
            "remote",
            "set-credentials",
            "corp",
            "--bearer-file",
            "-",
            "--server",
            "local:",
            stdin=SECRET.encode(),
            **here,
        )
        assert not (tmp_path / "conf/credentials.json").exists()
        lxc("image", "copy", "corp:tiny/1", "local:", **here)
        rest = Rest(daemon.folder / "unix.socket")
        assert rest.get("credentials").metadata == [web.url]
        lxc("remote", "unset-credentials", "corp", "--server", "local", **here)
        assert rest.get("credentials").metadata == []
        assert SECRET not in daemon.log.read_text()
