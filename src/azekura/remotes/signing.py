"""Clear-signed simplestreams documents (``.sjson``: OpenPGP cleartext signatures, RFC 9580 sec. 7)."""

from __future__ import annotations

from typing import Any

from azekura.errors import BadAnswer, InvalidRequest, Unsupported


def certificates(keys: tuple[bytes, ...]) -> list[Any]:
    """The OpenPGP certificates in ``keys``.

    Raises:
        InvalidRequest: a key that is none.
        Unsupported: the optional library isn't installed.
    """
    try:
        import pysequoia
    except ImportError as exc:
        raise Unsupported(
            "Signed indexes can't be checked here: pysequoia is not installed", hint="pip install 'azekura[signing]'"
        ) from exc
    found: list[Any] = []
    for key in keys:
        try:
            found += pysequoia.Cert.split_bytes(key)
        except Exception as exc:
            raise InvalidRequest("The key pinned for this remote is no OpenPGP key") from exc
    if not found:
        raise InvalidRequest("Checking signatures takes a pinned key, and none is given for this remote")
    return found


def verified(body: bytes, keys: tuple[bytes, ...], what: str) -> bytes:
    """The text inside ``body``, if one of ``keys`` signed it; ``what`` names the document in messages.

    Raises:
        BadAnswer: no signature, or none by these keys that holds (expired and revoked keys don't count).
        InvalidRequest, Unsupported: as :func:`certificates`.
    """
    known = certificates(keys)
    import pysequoia

    if not body.lstrip().startswith(b"-----BEGIN PGP SIGNED MESSAGE-----"):
        raise BadAnswer(f"{what} is not signed")
    try:
        result = pysequoia.verify(bytes=body, store=lambda _: known)
    except Exception as exc:
        raise BadAnswer(f"{what} has no valid signature by the pinned key") from exc
    if not result.valid_sigs:
        raise BadAnswer(f"{what} has no valid signature by the pinned key")
    text = result.bytes
    if not isinstance(text, bytes):
        raise BadAnswer(f"{what} is signed, but empty")
    return text
