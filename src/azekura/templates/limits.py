"""How much a template may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one rendering. All of them end in a ``TemplateFailed``, never in a crash or a long wait.

    LXD's renderer has none: there, a macro that calls itself or ``{{ "x"|ljust:1000000000000 }}`` ends the daemon.
    """

    steps: int = 1_000_000  # instructions; handling n bytes costs n/8 more
    output_bytes: int = 1 << 20  # of the whole rendering
    value_bytes: int = 1 << 20  # of any one value
    nesting: int = 1_000  # open tags, and open brackets within one expression
    call_depth: int = 1_000  # macros calling macros
    source_bytes: int = 1 << 20  # of the template itself
