"""The two ways to a server: its unix socket, and TLS. The only module that knows an HTTP library.

The unix socket gets a connection of its own for each request, spoken to in :mod:`azekura.client.http1`. TLS goes
through urllib3 (connection pool, keep-alive), imported when the first such transport is made.
"""

from __future__ import annotations

import errno
from _socket import (  # the socket module around it takes 3 ms to import
    AF_UNIX,
    IPPROTO_TCP,
    MSG_PEEK,
    SOCK_STREAM,
    TCP_NODELAY,
    socket,
)

from azekura.client.http1 import RECEIVE, Answer, SocketAnswer, request_head, send_body
from azekura.errors import BadAnswer, ConnectionFailed, Forbidden, InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from socket import socket as Socket  # noqa: N812 - the class around _socket's
    from typing import Any

    import urllib3

    from azekura.client.body import Body
    from azekura.client.proxy import Proxies

CONNECT_TIMEOUT = 10.0  # seconds for a TCP connection and its handshake
IDLE = 0.01  # seconds without an answer after which there is time for something else


class Transport:
    """Sends one request at a time and returns the answer with its body unread."""

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: Body | None = None,
        timeout: float | None = None,
        idle: Callable[[], None] | None = None,
    ) -> Answer:
        """``timeout`` is the longest silence in seconds; None waits as long as it takes. ``idle`` may be called, once,
        when the answer lets itself be waited for.

        Raises:
            ConnectionFailed: no connection, or it broke before an answer came.
            BadAnswer: what came isn't HTTP.
            Forbidden: the socket may not be opened.
        """
        raise NotImplementedError

    def dial(self) -> socket:
        """A connection of its own, for a protocol switch. Raises as :meth:`request`."""
        raise NotImplementedError

    def close(self) -> None:
        """Drop idle connections."""

    @property
    def host(self) -> str:
        """What goes into the ``Host`` header."""
        raise NotImplementedError


class SocketTransport(Transport):
    """A daemon's unix socket at ``path``."""

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def host(self) -> str:
        return "lxd"

    def dial(self) -> socket:
        connection = socket(AF_UNIX, SOCK_STREAM)
        try:
            connection.connect(self.path)
        except OSError as exc:
            connection.close()
            if exc.errno in (errno.EACCES, errno.EPERM):
                raise Forbidden(
                    f"Not allowed to open {self.path}: it takes root or a member of the socket's group"
                ) from exc
            if exc.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR):
                raise ConnectionFailed(
                    f"No daemon is listening on {self.path}: start lxd, or set LXD_DIR to its folder"
                ) from exc
            raise ConnectionFailed(f"Can't connect to {self.path}: {exc.strerror or exc}") from exc
        return connection

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: Body | None = None,
        timeout: float | None = None,
        idle: Callable[[], None] | None = None,
    ) -> Answer:
        fields = {"Host": self.host, "Connection": "close", **headers}
        if body is not None:
            fields["Content-Type"] = headers.get("Content-Type", body.content_type)
            if body.length is None:
                fields["Transfer-Encoding"] = "chunked"
            else:
                fields["Content-Length"] = str(body.length)
        elif method in ("POST", "PUT", "PATCH"):
            fields["Content-Length"] = "0"
        head = request_head(method, path, fields)
        connection = self.dial()
        try:
            try:
                connection.sendall(head)
                if body is not None:
                    send_body(connection, body)
            except OSError as exc:
                # a server that refuses an upload answers and closes at once: its reason is worth more than ours
                if exc.errno not in (errno.EPIPE, errno.ECONNRESET):
                    raise ConnectionFailed(f"The connection to the server broke: {exc.strerror or exc}") from exc
            if idle is not None and not _answered_within(connection, IDLE):
                idle()
            if timeout is not None:
                connection.settimeout(timeout)
            return SocketAnswer(connection, method)
        except BaseException:
            connection.close()
            raise


def _answered_within(connection: socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        connection.recv(1, MSG_PEEK)
    except TimeoutError:
        return False
    except OSError:
        pass  # whoever reads it finds out, and says so
    finally:
        connection.settimeout(None)
    return True


class PooledAnswer(Answer):
    """An answer that urllib3 reads for us."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    def read_some(self, limit: int = RECEIVE) -> bytes:
        from urllib3.exceptions import HTTPError, IncompleteRead, InvalidChunkLength, ReadTimeoutError

        try:
            return self._response.read1(limit)
        except ReadTimeoutError as exc:
            raise ConnectionFailed("The server stopped sending") from exc
        except InvalidChunkLength as exc:
            raise BadAnswer("The server's answer has a malformed chunk") from exc
        except IncompleteRead as exc:
            raise ConnectionFailed("The connection to the server broke before the end of its answer") from exc
        except (HTTPError, OSError) as exc:
            raise ConnectionFailed(f"The connection to the server broke: {exc}") from exc

    def close(self) -> None:
        # a connection with unread bytes on it can't be used again
        self._response.close()
        self._response.release_conn()


class TlsTransport(Transport):
    """An ``https://`` server.

    Its certificate must be ``server_certificate`` (PEM, compared byte by byte) or, when that is None, one that the
    system's authorities vouch for. ``certificate`` and ``key`` (PEM) are shown to it when given. ``proxies``: None for
    those of the environment.
    """

    def __init__(
        self,
        url: str,
        *,
        certificate: str | None = None,
        key: str | None = None,
        server_certificate: str | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        proxies: Proxies | None = None,
    ) -> None:
        import urllib3

        from azekura.client.bulk_tls import BulkContext
        from azekura.client.proxy import Proxies
        from azekura.client.tls import client_context, fingerprint_of_pem

        parsed = urllib3.util.parse_url(url)
        if parsed.scheme != "https" or not parsed.host:
            raise InvalidRequest(f'Not an https address: "{url}"')
        self.url = url.rstrip("/")
        self._host = parsed.host.strip("[]")
        self._port = parsed.port or 443
        self._netloc = parsed.netloc or parsed.host
        self._prefix = (parsed.path or "").rstrip("/")
        self._connect_timeout = connect_timeout
        self._proxies = Proxies.of() if proxies is None else proxies
        self._pin = fingerprint_of_pem(server_certificate) if server_certificate else None
        self._context: ssl.SSLContext = client_context(certificate, key, verify=self._pin is None, kind=BulkContext)
        self._pool = _pool_kind(self._tcp)(
            self._host,
            self._port,
            maxsize=4,
            retries=False,
            ssl_context=self._context,
            assert_fingerprint=self._pin,
            assert_hostname=None if self._pin is None else False,
        )

    @property
    def host(self) -> str:
        return self._netloc

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: Body | None = None,
        timeout: float | None = None,
        idle: Callable[[], None] | None = None,  # noqa: ARG002 - one connection is all there is
    ) -> Answer:
        import urllib3
        from urllib3 import exceptions

        fields = dict(headers)
        if body is not None:
            fields.setdefault("Content-Type", body.content_type)
            if body.length is not None:
                fields["Content-Length"] = str(body.length)
        try:
            response = self._pool.urlopen(
                method,
                self._prefix + path,
                body=None if body is None else body.blocks(),
                headers=fields,
                timeout=urllib3.Timeout(connect=self._connect_timeout, read=timeout),
                preload_content=False,
                redirect=False,
                decode_content=False,
                chunked=body is not None and body.length is None,
            )
        except exceptions.SSLError as exc:
            raise ConnectionFailed(self._explain(exc)) from exc
        except (exceptions.NewConnectionError, exceptions.ConnectTimeoutError) as exc:
            raise ConnectionFailed(f"Unable to connect to {self._netloc}: {_reason(exc)}") from exc
        except exceptions.ReadTimeoutError as exc:
            raise ConnectionFailed(f"{self._netloc} didn't answer in time") from exc
        except (exceptions.HTTPError, OSError) as exc:
            raise ConnectionFailed(f"The connection to {self._netloc} broke: {_reason(exc)}") from exc
        return PooledAnswer(response)

    def _tcp(self) -> Socket:
        """A connection for TLS, through the proxy that is set for the server."""
        from azekura.client.proxy import dial

        return dial(self._proxies, self._host, self._port, self._connect_timeout)

    def dial(self) -> socket:
        import ssl

        from azekura.client.tls import SharedTlsSocket, check_pin

        try:
            plain = self._tcp()
        except OSError as exc:
            raise ConnectionFailed(f"Unable to connect to {self._netloc}: {exc.strerror or exc}") from exc
        try:
            # one that never blocks, for two threads at once: not the context's own kind
            secure = ssl.SSLContext.wrap_socket(self._context, plain, server_hostname=self._host)
            if self._pin is not None:
                check_pin(secure, self._pin, self._netloc)
        except ssl.SSLError as exc:
            plain.close()
            raise ConnectionFailed(self._explain(exc)) from exc
        except OSError as exc:
            plain.close()
            raise ConnectionFailed(f"Unable to connect to {self._netloc}: {exc.strerror or exc}") from exc
        return SharedTlsSocket(secure)

    def close(self) -> None:
        self._pool.close()

    def _explain(self, error: Exception) -> str:
        text = str(error)
        if "Fingerprints did not match" in text:
            return (
                f"The certificate of {self._netloc} is not the one that was trusted: the server was set up anew, or "
                "somebody stands in between; compare fingerprints, then remove and add the remote again"
            )
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return f"The certificate of {self._netloc} is not trusted: {_reason(error)}"
        return f"No TLS connection to {self._netloc}: {_reason(error)}"


def _pool_kind(tcp: Callable[[], Socket]) -> type[urllib3.HTTPSConnectionPool]:
    """A pool whose connections are made by ``tcp``."""
    import urllib3
    from urllib3.connection import HTTPSConnection
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    class Connection(HTTPSConnection):
        def _new_conn(self) -> Any:
            try:
                connection = tcp()
            except TimeoutError as exc:
                raise ConnectTimeoutError(self, "timed out") from exc
            except OSError as exc:
                raise NewConnectionError(self, str(exc)) from exc
            connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
            return connection

    class Pool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool


def _reason(error: BaseException) -> str:
    """The innermost cause in words, without urllib3's object addresses."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
