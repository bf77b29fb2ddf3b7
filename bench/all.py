"""Every figure that the project promises, measured beside Debian's LXD on this machine; prints one table.

usage: sudo .venv/bin/python bench/all.py [GROUP ...] [--rounds N]
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.pair import Row, table

GROUPS = {
    "launch": ("launch",),
    "exec": ("commands",),
    "start-up": ("startup",),
    "store": ("store", "listing"),
    "network": ("downloads", "copies", "streams"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; none: all")
    parser.add_argument("--rounds", type=int, default=7, help="rounds in which the sides take turns (7)")
    options = parser.parse_args()
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended and removed
    rows: list[Row] = []
    for group in options.groups or GROUPS:
        modules = [importlib.import_module(f"bench.{name}") for name in GROUPS[group]]
        measured = [row for module in modules for row in module.rows(options.rounds)]
        print(f"\n### {group}\n\n{table(measured)}", flush=True)
        rows += measured
    missed = [row.what for row in rows if row.missed]
    print(f"\n{len(rows)} figures, {len(missed)} missed" + "".join(f"\n- {what}" for what in missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
