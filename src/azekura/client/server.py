"""A server of LXD's REST API, as its clients see it."""

from __future__ import annotations

from azekura.client.address import with_query
from azekura.client.envelope import ANSWER_LIMIT, open_envelope
from azekura.client.json_text import dumps
from azekura.client.transport import SocketTransport, TlsTransport, Transport
from azekura.errors import BadAnswer, InvalidRequest, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

    from azekura.client.body import Body
    from azekura.client.download import Received, Sink
    from azekura.client.envelope import Record
    from azekura.client.http1 import Answer
    from azekura.client.operations import Operation, Watcher
    from azekura.client.proxy import Proxies
    from azekura.client.websocket import WebSocket

    Query = dict[str, str] | list[tuple[str, str]]

QUIET = 60.0  # seconds of silence after which a TLS server is given up, unless the request waits by nature


class Server:
    """One server.

    ``url`` is ``unix://`` + socket path, or ``https://host[:port]``. ``certificate``, ``key`` and
    ``server_certificate`` are PEM texts: who we are, and the exact certificate the server must show (None: one that
    the system's authorities vouch for). ``token`` is sent as a bearer token; ``proxies`` are the environment's where
    none are given. Every method raises the :class:`azekura.errors.AzekuraError` that fits the server's status, with the
    server's own words, and ``ConnectionFailed`` or ``BadAnswer`` when there is no sensible answer.
    """

    trace: ClassVar[Callable[[str], None] | None] = None  # told of each request and its status, for --debug

    def __init__(
        self,
        url: str,
        *,
        certificate: str | None = None,
        key: str | None = None,
        server_certificate: str | None = None,
        token: str | None = None,
        project: str | None = None,
        user_agent: str = "Azekura",
        proxies: Proxies | None = None,
    ) -> None:
        self.url = url
        self.project = project
        self.server_certificate = server_certificate
        self._headers = {"User-Agent": user_agent}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._info: Record | None = None
        self.transport: Transport
        if url.startswith("unix://"):
            self.transport = SocketTransport(url[len("unix://") :])
            self._quiet: float | None = None
        elif url.startswith("https://"):
            self.transport = TlsTransport(
                url, certificate=certificate, key=key, server_certificate=server_certificate, proxies=proxies
            )
            self._quiet = QUIET
        else:
            raise InvalidRequest(f'Not an address of a server: "{url}" (unix:// and https:// are)')

    @property
    def is_local(self) -> bool:
        return self.url.startswith("unix://")

    # -- requests

    def address(self, path: str, query: Query | None = None) -> str:
        """``path`` below ``/1.0`` (or from ``/`` on) with the project and ``query`` added."""
        full = path if path.startswith("/") else f"/1.0/{path}" if path else "/1.0"
        if query:
            full = with_query(full, query)
        if self.project and "project=" not in full and "all-projects=" not in full:
            full = with_query(full, {"project": self.project})
        return full

    def open(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: dict[str, str] | None = None,
        body: Body | None = None,
        timeout: float | None = None,
        idle: Callable[[], None] | None = None,
    ) -> Answer:
        """The raw answer, body unread, whatever its status. Close it. ``idle``: see :meth:`Transport.request`."""
        fields = {**self._headers, **(headers or {})}
        return self.transport.request(method, self.address(path, query), fields, body, timeout or self._quiet, idle)

    def envelope(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        query: Query | None = None,
        headers: dict[str, str] | None = None,
        etag: str | None = None,
        body: Body | None = None,
        timeout: float | None = None,
        idle: Callable[[], None] | None = None,
    ) -> tuple[Record, str]:
        """The envelope of a successful answer, and its ETag (empty when it has none)."""
        if value is not None:
            from azekura.client.body import bytes_body

            body = bytes_body(dumps(value).encode())
        fields = dict(headers or {})
        if etag:
            fields["If-Match"] = etag
        answer = self.open(method, path, query=query, headers=fields, body=body, timeout=timeout, idle=idle)
        if Server.trace is not None:
            Server.trace(f"{method} {self.address(path, query)}: {answer.status}")
        try:
            return open_envelope(answer.status, answer.read(ANSWER_LIMIT)), answer.headers.get("etag", "")
        finally:
            answer.close()

    def get(self, path: str, query: Query | None = None) -> Any:
        return self.envelope("GET", path, query=query)[0].get("metadata")

    def get_with_etag(self, path: str, query: Query | None = None) -> tuple[Any, str]:
        envelope, etag = self.envelope("GET", path, query=query)
        return envelope.get("metadata"), etag

    def post(self, path: str, value: Any = None, query: Query | None = None) -> Any:
        """For a request that is answered at once; :meth:`start` is for the others."""
        return self.envelope("POST", path, {} if value is None else value, query=query)[0].get("metadata")

    def put(self, path: str, value: Any, *, etag: str | None = None, query: Query | None = None) -> Any:
        return self.envelope("PUT", path, value, etag=etag, query=query)[0].get("metadata")

    def patch(self, path: str, value: Any, *, etag: str | None = None, query: Query | None = None) -> Any:
        return self.envelope("PATCH", path, value, etag=etag, query=query)[0].get("metadata")

    def delete(self, path: str, *, query: Query | None = None, etag: str | None = None) -> Any:
        return self.envelope("DELETE", path, etag=etag, query=query)[0].get("metadata")

    # -- operations

    def start(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        query: Query | None = None,
        headers: dict[str, str] | None = None,
        etag: str | None = None,
        body: Body | None = None,
        watcher: Watcher | None = None,
    ) -> Operation:
        """Send a request that becomes an operation. Wait for it with :meth:`Operation.wait`.

        A ``watcher`` is told of its progress; it makes us listen to the server's events before the request is sent.
        """
        from azekura.client.operations import Operation, listen

        events = listen(self) if watcher is not None else None
        try:
            envelope, _ = self.envelope(
                method, path, value, query=query, headers=headers, etag=etag, body=body, timeout=None
            )
            if envelope["type"] != "async" or not isinstance(envelope.get("metadata"), dict):
                raise BadAnswer("The server's answer is not an operation")
        except BaseException:
            if events is not None:
                events.close()
            raise
        return Operation(self, envelope["metadata"], events, watcher)

    def run(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        query: Query | None = None,
        headers: dict[str, str] | None = None,
        etag: str | None = None,
        body: Body | None = None,
        watcher: Watcher | None = None,
    ) -> Record:
        """:meth:`start`, then wait; returns the finished operation."""
        return self.start(
            method, path, value, query=query, headers=headers, etag=etag, body=body, watcher=watcher
        ).wait()

    def websocket(self, path: str, query: Query | None = None) -> WebSocket:
        """Open a websocket at ``path``."""
        return self.websockets(path, [query or {}])[0]

    def websockets(self, path: str, queries: list[Query]) -> list[WebSocket]:
        """Open several websockets of one path, all at once."""
        from azekura.client.websocket import Refused, WebSocket

        addresses = [self.address(path, query) for query in queries]
        try:
            return WebSocket.connect(self.transport, addresses, self._headers)
        except Refused as exc:
            try:
                open_envelope(exc.answer.status, exc.answer.read(ANSWER_LIMIT))
            finally:
                exc.answer.close()
            raise BadAnswer("The server refuses the websocket") from exc

    # -- files

    def download(
        self, path: str, sink: Sink, *, query: Query | None = None, offset: int = 0, if_range: str | None = None
    ) -> Received:
        """Stream a file, or the files of a multipart answer, into ``sink``; see :mod:`azekura.client.download`."""
        from azekura.client.download import download

        return download(self, path, sink, query=query, offset=offset, if_range=if_range)

    # -- the server itself

    @property
    def info(self) -> Record:
        """``GET /1.0``, asked once."""
        if self._info is None:
            self._info = self.get("/1.0")
        return self._info

    def has_extension(self, name: str) -> bool:
        return name in (self.info.get("api_extensions") or ())

    def require(self, name: str) -> None:
        """
        Raises:
            Unsupported: the server lacks this API extension; LXD's words.
        """
        if not self.has_extension(name):
            raise Unsupported(f'The server is missing the required "{name}" API extension')

    def close(self) -> None:
        self.transport.close()
