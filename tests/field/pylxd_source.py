"""pylxd's own integration tests, from its source archive on PyPI, fetched by pip."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.field.debian_source import SourceUnavailable


def pylxd_tests() -> Path:
    """The folder ``integration`` of the pylxd that is installed, fetched once.

    Raises:
        SourceUnavailable: PyPI can't be asked.
    """
    store = Path(os.environ.get("AZEKURA_FIELD_SOURCES", "/var/tmp/azekura-field"))
    found = store / f"pylxd-{version('pylxd')}" / "integration"
    if not found.is_dir():
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store) as scratch:
            pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "pylxd"]
            done = subprocess.run(
                [*pip, "-d", scratch, f"pylxd=={version('pylxd')}"], capture_output=True, text=True, timeout=200
            )
            archives = list(Path(scratch).glob("pylxd-*.tar.gz"))
            if done.returncode != 0 or not archives:
                raise SourceUnavailable(f"pip download pylxd: {done.stderr.strip()[-400:]}")
            name = found.parent.name
            subprocess.run(["tar", "-xf", archives[0], "-C", scratch, f"{name}/integration"], check=True, timeout=60)
            shutil.rmtree(found.parent, ignore_errors=True)
            (Path(scratch) / name).replace(found.parent)
    return found
