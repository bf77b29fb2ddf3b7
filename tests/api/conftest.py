"""Daemons for the tests of the REST API: a shared one, and a fresh one for a module where emptiness counts."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.busybox_images import tiny_image
from tests.daemon_process import Daemon, running_daemon
from tests.fakes.tls_identity import Identity, make_identity
from tests.rest import Rest

_NUMBERS = itertools.count(1000)


def assert_store_is_tidy(daemon: Daemon) -> None:
    """No half-made files, no blob without a row, and nothing unforeseen in the log."""
    log = daemon.log.read_text()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:4000]
    rest = Rest(daemon.folder / "unix.socket")
    stored = {path.name: path.stat().st_size for path in (daemon.folder / "images").rglob("*") if path.is_file()}
    assert sum(stored.values()) == rest.get("images/usage").metadata["stored"]
    assert all(len(name) == 64 for name in stored), stored


@pytest.fixture(scope="session")
def daemon() -> Iterator[Daemon]:
    """Shared: tests use images, aliases and profiles of their own and expect those of others."""
    with running_daemon() as one:
        yield one
        assert_store_is_tidy(one)


@pytest.fixture(scope="module")
def fresh_daemon() -> Iterator[Daemon]:
    """A daemon of this module alone."""
    with running_daemon() as one:
        yield one
        assert_store_is_tidy(one)


@pytest.fixture
def rest(daemon: Daemon) -> Rest:
    return Rest(daemon.folder / "unix.socket")


@pytest.fixture
def fresh(fresh_daemon: Daemon) -> Rest:
    return Rest(fresh_daemon.folder / "unix.socket")


@pytest.fixture
def new_image() -> Callable[[], bytes]:
    """Makes images that no other test has."""
    return lambda: tiny_image(next(_NUMBERS))


@pytest.fixture
def unique() -> str:
    """A name that no other test uses."""
    return f"n{next(_NUMBERS)}"


def listen(daemon: Daemon) -> int:
    """Have the daemon listen on a loopback port of the kernel's choice; that port."""
    rest = Rest(daemon.folder / "unix.socket")
    answer = rest.patch("/1.0", {"config": {"core.https_address": "127.0.0.1:0"}})
    assert answer.status == 200, answer.body
    return int(rest.get("/1.0").metadata["environment"]["addresses"][0].rpartition(":")[2])


@pytest.fixture(scope="session")
def tls_daemon() -> Iterator[tuple[Daemon, int]]:
    """Shared as ``daemon``, and reachable over TLS on loopback; the port."""
    with running_daemon() as one:
        yield one, listen(one)
        assert_store_is_tidy(one)


@pytest.fixture
def local(tls_daemon: tuple[Daemon, int]) -> Rest:
    """The administrator of ``tls_daemon``, on its unix socket."""
    return Rest(tls_daemon[0].folder / "unix.socket")


@pytest.fixture
def stranger(tls_daemon: tuple[Daemon, int]) -> Rest:
    """Somebody without a certificate."""
    return Rest(port=tls_daemon[1])


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Identity]:
    """Client certificates by name."""
    folder: Path = tmp_path_factory.mktemp("identities")
    known: dict[str, Identity] = {}

    def identity(name: str) -> Identity:
        if name not in known:
            known[name] = make_identity(folder, name)
        return known[name]

    return identity


if os.geteuid() == 0:

    @pytest.fixture(scope="module")
    def host() -> Iterator[Daemon]:
        """A daemon with a pool, on which containers run."""
        with running_daemon(driver="overlay") as one:
            yield one
            log = one.log.read_text()
            assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:4000]
