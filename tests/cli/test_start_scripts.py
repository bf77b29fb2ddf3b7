"""The start scripts that ``scripts/lean-entry-points`` writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from azekura import LXD_VERSION

SCRIPT = Path(__file__).parents[2] / "scripts" / "lean-entry-points"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A folder with a ``bin/python3`` that is this Python, packages and all."""
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    subprocess.run([sys.executable, SCRIPT, tmp_path], check=True)
    assert [path.name for path in sorted(python.parent.iterdir())] == ["lxc", "lxd", "python3"]
    return tmp_path


@pytest.mark.parametrize("name", ["lxc", "lxd"])
def test_start_script_starts_its_program(environment: Path, name: str) -> None:
    done = subprocess.run([environment / "bin" / name, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == LXD_VERSION


def test_lxc_finds_its_packages_without_pythons_site(environment: Path) -> None:
    lines = (environment / "bin" / "lxc").read_text().splitlines()
    assert lines[0].endswith(" -IS")
    program = "\n".join([*lines[1:3], "import urllib3, yaml"])  # what a network remote and a config.yml take
    subprocess.run([sys.executable, "-IS", "-c", program], check=True)


def test_lxd_keeps_pythons_site(environment: Path) -> None:
    assert (environment / "bin" / "lxd").read_text().splitlines()[0].endswith(" -I")
