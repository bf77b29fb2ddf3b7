"""Why the network failed, in a few words."""

from __future__ import annotations

import socket
import ssl


def reason_of(exc: BaseException) -> str:
    """In a few words, without addresses of objects and without URLs (a query may hold a secret)."""
    inner: BaseException = exc
    for _ in range(6):
        below = inner.__cause__ or next((arg for arg in inner.args if isinstance(arg, BaseException)), None)
        if below is None or isinstance(inner, ssl.SSLError):
            break
        inner = below
    if isinstance(inner, socket.gaierror):
        return "no such host"
    if isinstance(inner, TimeoutError):
        return "no answer in time"
    if isinstance(inner, ssl.SSLError) and inner.reason:
        return f"TLS: {inner.reason.replace('_', ' ').lower()}"
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror.lower()
    # the HTTP library's own, by name: one module alone imports it
    words = type(inner).__name__
    return {
        "ReadTimeoutError": "no answer in time",
        "ConnectTimeoutError": "no answer in time",
        "IncompleteRead": "cut off in the middle",
        "RemoteDisconnected": "closed without an answer",
        "BadStatusLine": "the answer is not HTTP",
        "LineTooLong": "a line of its answer is too long",
        "InvalidChunkLength": "cut off in the middle",
    }.get(words, words)
