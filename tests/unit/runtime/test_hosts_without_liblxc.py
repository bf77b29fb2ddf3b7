"""A machine that can't run containers says what is missing and what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.depot import folder_depot

from azekura.errors import RuntimeFailed
from azekura.runtime.host import examine
from azekura.runtime.lxc import LxcRuntime


def _refusal(run_dir: Path, lxc_start: Path | None) -> RuntimeFailed:
    runtime = LxcRuntime(run_dir, host=replace(examine(), lxc_start=lxc_start, is_root=True))
    try:
        with pytest.raises(RuntimeFailed) as caught:
            runtime.check()
        return caught.value
    finally:
        runtime.close()


def test_a_host_without_lxc_start_is_told_what_to_install(tmp_path: Path) -> None:
    refusal = _refusal(tmp_path, None)
    assert str(refusal) == "lxc-start is missing"
    assert refusal.hint == "install the package lxc, then restart the daemon"


def test_an_lxc_start_without_its_library_is_not_called_missing(tmp_path: Path) -> None:
    program = tmp_path / "lxc-start"
    program.write_text("#!/bin/sh\necho 'error while loading shared libraries: liblxc.so.1' >&2\nexit 127\n")
    program.chmod(0o755)
    refusal = _refusal(tmp_path / "run", program)
    assert f"{program} doesn't tell its version, liblxc may be missing" in str(refusal)
    assert refusal.hint
    assert "install the package lxc" in refusal.hint


def test_what_can_not_be_started_says_the_reason_and_the_remedy(tmp_path: Path) -> None:
    with folder_depot(tmp_path) as (depot, _):
        depot.host_problem = RuntimeFailed("lxc-start is missing", hint="install it")
        with pytest.raises(RuntimeFailed) as caught:
            depot.runtime()
    assert str(caught.value) == "This server keeps images but runs no containers. lxc-start is missing"
    assert caught.value.hint == "install it"
