"""LXD's own test suite, against our daemon and our client, and against our daemon with Debian's client."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.field.debian_source import SourceUnavailable, lxd_tests
from tests.field.lxd_suites import DEBIAN, OURS, RUNS, Run, run_suite

pytestmark = [pytest.mark.interop, pytest.mark.root, pytest.mark.slow]

CASES = [pytest.param(run, OURS, id=run.name) for run in RUNS] + [
    pytest.param(run, DEBIAN, id=f"{run.name}-with-debians-lxc") for run in RUNS if run.debian_client
]
NEEDED = ("apt-get", "curl", "jq", "openssl", "busybox", "sqlite3", "xz")


@pytest.fixture(scope="module", autouse=True)
def _source() -> None:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"LXD's tests need {', '.join(missing)}")
    try:
        lxd_tests()
    except SourceUnavailable as exc:
        pytest.skip(str(exc))


@pytest.mark.parametrize(("run", "client"), CASES)
def test_lxds_own_tests_pass(run: Run, client: Path) -> None:
    done = run_suite(run, lxc=client)
    assert done.returncode == 0, done.stdout[-6000:]
