"""URLs of servers: parsed once and strictly, so that every part of us sees the same host in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit

from azekura.errors import BadAnswer, InvalidRequest

_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_.])?", re.ASCII)
_V6 = re.compile(r"[0-9a-f:.]{2,45}(?:%[a-z0-9]{1,15})?", re.ASCII)
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\<>\"^`{|}]")
_PORTS = {"https": 443, "http": 80}
LIMIT = 4096  # characters


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host (lower case, no brackets) and port: what credentials and pins belong to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Url:
    """A checked http or https URL without userinfo and fragment. ``target`` is what goes into the request line."""

    origin: Origin
    path: str
    query: str = ""

    @classmethod
    def parse(cls, text: str) -> Url:
        """Read ``text``.

        Raises:
            InvalidRequest: not an absolute http(s) URL, or one with userinfo, control characters or an odd host.
        """
        if len(text) > LIMIT or _UNSAFE.search(text):
            raise InvalidRequest("Invalid URL: it is too long or holds characters that no URL may hold")
        text = quote(text, safe="!#$%&'()*+,/:;=?@[]~-._")  # what is not ASCII becomes UTF-8 escapes
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as exc:
            raise InvalidRequest(f"Invalid URL: {exc}") from exc
        if parts.scheme not in _PORTS:
            raise InvalidRequest(f"Unsupported URL scheme {parts.scheme[:20]!r}: only https and http are")
        if "@" in parts.netloc:
            raise InvalidRequest("Invalid URL: credentials don't belong in it")
        host = (parts.hostname or "").lower()
        if not (_V6.fullmatch(host) if ":" in host else _NAME.fullmatch(host)) or port == 0:
            raise InvalidRequest("Invalid URL: it names no usable host and port")
        return cls(Origin(parts.scheme, host, port or _PORTS[parts.scheme]), parts.path or "/", parts.query)

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def shown(self) -> str:
        """For messages: without the query, which may hold a secret."""
        return f"{self.origin}{self.path}"

    @property
    def full(self) -> str:
        return f"{self.origin}{self.target}"

    def below(self, path: str) -> Url:
        """``path`` (of the server's own choice: it may not climb; escaped where it is not yet) under this folder.

        Raises:
            BadAnswer: an absolute URL, a ``..`` part or control characters.
        """
        plain = unquote(path)
        climbs = ".." in plain.split("/") or "://" in plain or "\\" in plain
        if climbs or not plain.isprintable() or not plain.strip("/") or len(path) > LIMIT:
            raise BadAnswer(f"{self.shown} names a file {path[:80]!r} that can't be one of its own")
        return Url(self.origin, f"{self.path.rstrip('/')}/{quote(path.lstrip('/'), safe='/~:+,=@%')}")

    def join(self, location: str) -> Url:
        """Where a ``Location`` (or the like) in an answer from here leads.

        Raises:
            BadAnswer: to no usable URL.
        """
        try:
            if _UNSAFE.search(location):
                raise InvalidRequest("it holds characters that no URL may hold")
            return Url.parse(urljoin(self.full, location).partition("#")[0])
        except (InvalidRequest, ValueError) as exc:
            raise BadAnswer(f"{self.shown} points to something that is no usable URL") from exc


def split_userinfo(text: str) -> tuple[str, str, str]:
    """``text`` without ``user:password@``, and the user and password (both empty if there are none).

    This is done first with every URL that a user gives; nothing else ever sees the credentials in one.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text, "", ""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    userinfo, at, host = authority.rpartition("@")
    if not at:
        return text, "", ""
    user, _, password = userinfo.partition(":")
    return f"{scheme}://{host}{rest[len(authority) :]}", unquote(user), unquote(password)
