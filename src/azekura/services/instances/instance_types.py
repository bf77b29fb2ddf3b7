"""``-t c2-m4``: processors and GiB of memory in a word, as limits (LXD's ``instance_type``).

LXD also knows the names that clouds sell machines by; it takes that list from a server. Here there is no such list.
"""

from __future__ import annotations

import math
import re

from azekura.errors import InvalidRequest

_PART = re.compile(r"([cm])(\d{1,6}(?:\.\d{1,6})?)", re.ASCII)


def type_limits(text: str) -> dict[str, str]:
    """The configuration that ``text`` stands for; nothing for nothing.

    Raises:
        InvalidRequest: not such a word, in LXD's words.
    """
    sizes: dict[str, float] = {}
    for part in text.split("-") if text else ():
        match = _PART.fullmatch(part)
        if match is None:
            raise InvalidRequest(f"Provided instance type doesn't exist: {text[:80]}")
        sizes[match[1]] = float(match[2])
    limits: dict[str, str] = {}
    processors = sizes.get("c", 0.0)
    if processors > 0:
        cores = math.ceil(processors)
        limits["limits.cpu"] = str(cores)
        share = int(processors / cores * 100)
        if share < 100:
            limits["limits.cpu.allowance"] = f"{max(share, 1)}%"
    if sizes.get("m", 0.0) > 0:
        limits["limits.memory"] = f"{int(sizes['m'] * 1024)}MB"
    return limits
