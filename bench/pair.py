"""Measuring in turn, and the table of what came out."""

from __future__ import annotations

import gc
import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Measure = Callable[[], float]
EVEN = 0.05  # by so much two equal things differ on a machine with other work
UNITS = {"ms": 1000.0, "s": 1.0, "MB/s": 1e-6, "MB": 1e-6, "MiB": 1 / 2**20}


def alternate(rounds: int, sides: Mapping[str, Measure], *, settled: bool = False) -> dict[str, list[float]]:
    """Each side once a round, the order turned round by round, so that load from elsewhere meets all alike.

    ``settled``: nothing of the one before is left to be written to the disk when the next one begins.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    gc.collect()
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(reversed(list(sides)))
        for name in order:
            if settled:
                os.sync()
            taken[name].append(sides[name]())
    return taken


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a figure, and what it is held against.

    ``values`` and ``against`` are in seconds, bytes or bytes a second; ``unit`` says how they are shown. ``target`` is
    a ratio where ``against`` is there, else a bound of the value itself.
    """

    what: str
    unit: str
    values: Sequence[float]
    target: float
    against: Sequence[float] = ()
    against_name: str = ""
    at_least: bool = False

    @property
    def figure(self) -> float:
        """What is compared with the target: the medians' ratio, or the median."""
        ours = statistics.median(self.values)
        return ours / statistics.median(self.against) if self.against else ours

    @property
    def met(self) -> bool:
        return self.figure >= self.target if self.at_least else self.figure <= self.target

    @property
    def even(self) -> bool:
        """Not met, but where "not slower" was wanted the two are equal as far as can be told."""
        return not self.met and self.target == 1 and abs(self.figure - 1) <= EVEN

    @property
    def missed(self) -> bool:
        return not self.met and not self.even

    @property
    def verdict(self) -> str:
        return "met" if self.met else "even" if self.even else "**missed**"

    def cells(self) -> list[str]:
        best = max if self.at_least else min
        shown = [self.what, self._show(statistics.median(self.values)), self._show(best(self.values))]
        sign = "≥" if self.at_least else "≤"
        if not self.against:
            return [*shown, "", "", "", f"{sign} {self._show(self.target)}", self.verdict]
        extreme = best(self.values) / best(self.against)
        return [
            *shown,
            f"{self.against_name}: {self._show(statistics.median(self.against))}",
            self._show(best(self.against)),
            f"{_ratio(self.figure)} ({_ratio(extreme)})",
            f"{sign} {_ratio(self.target)}",
            self.verdict,
        ]

    def _show(self, value: float) -> str:
        scaled = value * UNITS[self.unit]
        return f"{scaled:.{0 if scaled >= 100 else 1 if scaled >= 10 else 2}f} {self.unit}"


def _ratio(value: float) -> str:
    return f"1/{1 / value:.1f}" if 0 < value < 0.5 else f"{value:.2f}"


HEAD = ("what", "ours: median", "best", "against: median", "best", "ratio (of the best)", "target", "")


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = [HEAD, tuple("---" for _ in HEAD), *(tuple(row.cells()) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def note(text: str) -> None:
    """Progress, with the machine's load, to standard error."""
    print(f"[load {os.getloadavg()[0]:.1f}] {text}", file=sys.stderr, flush=True)
