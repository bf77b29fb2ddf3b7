"""The exception tree. Everything a caller may have to tell apart, and nothing else.

::

    AzekuraError
    ├── InvalidRequest      malformed input; .issues holds all of it, not only the first    400
    ├── NotFound            (kind, name)                                                    404
    ├── AlreadyExists       (kind, name)                                                    409
    ├── InUse               something still needs it                                        409
    ├── Ambiguous           a prefix matches several; .candidates                           400
    ├── Forbidden           the caller may not do this                                      403
    ├── StaleETag           changed since it was read                                       412
    ├── TooLarge            over a limit of ours                                            413
    ├── NoSpace             (needed, available, path)                                       507
    ├── Unsupported         not offered by this server                                      501
    ├── Cancelled           the caller asked for it to stop
    ├── RemoteError         another server                                                  502
    │   ├── ConnectionFailed
    │   ├── BadAnswer
    │   └── FingerprintMismatch   (expected, actual)
    └── HostError           this machine                                                    500
        ├── StorageFailed
        ├── RuntimeFailed
        └── CommandFailed   (argv, exit status, end of its output)

Every message is one clear sentence for the user; ``hint`` optionally says what to do about it.
Packages translate what they meet (``raise … from exc``): no ``sqlite3``, HTTP-library or ``OSError`` crosses a
package border. Only ``main()`` of a program turns an error into an exit code.
"""

from __future__ import annotations


class AzekuraError(Exception):
    """Root of all errors that azekura raises on purpose. ``str(error)`` is the sentence for the user."""

    status = 500  # HTTP status code, used by the daemon's rim alone

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class InvalidRequest(AzekuraError):
    """Input that can't be right, whoever sends it. ``issues`` holds every fault found."""

    status = 400

    def __init__(self, message: str, *, issues: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.issues = issues or (message,)


class NotFound(AzekuraError):
    """Nothing of that kind and name exists, or the caller may not know that it does."""

    status = 404

    def __init__(self, kind: str, name: str = "", *, message: str | None = None, hint: str | None = None) -> None:
        super().__init__(message or f"{kind[:1].upper()}{kind[1:]} not found", hint=hint)
        self.kind = kind
        self.name = name


class AlreadyExists(AzekuraError):
    """Something of that kind and name is there already."""

    status = 409

    def __init__(self, kind: str, name: str = "", *, message: str | None = None, hint: str | None = None) -> None:
        super().__init__(message or f'{kind[:1].upper()}{kind[1:]} "{name}" already exists', hint=hint)
        self.kind = kind
        self.name = name


class InUse(AzekuraError):
    """It can't be changed or removed while something else needs it."""

    status = 409


class Ambiguous(AzekuraError):
    """A prefix that matches several; ``candidates`` are the ones the caller may see."""

    status = 400

    def __init__(self, message: str, *, candidates: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.candidates = candidates


class Forbidden(AzekuraError):
    """The caller is known well enough to be told no."""

    status = 403


class StaleETag(AzekuraError):
    """The record changed since the caller read it."""

    status = 412


class TooLarge(AzekuraError):
    """Over one of our limits (docs/security.md lists them)."""

    status = 413


class NoSpace(AzekuraError):
    """A file system or quota is full. ``needed`` and ``available`` are bytes; None where not known."""

    status = 507

    def __init__(self, *, path: str, needed: int | None = None, available: int | None = None) -> None:
        need = f"{needed} bytes needed, " if needed is not None else ""
        have = f"{available} bytes available" if available is not None else "none left"
        super().__init__(f"No space left on {path}: {need}{have}", hint="free some space, then try again")
        self.path = path
        self.needed = needed
        self.available = available


class Unsupported(AzekuraError):
    """A valid wish that this server or this machine does not fulfil."""

    status = 501


class Cancelled(AzekuraError):
    """The operation's owner asked for it to stop."""

    status = 400


class RemoteError(AzekuraError):
    """Another server failed us."""

    status = 502


class ConnectionFailed(RemoteError):
    """No connection, or it broke and could not be mended by retrying."""


class BadAnswer(RemoteError):
    """The other server's answer makes no sense or breaks its protocol."""


class FingerprintMismatch(RemoteError):
    """The bytes that came are not the bytes that were announced."""

    status = 400

    def __init__(self, *, expected: str, actual: str, message: str | None = None) -> None:
        super().__init__(message or f"Image fingerprint doesn't match. Got {actual} expected {expected}")
        self.expected = expected
        self.actual = actual


class HostError(AzekuraError):
    """This machine failed us: file system, kernel, a program."""


class StorageFailed(HostError):
    """A file system or storage driver could not do its work."""


class RuntimeFailed(HostError):
    """A container could not be started, stopped or entered."""


class CommandFailed(HostError):
    """A program we ran failed; the message holds the end of what it said."""
