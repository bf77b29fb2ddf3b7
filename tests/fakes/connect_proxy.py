"""A tiny HTTP proxy on loopback: CONNECT for HTTPS, whole URLs for plain HTTP. It knows names no resolver knows."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit


class ConnectProxy:
    """Use in ``with``. ``hosts``: name → loopback port that stands for it. ``heads``: what it was asked, headers and
    all. ``heard``: every byte that clients sent through tunnels. ``refuse``: a status for every CONNECT."""

    def __init__(self, hosts: dict[str, int], *, refuse: str = "", authorization: str = "") -> None:
        self.hosts = hosts
        self.refuse = refuse
        self.authorization = authorization
        self.heads: list[str] = []
        self.heard = bytearray()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(1)
                if not data:
                    return
                head += data
            self.heads.append(head.decode("latin-1"))
            method, target = self.heads[-1].split(" ")[:2]
            wanted = f"\r\nproxy-authorization: {self.authorization}\r\n".lower()
            if self.authorization and wanted not in self.heads[-1].lower():
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            if self.refuse:
                client.sendall(f"HTTP/1.1 {self.refuse}\r\nContent-Length: 0\r\n\r\n".encode())
                return
            host = target.rpartition(":")[0] if method == "CONNECT" else urlsplit(target).hostname or ""
            if host not in self.hosts:
                client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self.hosts[host])) as server:
                self._open.append(server)
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    server.sendall(head.replace(f"http://{host}".encode(), b"", 1))
                threading.Thread(target=self._pump, args=(server, client, None), daemon=True).start()
                if method == "CONNECT":
                    self._pump(client, server, self.heard)
                while data := client.recv(65536):  # the next request on the same connection
                    self.heads.append(data.decode("latin-1"))
                    server.sendall(data.replace(f"http://{host}".encode(), b"", 1))

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, copy: bytearray | None) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if copy is not None:
                    copy += data
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._socket, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join()
