"""A copy of LXD's tests in which what can't hold here is changed, each change with its reason."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cut:
    """Leave out the lines of ``file`` from the first that ``first`` finds to the next that ``last`` finds."""

    file: str
    first: str
    last: str
    reason: str

    def apply(self, text: str) -> str:
        lines = text.splitlines(keepends=True)
        start = _find(lines, self.first, 0, self)
        end = _find(lines, self.last, start, self) if self.last else start
        return "".join([*lines[:start], *lines[end + 1 :]])


@dataclass(frozen=True, slots=True)
class Put:
    """Replace what ``pattern`` finds in ``file``, everywhere."""

    file: str
    pattern: str
    replacement: str
    reason: str

    def apply(self, text: str) -> str:
        changed, count = re.subn(self.pattern, self.replacement, text, flags=re.MULTILINE)
        if not count:
            raise AssertionError(f"{self.file} has no {self.pattern!r}: is it another LXD?")
        return changed


Change = Cut | Put


def _find(lines: list[str], pattern: str, start: int, cut: Cut) -> int:
    for number in range(start, len(lines)):
        if re.search(pattern, lines[number]):
            return number
    raise AssertionError(f"{cut.file} has no {pattern!r}: is it another LXD?")


def copy_of(tests: Path, target: Path, changes: Iterable[Change]) -> Path:
    """``tests`` copied to ``target``, changed, with our overrides beside it."""
    shutil.copytree(tests, target)
    for change in changes:
        path = target / change.file
        path.write_text(change.apply(path.read_text()))
    shutil.copy(Path(__file__).parent / "overrides.sh", target)
    return target
