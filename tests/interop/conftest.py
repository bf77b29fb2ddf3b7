"""Daemons that run for the whole of this folder's tests, and the clients that sit at them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.daemon_process import Daemon, running_daemon
from tests.fakes.real_lxd import RealLxd
from tests.interop.seats import GO_LXC, OUR_LXC, Seat, real_lxd, seat_at


@pytest.fixture(scope="session")
def real() -> Iterator[RealLxd]:
    with real_lxd() as lxd:
        yield lxd


@pytest.fixture(scope="session")
def ours() -> Iterator[Daemon]:
    with running_daemon(driver="overlay") as daemon:
        daemon.lxc("config", "set", "core.https_address", "127.0.0.1:0")
        yield daemon


@pytest.fixture(scope="module", params=["go-lxc at our lxd", "our lxc at real lxd", "our lxc at our lxd"])
def pairing(request: pytest.FixtureRequest) -> Iterator[Seat]:
    """Each client at each daemon, except the two that aren't ours."""
    client, daemon = request.param.split(" at ")
    where: Daemon | RealLxd = request.getfixturevalue("real" if daemon == "real lxd" else "ours")
    seat = seat_at(where, GO_LXC if client == "go-lxc" else OUR_LXC, client.replace(" ", "-"))
    seat.empty()
    yield seat
    seat.empty()
