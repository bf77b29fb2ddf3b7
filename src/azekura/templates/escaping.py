"""The five characters that HTML needs escaped."""

from __future__ import annotations


def escape(text: bytes) -> bytes:
    """``text`` with ``& > < " '`` as entities."""
    return (
        text.replace(b"&", b"&amp;")
        .replace(b">", b"&gt;")
        .replace(b"<", b"&lt;")
        .replace(b'"', b"&quot;")
        .replace(b"'", b"&#39;")
    )
