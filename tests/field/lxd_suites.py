"""Which functions of LXD's own test suite run against ours, and what is changed in them, each change with its reason.

By hand, from the top of the tree (``--lxc debian``, ``--lxd debian``: Debian's programs instead, both for a control)::

    .venv/bin/python -m tests.field.lxd_suites [--lxc debian] [--lxd debian] [--keep] FUNCTION...
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.field.debian_source import lxd_tests
from tests.field.suite_copy import Change, Cut, Put, copy_of

OURS = Path(sys.executable).parent
DEBIAN = Path("/usr/bin")


@dataclass(frozen=True, slots=True)
class Run:
    """Functions that share a daemon. ``debian_client``: worth a second run with Debian's ``lxc``."""

    name: str
    functions: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    debian_client: bool = False


PROJECTS = "projects beyond default are not part of this"
BRIDGES = "lxc network is not part of this"
VOLUMES = "lxc storage volume is not part of this"
EVERYWHERE: tuple[Change, ...] = (
    Put("includes/lxd.sh", "--timeout=300", "--timeout=60", "our daemon is there at once, or not at all"),
    Put("includes/lxd.sh", "^        sleep 2$", "        sleep 0.2", "lxd shutdown returns when the daemon has ended"),
)

RUNS = (
    Run(
        "images",
        ("test_image_list_all_aliases", "test_image_import_dir", "test_query", "test_profiles_project_default"),
        (
            Put(
                "suites/image.sh",
                r"\$\{fingerprint\}\.tar\.xz",
                "${fingerprint}.tar.zst",
                "lxc image import FOLDER packs with zstd (ADR 9)",
            ),
        ),
    ),
    Run(
        "image-expiry",
        ("test_image_expiry",),
        (
            Put(
                "suites/image.sh",
                "^  LXD_DIR=.* lxd sql global .*last_use_date.*$",
                '  set_last_use_days_ago "$LXD2_DIR" "$fp" 11; lxc_remote config set l2: images.remote_cache_expiry 2',
                "the database is LXD's own; ours is set by overrides.sh",
            ),
        ),
    ),
    Run("image-refresh", ("test_image_refresh",)),
    Run("image-auto-update", ("test_image_auto_update",)),
    Run("image-prefer-cached", ("test_image_prefer_cached",)),
    Run("filtering", ("test_filtering",)),
    Run(
        "remote",
        ("test_remote_url", "test_remote_admin"),
        debian_client=True,
    ),
    Run(
        "remote-token",
        ("test_remote_url_with_token",),
        (
            Cut("suites/remote.sh", "lxc project create foo", "lxc project create foo", PROJECTS),
            Put("suites/remote.sh", "--projects foo --restricted", "--projects default --restricted", PROJECTS),
            Cut("suites/remote.sh", "see instances in the foo project", "error_code.* -eq 403", PROJECTS),
        ),
    ),
    Run(
        "remote-usage",
        ("test_remote_usage",),
        (Cut("suites/remote.sh", "# Test image copy between projects", "project delete lxd2:foo", PROJECTS),),
        debian_client=True,
    ),
    Run(
        "configuration",
        ("test_container_metadata", "test_server_config_password", "test_resources", "test_projects_default"),
    ),
    Run(
        "trust",
        ("test_tls_restrictions", "test_certificate_edit"),
        (
            Put("suites/tls_restrictions.sh", "^.*project (create|delete) .*blah.*$", ":", PROJECTS),
            Put("suites/tls_restrictions.sh", r"^  .* grep -q blah$", "", PROJECTS),
            Put("suites/tls_restrictions.sh", "(\\[')blah('\\])", r"\1default\2", PROJECTS),
            Put("suites/tls_restrictions.sh", r"blah", "default", PROJECTS),
            Put(
                "suites/tls_restrictions.sh",
                r"^  ! lxc_remote project list localhost: \| grep -q default.*$",
                "",
                PROJECTS,
            ),
        ),
        debian_client=True,
    ),
    Run(
        "descriptors",
        ("test_fdleak",),
        (Cut("suites/fdleak.sh", "lxc query /internal/gc", "", "Go's garbage collector is LXD's own"),),
    ),
    Run("template", ("test_template",)),
    Run("exec", ("test_exec",), debian_client=True),
    Run("limits-and-cloud-init", ("test_kernel_limits", "test_cloud_init", "test_console"), debian_client=True),
    Run("snapshot-expiry", ("test_snap_expiry",)),
    Run(
        "ids",
        ("test_idmap",),
        (
            Put(
                "suites/idmap.sh",
                r"^  if \[ ! -e /etc/subuid \] .*$",
                "  if true; then UIDs=10000001; GIDs=10000001; UID_BASE=1000000; GID_BASE=1000000; elif false; then",
                "our containers' ids don't depend on /etc/subuid",
            ),
        ),
        debian_client=True,
    ),
    Run(
        "pools",
        ("test_container_local_cross_pool_handling", "test_incremental_copy"),
        (
            Put("suites/container_local_cross_pool_handling.sh", r"^ *lxc network .*$", ":", BRIDGES),
            Put("suites/container_local_cross_pool_handling.sh", r"^ *lxc .*eth0 nic network.*$", ":", BRIDGES),
            Put("suites/container_local_cross_pool_handling.sh", r"^ *(! )?lxc storage volume .*$", ":", VOLUMES),
            Put("suites/incremental_copy.sh", r"^ *(! )?lxc storage volume .*$", ":", VOLUMES),
        ),
    ),
    Run(
        "init",
        ("test_init_auto", "test_init_preseed", "test_init_interactive"),
        (
            Cut("suites/init_preseed.sh", "^networks:", "ipv6.address: none", BRIDGES),
            Put("suites/init_preseed.sh", r"parent: lxdt\$\$", "parent: lo", BRIDGES),
            Put("suites/init_preseed.sh", r"^.*lxc network .*lxdt\$\$.*$", ":", BRIDGES),
            Put("suites/init_interactive.sh", r"^yes\nlxdt\$\$\nauto\nnone$", "no\nyes\nlo", BRIDGES),
            Put("suites/init_interactive.sh", r"^.*lxc network .*lxdt\$\$.*$", ":", BRIDGES),
            Put("suites/init_interactive.sh", r"network: lxdt\$\$", "parent: lo", BRIDGES),
        ),
    ),
)


def run_suite(run: Run, *, lxc: Path = OURS, lxd: Path = OURS, keep: bool = False) -> subprocess.CompletedProcess[str]:
    """Run functions in a folder of their own, which goes afterwards.

    Raises:
        SourceUnavailable: LXD's source can't be had.
    """
    # short, for the path of the unix socket
    folder = Path(tempfile.mkdtemp(prefix="azkf.", dir="/var/tmp"))
    folder.chmod(0o711)
    try:
        changes = (*EVERYWHERE, *run.changes) if lxd == OURS else ()
        tree = copy_of(lxd_tests(), folder / "t", changes)
        if lxd != OURS:
            (tree / "overrides.sh").unlink()
        programs = folder / "bin"
        programs.mkdir()
        (programs / "lxc").symlink_to(lxc / "lxc")
        (programs / "lxd").symlink_to(lxd / "lxd")
        return subprocess.run(
            [Path(__file__).parent / "run-suite", tree, *run.functions],
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=280,
        )
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def run_of(function: str) -> Run:
    """The run that has this function, alone; as LXD wrote it when no run has it."""
    for run in RUNS:
        if function in (run.name, *run.functions):
            return run if function == run.name else Run(function, (function,), run.changes)
    return Run(function, (function,))


def main() -> int:
    parser = argparse.ArgumentParser(description="Run functions of LXD's own test suite")
    parser.add_argument("functions", nargs="+", metavar="FUNCTION")
    parser.add_argument("--lxc", choices=("ours", "debian"), default="ours")
    parser.add_argument("--lxd", choices=("ours", "debian"), default="ours")
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    options = parser.parse_args()
    places = {"ours": OURS, "debian": DEBIAN}
    failed = 0
    for function in options.functions:
        done = run_suite(run_of(function), lxc=places[options.lxc], lxd=places[options.lxd], keep=options.keep)
        print(done.stdout)
        print(f"{function}: {'passed' if done.returncode == 0 else 'failed'}")
        failed += done.returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
