"""LXD's envelope around every answer ⇄ a value, an operation, or the error that fits."""

from __future__ import annotations

from azekura.client.json_text import loads
from azekura.errors import (
    AlreadyExists,
    AzekuraError,
    BadAnswer,
    Cancelled,
    Forbidden,
    HostError,
    InvalidRequest,
    NotFound,
    RemoteError,
    StaleETag,
    TooLarge,
    Unsupported,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Record = dict[str, Any]  # a JSON object as it came, in the order it came

ANSWER_LIMIT = 512 << 20  # bytes of one JSON answer


def error_for(status: int, message: str) -> AzekuraError:
    """The exception for a refusal with HTTP ``status``; the words are the server's own."""
    message = message or f"The server refused with status {status}"
    if status == 404:
        return NotFound("", message=message)
    if status == 409:
        return AlreadyExists("", message=message)
    simple: dict[int, type[AzekuraError]] = {
        400: InvalidRequest,
        403: Forbidden,
        401: Forbidden,
        412: StaleETag,
        413: TooLarge,
        501: Unsupported,
        502: RemoteError,
    }
    return simple.get(status, HostError)(message)


def operation_error(operation: Record) -> AzekuraError | None:
    """Why a finished operation failed; None when it did not."""
    code = operation.get("status_code", 0)
    if code == 200:
        return None
    message = operation.get("err") or operation.get("status") or "The operation failed"
    return Cancelled(message) if code == 401 else RemoteError(message)


def parse_json(body: bytes) -> Any:
    """
    Raises:
        BadAnswer: not JSON.
    """
    try:
        return loads(body)
    except (ValueError, RecursionError) as exc:
        raise BadAnswer("The server's answer is not JSON") from exc


def open_envelope(status: int, body: bytes) -> Record:
    """A successful answer's whole envelope.

    Raises:
        AzekuraError: the refusal that it holds, see :func:`error_for`.
        BadAnswer: no envelope.
    """
    try:
        envelope = loads(body)
    except (ValueError, RecursionError) as exc:
        if status >= 400:
            raise error_for(status, body[:200].decode("utf-8", "replace").strip()) from exc
        raise BadAnswer("The server's answer is not JSON") from exc
    if not isinstance(envelope, dict) or envelope.get("type") not in ("sync", "async", "error"):
        raise BadAnswer("The server's answer is not one of LXD's")
    if envelope["type"] == "error" or status >= 400:
        code = envelope.get("error_code")
        raise error_for(code if isinstance(code, int) and code else status, str(envelope.get("error", "")))
    return envelope
