"""One download: resumed where it was cut, retried with growing pauses, from several URLs in turn.

Everything that this package fetches, files and documents, comes through :func:`fetch`.

The rules of resuming (RFC 9110, sec. 13 and 14): bytes already received are asked for again only if the server can't
promise that they are still the same. It can with an ETag or a date (``If-Range``); where the whole has an announced
sha256, that is promise enough. A server that answers with other bytes than asked for makes us begin anew, at most
``policy.retries`` times in a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from azekura.errors import (
    AzekuraError,
    BadAnswer,
    Cancelled,
    ConnectionFailed,
    FingerprintMismatch,
    Forbidden,
    InvalidRequest,
    NotFound,
)
from azekura.remotes import port
from azekura.remotes.coding import Damaged, Inflater
from azekura.remotes.http import Http, Response, Untrusted
from azekura.remotes.policy import SLICE, DownloadPolicy
from azekura.remotes.urls import Url

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_GAIN = 16 * 1024  # bytes: an attempt that brought as much is no failure in a row
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)


class Target(Protocol):
    """Takes the decoded bytes of a body in order."""

    def begin(self, response: Response) -> None:
        """The first byte is coming; ``response`` has the headers. Called again after each ``restart``."""

    def feed(self, data: bytes) -> None: ...

    def restart(self) -> None:
        """All bytes come again."""

    def finish(self) -> None:
        """The body is complete. Raises if it isn't what was announced."""


Refusal = Callable[[Response], AzekuraError]
"""The error that a status of 400 or more stands for."""


def refusal(response: Response) -> AzekuraError:
    """The usual meaning of a status."""
    where = response.url.shown
    match response.status:
        case 401 | 403 | 407:
            return Forbidden(f"{response.url.origin} refuses access to {response.url.path}: not authorized")
        case 404 | 410:
            return NotFound("file", where, message=f'Unable to fetch "{where}": {response.status} not found')
        case _:
            return BadAnswer(f'Unable to fetch "{where}": HTTP status {response.status}')


@dataclass(slots=True)
class _Progress:
    """What is known of the body that is being put together."""

    url: Url | None = None
    received: int = 0  # bytes as sent, before decoding
    total: int | None = None
    validator: str = ""
    content_type: str = ""
    encoding: str = ""
    pieces: int = 0  # answers it was put together from
    inflate: Inflater | None = field(default=None)


class _Again(Exception):
    """Try again; ``error`` is what to raise when there were too many of them."""

    def __init__(self, error: AzekuraError, *, pause: float = 0.0, dead: bool = False) -> None:
        super().__init__()
        self.error = error
        self.pause = pause
        self.dead = dead  # this URL will not do better


def fetch(
    http: Http,
    urls: Sequence[Url],
    target: Target,
    *,
    cancelled: port.Cancelled,
    size: int | None = None,
    hashed: bool = False,
    headers: Mapping[str, str] | None = None,
    accept: str = "identity",
    refused: Refusal = refusal,
    retries: int | None = None,
) -> int:
    """Bring the body found at one of ``urls`` into ``target``; return the status, 200 or 304 (nothing was brought).

    ``size`` is the announced length; ``hashed`` says that ``target`` verifies a hash over the whole.

    Raises:
        the errors of the port, and whatever ``target`` raises.
    """
    return _Transfer(http, urls, target, cancelled, size, hashed, headers or {}, accept, refused, retries).run()


def head(http: Http, url: Url, headers: Mapping[str, str], *, attempts: int) -> Response:
    """The answer to a HEAD request, whatever its status.

    Raises:
        the errors of the port.
    """
    failures = 0
    while True:
        try:
            return http.open("HEAD", url, headers)
        except Untrusted:
            raise
        except ConnectionFailed:
            failures += 1
            if failures >= attempts:
                raise
            http.policy.sleep(http.policy.pause(failures))


class _Transfer:
    def __init__(
        self,
        http: Http,
        urls: Sequence[Url],
        target: Target,
        cancelled: port.Cancelled,
        size: int | None,
        hashed: bool,
        headers: Mapping[str, str],
        accept: str,
        refused: Refusal,
        retries: int | None,
    ) -> None:
        self._http = http
        self._policy: DownloadPolicy = http.policy
        self._urls = list(urls)
        self._target = target
        self._cancelled = cancelled
        self._size = size
        self._hashed = hashed
        self._headers = headers
        self._accept = accept
        self._refused = refused
        self._retries = self._policy.retries if retries is None else retries
        self._ranges = True
        self._state = _Progress()

    def run(self) -> int:
        failures = 0
        best = 0
        untried = len(self._urls)
        with self._http.watching(self._cancelled):
            while True:
                self._check_cancelled()
                try:
                    return self._attempt(self._urls[0])
                except _Again as again:
                    self._check_cancelled()
                    if self._state.received >= best + _GAIN:
                        failures = 0
                    best = max(best, self._state.received)
                    self._turn(dead=again.dead, error=again.error)
                    untried -= 1
                    if untried > 0:
                        continue
                    failures += 1
                    if failures > self._retries:
                        raise again.error from again.error.__cause__
                    self._wait(self._policy.pause(failures, again.pause))
                except ConnectionFailed:
                    # the network broke because we were asked to break it
                    self._check_cancelled()
                    raise

    def _turn(self, *, dead: bool, error: AzekuraError) -> None:
        """Let the next URL have its turn; drop the first one if it is dead."""
        first = self._urls.pop(0)
        if not dead:
            self._urls.append(first)
        elif not self._urls:
            raise error from error.__cause__

    def _check_cancelled(self) -> None:
        if self._http.aborted or self._cancelled():
            raise Cancelled("Cancelled while downloading")

    def _wait(self, seconds: float) -> None:
        while seconds > 0:
            self._policy.sleep(min(seconds, SLICE))
            self._check_cancelled()
            seconds -= SLICE

    def _restart(self) -> None:
        if self._state.received:
            self._target.restart()
        self._state = _Progress()

    def _attempt(self, url: Url) -> int:
        state = self._state
        # one server's ETag says nothing about another server's file
        validator = state.validator if state.url == url else ""
        if state.received and not (self._ranges and (validator or self._hashed)):
            self._restart()
            state = self._state
        headers = {"Accept-Encoding": self._accept, **self._headers}
        if state.received:
            headers["Range"] = f"bytes={state.received}-"
            if validator:
                headers["If-Range"] = validator
        try:
            response = self._http.open("GET", url, headers)
        except Untrusted as exc:
            raise _Again(exc, dead=True) from exc
        except ConnectionFailed as exc:
            raise _Again(exc) from exc
        with response:
            if response.status == 304:
                return 304
            self._check_answer(url, response)
            try:
                self._receive(response)
            except InvalidRequest as exc:
                # the sink says that these bytes are no image
                raise self._useless(exc) from exc
        self._finish()
        return 200

    def _check_answer(self, url: Url, response: Response) -> None:
        """Decide whether the body that follows continues ours, begins anew, or is of no use."""
        state = self._state
        status = response.status
        if status == 206 and state.received:
            problem = self._mismatch(response, same_url=state.url == url)
            if not problem:
                state.pieces += 1
                return
            self._give_up_ranges()
            raise _Again(BadAnswer(f"{response.url.shown} can't be resumed: {problem}"))
        if status == 416 and state.received:
            self._give_up_ranges()
            raise _Again(BadAnswer(f"{response.url.shown} can't be resumed: it has no such range any more"))
        if status in _TRANSIENT:
            raise _Again(self._refused(response), pause=_retry_after(response))
        if status != 200:
            error = self._refused(response)
            raise _Again(error, dead=True)
        if state.received:
            self._restart()
        self._begin(url, response)

    def _begin(self, url: Url, response: Response) -> None:
        state = self._state
        state.url = url
        encoding = response.header("Content-Encoding").lower()
        if encoding in ("gzip", "x-gzip"):
            state.inflate = Inflater(response.url.shown)
        elif encoding not in ("", "identity"):
            raise _Again(
                BadAnswer(f"{response.url.shown} came in the encoding {encoding[:20]!r}, which was not asked for"),
                dead=True,
            )
        length = response.header("Content-Length")
        if length:
            if not _NUMBER.fullmatch(length):
                raise _Again(BadAnswer(f"{response.url.shown} sent a length that is no number"), dead=True)
            state.total = int(length)
        if self._size is not None and state.inflate is None:
            if state.total is not None and state.total != self._size:
                raise _Again(
                    BadAnswer(f"{response.url.shown} is {state.total} bytes long; {self._size} were announced"),
                    dead=True,
                )
            state.total = self._size
        state.encoding = encoding
        state.content_type = response.header("Content-Type")
        etag = response.header("ETag")
        # a weak ETag promises no equal bytes (RFC 9110, 8.8.1), so it can't be used with If-Range
        state.validator = etag if etag and not etag.startswith("W/") else response.header("Last-Modified")
        state.pieces = 1
        self._target.begin(response)

    def _mismatch(self, response: Response, *, same_url: bool) -> str:
        """Why a 206 is not the rest of what we have; empty if it is."""
        state = self._state
        match = _RANGE.fullmatch(response.header("Content-Range"))
        if not match or int(match[1]) != state.received or int(match[2]) < int(match[1]):
            return "it sent another range than was asked for"
        total = None if match[3] == "*" else int(match[3])
        if total is not None and state.total is not None and total != state.total:
            return "its length has changed"
        etag = response.header("ETag")
        if same_url and etag and state.validator.startswith('"') and etag != state.validator:
            return "it has changed meanwhile"
        if response.header("Content-Encoding").lower() != state.encoding:
            return "its encoding has changed"
        if same_url and response.header("Content-Type") != state.content_type:
            return "its type has changed"
        return ""

    def _give_up_ranges(self) -> None:
        self._ranges = False
        self._restart()

    def _receive(self, response: Response) -> None:
        state = self._state
        target, clock = self._target, self._policy.clock
        window_ends, window_bytes = clock() + self._policy.stall_timeout, 0
        while True:
            try:
                data = response.read()
            except ConnectionFailed as exc:
                raise _Again(self._broken_off(response, str(exc))) from exc
            if self._http.aborted:
                raise Cancelled("Cancelled while downloading")
            if not data:
                break
            if state.total is not None and state.received + len(data) > state.total:
                raise _Again(
                    BadAnswer(f"{response.url.shown} sent more than the {state.total} bytes that were announced"),
                    dead=True,
                )
            state.received += len(data)
            window_bytes += len(data)
            if state.inflate is None:
                target.feed(data)
            else:
                self._inflate(state.inflate, data)
            now = clock()
            if now >= window_ends:
                if window_bytes < self._policy.minimum_rate * self._policy.stall_timeout:
                    raise _Again(ConnectionFailed(f"{response.url.origin} sends next to nothing"))
                window_ends, window_bytes = now + self._policy.stall_timeout, 0
            if self._cancelled():
                raise Cancelled("Cancelled while downloading")
        if state.total is not None and state.received < state.total:
            raise _Again(self._broken_off(response, "the connection ended early"))

    def _inflate(self, inflate: Inflater, data: bytes) -> None:
        try:
            pieces = inflate.pieces(data)
            while piece := next(pieces, b""):
                self._target.feed(piece)
        except Damaged as exc:
            raise _Again(exc, dead=True) from exc

    def _broken_off(self, response: Response, reason: str) -> ConnectionFailed:
        total = "an unknown number of" if self._state.total is None else self._state.total
        return ConnectionFailed(
            f"{response.url.shown} broke off after {self._state.received} of {total} bytes: {reason}"
        )

    def _finish(self) -> None:
        state = self._state
        try:
            if state.inflate is not None:
                state.inflate.finish()
            self._target.finish()
        except (FingerprintMismatch, BadAnswer) as exc:
            raise self._useless(exc) from exc

    def _useless(self, exc: AzekuraError) -> _Again:
        """The bytes are wrong. Put together from several answers they may be a mixture: once more, from one answer. Or
        another mirror is right."""
        stitched = self._state.pieces > 1 and self._ranges
        if stitched:
            self._give_up_ranges()
        elif len(self._urls) > 1:
            self._restart()
        return _Again(exc, dead=not stitched)


def _retry_after(response: Response) -> float:
    value = response.header("Retry-After")
    return float(value) if _NUMBER.fullmatch(value) else 0.0
