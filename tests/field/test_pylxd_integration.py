"""pylxd's own integration tests against our daemon."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.daemon_process import running_daemon
from tests.field.debian_source import SourceUnavailable
from tests.field.pylxd_source import pylxd_tests

pytestmark = [pytest.mark.interop, pytest.mark.root, pytest.mark.slow]

# what is left out of a file, and why
LEFT_OUT = {
    "test_client.py": "",
    "test_images.py": "",
    "test_profiles.py": "",
    "test_storage.py": "TestStorageVolume",  # custom volumes: not there yet
    "test_containers.py": "",
    "test_instances.py": "",
}
# skipped by pylxd itself: marked as broken there, or for a later LXD
THEIRS = ("This test is broken", "extension not available", "Can't test", "virtual-machine")


def test_pylxds_own_tests_pass(tmp_path: Path) -> None:
    try:
        source = pylxd_tests()
    except SourceUnavailable as exc:
        pytest.skip(str(exc))
    tests = tmp_path / "integration"
    shutil.copytree(source, tests)
    with running_daemon(driver="overlay") as daemon:
        daemon.lxc("config", "set", "core.https_address", "127.0.0.1:0")
        daemon.lxc("config", "set", "core.trust_password", "password")
        address = daemon.server().get("/1.0")["environment"]["addresses"][0]
        token = daemon.lxc("config", "trust", "add", "--name", "pylxd", "--quiet").split()[-1]
        # pylxd looks for what lxc keeps at home
        certificates = tmp_path / ".config" / "lxc"
        (certificates / "servercerts").mkdir(parents=True)
        shutil.copy(daemon.folder / "server.crt", certificates / "servercerts" / "127.0.0.1.crt")
        subprocess.run(
            f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout {certificates}/client.key "
            f"-out {certificates}/client.crt -days 2 -subj /CN=pylxd".split(),
            check=True,
            capture_output=True,
        )
        for path in tests.glob("*.py"):
            path.write_text(path.read_text().replace("127.0.0.1:8443", address))
        without = " and ".join(f"not {name}" for name in LEFT_OUT.values() if name)
        environment = {**os.environ, "LXD_DIR": str(daemon.folder), "HOME": str(tmp_path), "LXD_TOKEN": token}
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # requests prefers them to what it is told
            environment.pop(name, None)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-k", without]
            + [f"integration/{name}" for name in LEFT_OUT],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
        )
    assert done.returncode == 0, done.stdout[-6000:]
    skipped = re.findall(r"^SKIPPED .*$", done.stdout, re.MULTILINE)
    assert [line for line in skipped if not any(word in line for word in THEIRS)] == []
