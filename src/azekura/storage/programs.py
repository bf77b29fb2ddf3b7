"""Programs that do better what hostile trees make hard: any depth, and no link is followed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from azekura.errors import StorageFailed

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


def disk_usage(path: Path) -> int:
    """Bytes of the blocks that a tree occupies, files with several names counted once.

    Raises:
        StorageFailed: it can't be read.
    """
    # A tree in use may lose entries while du walks: it complains and exits with 1, but its total stands.
    said = run_program(["du", "-sx", "--block-size=1", "--", str(path)], f"measure {path}", allowed=(0, 1))
    number, _, _ = said.partition("\t")
    if not number.isdecimal():
        raise StorageFailed(f"Failed to measure {path}")
    return int(number)


def run_program(argv: list[str], doing: str, *, allowed: tuple[int, ...] = (0,)) -> str:
    """Run a program with a clean environment and return what it printed.

    Raises:
        StorageFailed: not installed, or an exit status that isn't ``allowed``; with the end of what it said.
    """
    try:
        done = subprocess.run(
            argv, env=_ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, check=False, cwd="/"
        )
    except OSError as error:
        raise StorageFailed(f"Failed to {doing}: {argv[0]}: {error.strerror}") from error
    if done.returncode not in allowed:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][-300:]
        raise StorageFailed(f"Failed to {doing}: {last or f'{argv[0]} exited with {done.returncode}'}")
    return done.stdout.decode(errors="surrogateescape")
