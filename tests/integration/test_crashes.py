"""Promise 1 for the store as a whole: killed anywhere, nothing acknowledged is lost and nothing half-made is seen.

A child opens the store, does one thing and kills itself (-9) before a line of our own code: each line in turn would
take hours, so every scenario is cut at some thirty places, spread evenly.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.busybox_images import tiny_image
from tests.killed_child import killed_before_line, lines_run

from azekura.model.fingerprint import Fingerprint
from azekura.model.source import Origin
from azekura.services import check as check_module
from azekura.services.check import check_store
from azekura.services.depot import Depot
from azekura.services.images import register as register_module
from azekura.services.images.aliases import create_alias, move_alias
from azekura.services.images.prune import PruneRule, prune
from azekura.services.images.register import AliasWish, ImageWishes, register
from azekura.services.images.removal import collect_deleted, delete_image, undelete_image
from azekura.services.images.staging import Staging
from azekura.services.opening import close_depot, open_depot
from azekura.services.state_folder import StateFolder

CUTS = 30
SOURCE = Path(check_module.__file__).parents[1]
TRACED = (
    str(SOURCE / "blobs"),
    str(SOURCE / "services/images"),
    str(SOURCE / "catalog/session.py"),
    str(SOURCE / "catalog/database.py"),
    str(SOURCE / "catalog/sqlite.py"),
    str(SOURCE / "catalog/opening.py"),
)


def _open(root: Path) -> Depot:
    return open_depot(StateFolder(root))


def _import(depot: Depot, number: int, *aliases: str) -> Fingerprint:
    with Staging(depot, Origin.ADMIN) as staging:
        part = staging.part("unified")
        part.write(tiny_image(number))
        wishes = ImageWishes(aliases=tuple(AliasWish(name) for name in aliases), reuse=True, adopt=True)
        return register(depot, staging, staging.finish(), wishes).fingerprint


def _prepared(root: Path) -> tuple[Fingerprint, Fingerprint]:
    """A store with two images: ``old`` has an alias, ``gone`` was deleted."""
    depot = _open(root)
    old = _import(depot, 1, "stable")
    gone = _import(depot, 2)
    delete_image(depot, gone)
    close_depot(depot)
    return old, gone


def _with(root: Path, work: Callable[[Depot], object]) -> None:
    depot = _open(root)
    work(depot)


def _later(depot: Depot) -> None:
    """The grace time of deleted images is over."""
    now = depot.clock()
    depot.clock = lambda: now + timedelta(days=10)
    collect_deleted(depot)


SCENARIOS: dict[str, Callable[[Depot, Fingerprint, Fingerprint], object]] = {
    "import": lambda depot, _old, _gone: _import(depot, 3, "stable", "new"),
    "import-again": lambda depot, _old, _gone: _import(depot, 1, "second"),
    "import-deleted": lambda depot, _old, _gone: _import(depot, 2, "back"),
    "delete": lambda depot, old, _gone: delete_image(depot, old),
    "undelete": lambda depot, _old, gone: undelete_image(depot, gone.value),
    "alias-move": lambda depot, old, _gone: (
        create_alias(depot, "other", old.value),
        move_alias(depot, "other", old.value),
    ),
    "prune": lambda depot, _old, _gone: prune(depot, PruneRule(unused=True), dry_run=False),
    "collect": lambda depot, _old, _gone: _later(depot),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_anywhere_leaves_a_clean_store(tmp_path: Path, name: str) -> None:
    template = tmp_path / "template"
    old, gone = _prepared(template)
    scenario = SCENARIOS[name]

    def work(root: Path) -> None:
        _with(root, lambda depot: scenario(depot, old, gone))

    dry = tmp_path / "dry"
    shutil.copytree(template, dry)
    total = lines_run(TRACED, functools.partial(work, dry))
    assert total > 20
    for number in range(1, total + 1, max(1, total // CUTS)):
        root = tmp_path / f"cut-{number}"
        shutil.copytree(template, root)
        killed_before_line(number, TRACED, functools.partial(work, root))
        _assert_whole(root, name, old)
        shutil.rmtree(root)


def _assert_whole(root: Path, name: str, old: Fingerprint) -> None:
    depot = _open(root)
    try:
        report = check_store(depot, repair=False)
        assert report.problems == []
        assert not list((root / "images/.incoming").iterdir())
        with depot.catalog.read() as tx:
            images = {image.fingerprint for image in tx.images.list()}
            aliases = {alias.name: alias.target for alias in tx.aliases.list()}
        assert set(aliases.values()) <= images
        if name not in ("delete", "prune"):
            assert old in images, "an acknowledged image was lost"
            assert "stable" in aliases, "an acknowledged alias was lost"
        if name == "import" and aliases["stable"] != old:
            assert aliases.get("new") == aliases["stable"], "both aliases move in one step"
        _import(depot, 9, "after")  # and the store works
        assert check_store(depot, repair=False).clean
    finally:
        close_depot(depot)


def test_the_traced_files_are_the_ones_that_matter() -> None:
    assert all(Path(path).exists() for path in TRACED)
    assert register_module.__file__.startswith(TRACED)
