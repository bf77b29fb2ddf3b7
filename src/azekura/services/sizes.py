"""Sizes as LXD's users write them."""

from __future__ import annotations

import re

_UNITS = {
    "": 1, "B": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4, "PB": 1000**5, "EB": 1000**6,
    "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4, "PiB": 1024**5, "EiB": 1024**6,
}  # fmt: skip
_SIZE = re.compile(r"(\d{1,18})\s*([A-Za-z]*)", re.ASCII)


def parse_size(text: str) -> int:
    """``512MiB``, ``2GB``, ``1024`` as bytes (LXD's units).

    Raises:
        ValueError: not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"Invalid value: {text[:40]}")
    return int(match[1]) * _UNITS[match[2]]
