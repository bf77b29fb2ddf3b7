"""What a rendering may still spend."""

from __future__ import annotations

from azekura.templates.failure import Fault
from azekura.templates.limits import Limits

_BYTES_PER_STEP = 8


class Budget:
    """Counts steps down, and says no to values that are too large before they are made."""

    __slots__ = ("limits", "steps")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.steps = limits.steps

    def spend(self, steps: int) -> None:
        """Take ``steps`` off.

        Raises:
            Fault: nothing is left.
        """
        self.steps -= steps
        if self.steps < 0:
            raise Fault(f"The template takes more than the {self.limits.steps} steps it is allowed")

    def handle(self, size: int) -> None:
        """Pay for going over ``size`` bytes or items."""
        self.spend(size // _BYTES_PER_STEP)

    def fits(self, size: int) -> None:
        """Make sure that a value of ``size`` bytes may exist.

        Raises:
            Fault: it may not.
        """
        if size > self.limits.value_bytes:
            raise Fault(f"A value would be larger than the {self.limits.value_bytes} bytes it is allowed")
