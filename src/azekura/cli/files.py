"""Opening the user's own files, with LXD's words for what goes wrong."""

from __future__ import annotations

from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


def reason(error: OSError) -> str:
    """``no such file or directory``."""
    return (error.strerror or str(error)).lower()


def open_to_read(path: str) -> BinaryIO:
    """
    Raises:
        InvalidRequest: ``open PATH: no such file or directory``.
    """
    try:
        return open(path, "rb")
    except OSError as exc:
        raise InvalidRequest(f"open {path}: {reason(exc)}") from exc


def key_value(text: str, problem: str) -> tuple[str, str]:
    """
    Raises:
        InvalidRequest: ``problem``, which holds a ``%s`` for the text, where there is no ``=``.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise InvalidRequest(problem % text)
    return key, value
