"""What tests with real containers share: a place for one, the runtime if this machine can, and reading to the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes import busybox_rootfs

from azekura.errors import RuntimeFailed
from azekura.runtime.lxc import LxcRuntime
from azekura.runtime.port import ContainerSpec


@contextlib.contextmanager
def container_place() -> Iterator[tuple[Path, ContainerSpec]]:
    """A folder that a mapped root may pass through, and the description of a container in it."""
    base = Path(tempfile.mkdtemp(prefix="azekura-runtime-"))
    base.chmod(0o711)
    spec = ContainerSpec(
        name=f"azt-{uuid.uuid4().hex[:8]}",
        rootfs=base / "rootfs",
        console_log=base / "logs/console.log",
        log=base / "logs/lxc.log",
        idmap_base=1000000,
        liblxc_idmaps_rootfs=True,
    )
    try:
        yield base, spec
    finally:
        shutil.rmtree(base)


def real_runtime(base: Path) -> LxcRuntime:
    """A runtime below ``base`` and a busybox tree for it; skips the test where this machine can't."""
    runtime = LxcRuntime(base / "run")
    try:
        runtime.check()
        busybox_rootfs.build(base / "rootfs")
    except (RuntimeFailed, FileNotFoundError) as reason:
        runtime.close()
        pytest.skip(str(reason))
    return runtime


def read_all(descriptor: int) -> bytes:
    """Everything up to the end of a pipe or a terminal."""
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # EIO: the terminal's other side is closed
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)
