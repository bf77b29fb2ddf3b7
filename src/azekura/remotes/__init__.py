"""Where images come from, behind one port: LXD servers, simplestreams, direct URLs.

:mod:`~azekura.remotes.port` is the port, :func:`open_server` the door. Nothing is imported before it is used: a client
that only lists its own images must not load an HTTP library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azekura.remotes.opening import open_server

__all__ = ["open_server"]


def __getattr__(name: str) -> Any:
    if name == "open_server":
        from azekura.remotes.opening import open_server

        return open_server
    raise AttributeError(name)
