"""Promise 1 for a launch: killed anywhere in it, what is there can be started or deleted, and its name used again.

Cut as in test_crashes.py. The storage is of plain folders and the runtime in memory, so that what is cut is our own
order of records, volume and start.
"""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import pytest
from tests.fakes.depot import folder_depot, put_image
from tests.fakes.runtime import FakeRuntime
from tests.fakes.storage import FolderStorage
from tests.killed_child import killed_before_line, lines_run

from azekura.errors import AzekuraError
from azekura.model.instance import InstanceStatus, StoragePool
from azekura.model.operation import OperationClass
from azekura.services.depot import Depot
from azekura.services.instances import create as create_module
from azekura.services.instances.create import create_instance, prepare
from azekura.services.instances.lifecycle import Lifecycle
from azekura.services.instances.requests import FromLocalImage, InstanceRequest
from azekura.services.opening import recover_instances

CUTS = 40
SOURCE = Path(create_module.__file__).parents[2]
TRACED = (
    str(SOURCE / "services"),
    str(SOURCE / "catalog/sqlite.py"),
    str(SOURCE / "catalog/opening.py"),
    str(Path(__file__).parents[1] / "fakes/storage.py"),
)
ROOT_DISK = {"root": {"type": "disk", "path": "/", "pool": "default"}}


def _launch(depot: Depot, *, start: bool = True) -> Lifecycle:
    """As the daemon does it for ``POST /1.0/instances``."""
    lifecycle = Lifecycle(depot)
    request = InstanceRequest("c1", FromLocalImage("deb", {}), {}, ROOT_DISK, (), False, "", start)
    running = depot.operations.create("Creating instance", kind=OperationClass.TOKEN)
    create_instance(depot, prepare(depot, request), running)
    if start:
        lifecycle.start("c1")
    return lifecycle


def _launch_in(root: Path, *, start: bool) -> None:
    with folder_depot(root, host=FakeRuntime()) as (depot, _):
        _launch(depot, start=start).close()


def _prepared(root: Path) -> None:
    with folder_depot(root, host=FakeRuntime()) as (depot, _):
        storage = FolderStorage(depot.folder.pools / "default")
        storage.create()
        with depot.catalog.write() as tx:
            tx.pools.create(StoragePool("default", "dir"))
        image = put_image(depot, b"image", b"rootfs", aliases=("deb",))
        with storage.fill_image() as fill:
            fill.commit(image.fingerprint.value)


@pytest.mark.slow
@pytest.mark.parametrize("start", [False, True], ids=["init", "launch"])
def test_killed_launch_leaves_what_can_be_started_or_deleted(tmp_path: Path, start: bool) -> None:
    template = tmp_path / "template"
    _prepared(template)
    dry = tmp_path / "dry"
    shutil.copytree(template, dry)
    total = lines_run(TRACED, functools.partial(_launch_in, dry, start=start))
    assert total > 100
    for number in range(1, total + 1, max(1, total // CUTS)):
        root = tmp_path / f"cut-{number}"
        shutil.copytree(template, root)
        killed_before_line(number, TRACED, functools.partial(_launch_in, root, start=start))
        _assert_usable(root)
        shutil.rmtree(root)


def _assert_usable(root: Path) -> None:
    """Nothing runs any more, as the runtime died with its process: like after a power failure, but for the disk."""
    with folder_depot(root, host=FakeRuntime()) as (depot, _):
        depot.operations.adopt_orphans()
        depot.pools.recover()
        lifecycle = Lifecycle(depot)
        recover_instances(depot, lifecycle)
        with depot.catalog.read() as tx:
            known = [instance.name for instance in tx.instances.list()]
        if known:
            try:
                lifecycle.start("c1")
            except AzekuraError:  # its volume was never made
                assert FolderStorage(depot.folder.pools / "default").volumes() == []
            else:
                assert lifecycle.status("c1") is InstanceStatus.RUNNING
                lifecycle.stop("c1", timeout=None, force=True)
            lifecycle.delete("c1")
        assert _launch(depot).status("c1") is InstanceStatus.RUNNING
        lifecycle.close()
