"""A PostgreSQL of the tests' own: private, on a unix socket in a temporary folder, gone with the process."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

_PR_SET_PDEATHSIG = 1
_USER = "postgres"
_MEMORY = Path("/dev/shm")  # thousands of small files that nobody wants to keep
_INITDB_OPTIONS = ("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")


def _programs() -> Path | None:
    """The folder with ``initdb`` and ``postgres`` (Debian keeps them out of PATH), None where they aren't installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class PostgresServer:
    """Hands out databases by URL."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, database: str) -> str:
        return f"postgresql://{_USER}@/{database}?host={self._folder}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def new_database(self, *, encoding: str = "UTF8") -> str:
        """The URL of a fresh database."""
        name = f"t{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
        return self.url(name)

    def drop(self, url: str) -> None:
        name = url.partition("@/")[2].partition("?")[0]
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Start a server, as the user postgres where we are root (PostgreSQL refuses root), and end it after."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="azekura-pg-", dir=_MEMORY if _MEMORY.is_dir() else None))
    other_user = _USER if os.geteuid() == 0 else None
    if other_user is not None:
        shutil.chown(folder, other_user, other_user)
    try:
        data = folder / "data"
        subprocess.run(
            [
                programs / "initdb",
                "-D",
                data,
                "-U",
                _USER,
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            user=other_user,
            group=other_user,
            cwd="/",
        )
        settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off", "max_connections": "200"}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", data, *(f"--{key}={value}" for key, value in settings.items())],
                stdout=subprocess.DEVNULL,
                stderr=log,
                user=other_user,
                group=other_user,
                cwd="/",
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - an orphaned server would outlive a killed test run
            )
        try:
            server = PostgresServer(folder)
            _wait_until_ready(server, process, folder / "log")
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nothing in it is worth a checkpoint
            process.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _wait_until_ready(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            server.execute("SELECT 1")
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL doesn't start: {log.read_text()[-500:]}") from None
            time.sleep(0.05)
        else:
            return
