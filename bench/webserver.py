"""A private nginx on loopback: the yardstick for downloads, and a neutral server of streams."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection

from bench.server import clean_environment, free_port

NGINX = "/usr/sbin/nginx"
CONFIG = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/tmp;
  proxy_temp_path {folder}/tmp;
  fastcgi_temp_path {folder}/tmp;
  uwsgi_temp_path {folder}/tmp;
  scgi_temp_path {folder}/tmp;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/server.crt;
    ssl_certificate_key {folder}/server.key;
    ssl_protocols TLSv1.3;
    output_buffers 2 512k;
    root {root};
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class WebServer:
    url: str
    certificate: Path
    access_log: Path

    def accesses(self) -> list[tuple[str, int, int]]:
        """(path, status, bytes of the body) of every request so far."""
        found = []
        for line in self.access_log.read_text().splitlines():
            _, request, rest = line.split('"')[:3]
            status, size = rest.split()[:2]
            found.append((request.split()[1], int(status), int(size)))
        return found


@contextmanager
def nginx(folder: Path, root: Path) -> Iterator[WebServer]:
    """nginx over TLS for ``root``; its own files stand in ``folder``."""
    if not Path(NGINX).exists():
        raise RuntimeError("nginx is needed: apt-get install nginx-light")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    (folder / "tmp").mkdir(exist_ok=True)
    key, certificate = folder / "server.key", folder / "server.crt"
    subject = "-days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp384r1 -nodes"
    command = [*make.split(), "-keyout", str(key), "-out", str(certificate), *subject.split()]
    subprocess.run(command, check=True, capture_output=True)
    port = free_port()
    config = folder / "nginx.conf"
    # as root its worker would be www-data, who may not read our folders
    user = "user root;\n" if os.geteuid() == 0 else ""
    config.write_text(user + CONFIG.format(folder=folder, root=root, port=port))
    process = subprocess.Popen(
        [NGINX, "-c", str(config), "-p", str(folder)], env=clean_environment(), stderr=subprocess.DEVNULL
    )
    try:
        _await_port(port)
        yield WebServer(f"https://127.0.0.1:{port}", certificate, folder / "access.log")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _await_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
