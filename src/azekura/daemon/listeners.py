"""Where the server can be reached: the unix socket, and the addresses of ``core.https_address``."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import grp
import logging
import os
import socket
from pathlib import Path

from aiohttp import web

from azekura.daemon.descriptors import readable
from azekura.daemon.host_addresses import host_addresses
from azekura.daemon.http_protocol import protocol_factory
from azekura.daemon.server_certificate import load_or_create
from azekura.daemon.tls_engine import AnyClientContext
from azekura.errors import HostError, InvalidRequest
from azekura.services.settings import parse_address, split_addresses

log = logging.getLogger("azekura.listeners")

GREETING = 10.0  # seconds a new connection has to say something
HANDSHAKES = 256  # connections that may be greeting at the same time
REDIRECT = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 47\r\nConnection: close\r\n\r\n"
    b"Client sent an HTTP request to an HTTPS server\n"
)


def systemd_socket() -> socket.socket | None:
    """The unix socket that systemd opened for us (sd_listen_fds(3)), if it did."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS", "0") == "0":
        return None
    return socket.socket(fileno=3)


class Listeners:
    """Accepts connections and hands them to the HTTP server; listeners come and go while it runs."""

    def __init__(self, server: web.Server, certificate: Path, key: Path) -> None:
        self._protocol = protocol_factory(server)
        self._certificate = certificate
        self._key = key
        self._network: dict[tuple[str, int], tuple[socket.socket, asyncio.Task[None]]] = {}
        self._unix: tuple[socket.socket, asyncio.Task[None]] | None = None
        self._unix_path: Path | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._greeting = asyncio.Semaphore(HANDSHAKES)
        self._context: AnyClientContext | None = None
        self.setting = ""
        self.reload_certificate()

    def reload_certificate(self) -> tuple[str, str]:
        """Use the certificate that is in the files now, for connections from now on. Returns PEM and fingerprint."""
        pem, fingerprint = load_or_create(self._certificate, self._key)
        self._context = AnyClientContext(self._certificate, self._key)
        return pem, fingerprint

    # -- the unix socket

    async def listen_unix(self, path: Path, group: str) -> None:
        """Raises:
        HostError: another daemon answers there, or it can't be made.
        """
        given = systemd_socket()
        if given is not None:
            given.setblocking(False)
            self._unix = (given, asyncio.create_task(self._accept(given, tls=False)))
            return
        await self._refuse_second_daemon(path)
        listening = socket.socket(socket.AF_UNIX)
        temporary = path.with_name(".unix.socket.new")
        temporary.unlink(missing_ok=True)
        try:
            listening.bind(str(temporary))
        except OSError as exc:
            listening.close()
            reason = "the path is too long for a unix socket" if "too long" in str(exc) else exc.strerror
            raise HostError(f"Can't listen on {path}: {reason}") from exc
        os.chmod(temporary, 0o660)
        if os.geteuid() == 0:
            os.chown(temporary, 0, _group_id(group))
        listening.listen(128)
        listening.setblocking(False)
        temporary.replace(path)  # with its owner and mode right from the first moment
        self._unix_path = path
        self._unix = (listening, asyncio.create_task(self._accept(listening, tls=False)))

    @staticmethod
    async def _refuse_second_daemon(path: Path) -> None:
        if not path.exists():
            return
        try:
            _, writer = await asyncio.open_unix_connection(str(path))
        except OSError:
            return  # left by a daemon that is gone
        writer.close()
        raise HostError(f"A daemon is already listening on {path}", hint="stop it first, or set another LXD_DIR")

    # -- the network

    async def listen(self, setting: str) -> None:
        """Listen on exactly the addresses of ``setting``; those that stay are not touched, new ones come first.

        Raises:
            InvalidRequest: an address can't be listened on; nothing has changed then.
        """
        wanted = [parse_address(text) for text in split_addresses(setting)]
        opened: dict[tuple[str, int], list[socket.socket]] = {}
        try:
            for address in wanted:
                if address not in self._network and address not in opened:
                    opened[address] = [_bind(*address)]
        except OSError as exc:
            for sockets in opened.values():
                for one in sockets:
                    one.close()
            raise InvalidRequest(f"Can't listen on {setting}: {exc.strerror or exc}") from exc
        for address in [known for known in self._network if known not in wanted]:
            listening, task = self._network.pop(address)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            listening.close()
        for address, sockets in opened.items():
            listening = sockets[0]
            self._network[address] = (listening, asyncio.create_task(self._accept(listening, tls=True)))
        self.setting = setting

    def addresses(self) -> list[str]:
        """``host:port`` of each address that clients can be told, ports as they really are."""
        found: list[str] = []
        for (host, _), (listening, _) in self._network.items():
            port = listening.getsockname()[1]
            if host in ("", "::", "0.0.0.0"):  # noqa: S104 - read, not bound
                found += [_join(address, port) for address in host_addresses()]
            else:
                found.append(_join(host, port))
        return list(dict.fromkeys(found))

    # -- connections

    async def _accept(self, listening: socket.socket, *, tls: bool) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError as exc:
                if exc.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    log.warning("can't accept connections for the moment: %s", exc.strerror)
                    await asyncio.sleep(0.5)
                    continue
                if exc.errno in (errno.ECONNABORTED, errno.EINTR):
                    continue
                raise
            connection.setblocking(False)
            task = asyncio.create_task(self._welcome(connection) if tls else self._welcome_local(connection))
            self._tasks.add(task)  # a task nobody holds can be collected while it waits
            task.add_done_callback(self._tasks.discard)

    async def _welcome_local(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        except OSError:
            connection.close()

    async def _welcome(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with self._greeting, asyncio.timeout(GREETING):
                await readable(connection)
                first = connection.recv(1, socket.MSG_PEEK)
                if first == b"\x16":  # a TLS handshake record
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    await loop.connect_accepted_socket(
                        self._protocol, connection, ssl=self._context, ssl_shutdown_timeout=3
                    )
                    return
                if first:
                    await loop.sock_sendall(connection, REDIRECT)
                    connection.shutdown(socket.SHUT_WR)
        except (OSError, TimeoutError) as exc:
            log.info("a connection was not made: %s", exc)
        connection.close()

    async def close(self) -> None:
        """Stop listening; connections that are open go on until the HTTP server ends them."""
        pairs = list(self._network.values()) + ([self._unix] if self._unix is not None else [])
        for listening, task in pairs:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            listening.close()
        self._network.clear()
        for task in list(self._tasks):
            task.cancel()
        if self._unix_path is not None:
            self._unix_path.unlink(missing_ok=True)


def _group_id(group: str) -> int:
    """``--group``'s id; without one ``lxd`` or ``sudo`` where they exist, else root."""
    for name in [group] if group else ["lxd", "sudo"]:
        try:
            return grp.getgrnam(name).gr_gid
        except KeyError:
            continue
    if group:
        raise HostError(f'There is no group "{group}"')
    return 0


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host or not host else socket.AF_INET
    if host and ":" not in host:
        family, _, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        host = str(target[0])
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        if host:
            raise
        family, listening = socket.AF_INET, socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # "[::]" is every address, as in Go; a named IPv6 address is only that
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host not in ("", "::")))
        listening.bind((host or ("::" if family == socket.AF_INET6 else "0.0.0.0"), port))  # noqa: S104 - asked for
        listening.listen(512)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
