"""The ``lxd`` command: the daemon, and the commands around it."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from azekura import LXD_VERSION
from azekura.errors import AzekuraError, ConnectionFailed, HostError
from azekura.services.state_folder import StateFolder, default_root


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lxd", description="The image and container daemon. Without a command it runs in the foreground."
    )
    parser.add_argument("--version", action="version", version=LXD_VERSION)
    parser.add_argument("--group", default="", help="the group that may use the unix socket")
    parser.add_argument("-v", "--verbose", action="store_true", help="log what is done")
    parser.add_argument("-d", "--debug", action="store_true", help="log everything")
    parser.add_argument("--logfile", type=Path, help="log into this file instead of standard error")
    parser.add_argument("--syslog", action="store_true", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    waitready = commands.add_parser("waitready", help="wait until the daemon is ready")
    waitready.add_argument("-t", "--timeout", type=int, default=0, help="seconds to wait; 0: for ever")
    shutdown = commands.add_parser("shutdown", help="stop the containers cleanly, then the daemon")
    shutdown.add_argument("-t", "--timeout", type=int, default=60, help="seconds the containers have")
    shutdown.add_argument("-f", "--force", action="store_true", help="don't wait for running operations")
    init = commands.add_parser("init", help="set the daemon up")
    init.add_argument("--auto", action="store_true", help="choose everything by what this machine can do")
    init.add_argument("--preseed", action="store_true", help="read the set-up (YAML) from standard input")
    init.add_argument("--dump", action="store_true", help="print the present set-up as YAML")
    init.add_argument("--minimal", action="store_true", help="the same as --auto")
    init.add_argument("--storage-backend", choices=("overlay", "btrfs", "dir"), help="storage driver for --auto")
    init.add_argument("--storage-pool", default="default", help=argparse.SUPPRESS)
    init.add_argument("--network-address", help="address to listen on, for --auto")
    init.add_argument("--network-port", type=int, default=8443, help="port to listen on, for --auto")
    init.add_argument("--trust-password", help="password with which clients may add themselves, for --auto")
    check = commands.add_parser("check", help="compare records with stored files and their hashes")
    check.add_argument("--repair", action="store_true", help="record lost images again, move strays aside")
    check.add_argument("--quick", action="store_true", help="don't read the files, compare sizes only")
    check.add_argument("--format", choices=("text", "json"), default="text")
    activate = commands.add_parser("activateifneeded", help="wake the daemon up if it has something to do")
    activate.add_argument("-d", "--debug", action="store_true", default=argparse.SUPPRESS, help="say why")
    commands.add_parser("version", help="print the version")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code. No traceback ever reaches the user."""
    options = _parser().parse_args(_without_empty_words(sys.argv[1:] if argv is None else argv))
    try:
        return _run(options)
    except AzekuraError as exc:
        hint = f" ({exc.hint})" if exc.hint else ""
        print(f"Error: {exc}{hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141


def _without_empty_words(argv: Sequence[str]) -> list[str]:
    """As LXD: ``lxd --group g ""`` (a script's empty variable) runs the daemon; an option's value may be empty."""
    return [word for at, word in enumerate(argv) if word or (at > 0 and argv[at - 1].startswith("-"))]


def _run(options: argparse.Namespace) -> int:
    folder = StateFolder(default_root().absolute())
    match options.command:
        case None:
            return _daemon(folder, options)
        case "version":
            print(LXD_VERSION)
            return 0
        case "activateifneeded":
            from azekura.daemon.activation import run

            logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
            logging.getLogger("azekura").setLevel(logging.DEBUG if options.debug else logging.WARNING)
            return run(folder)
        case "waitready":
            return _waitready(folder, options.timeout)
        case "shutdown":
            return _shutdown(folder, options.timeout)
        case "check":
            return _check(folder, options)
        case _:
            from azekura.daemon.init import run_init

            return run_init(folder, options)


def _daemon(folder: StateFolder, options: argparse.Namespace) -> int:
    level = logging.DEBUG if options.debug else logging.INFO if options.verbose else logging.WARNING
    try:
        handler = logging.FileHandler(options.logfile) if options.logfile else logging.StreamHandler()
    except OSError as exc:
        raise HostError(f"Can't write the log file {options.logfile}: {exc.strerror}") from exc
    logging.basicConfig(
        level=logging.WARNING, handlers=[handler], format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("azekura").setLevel(level)
    os.umask(0o022)
    from azekura.daemon.allocator import keep_buffers
    from azekura.daemon.serve import serve

    keep_buffers()
    asyncio.run(serve(folder, group=options.group))
    return 0


def _waitready(folder: StateFolder, timeout: int) -> int:
    from azekura.client.server import Server

    deadline = time.monotonic() + timeout if timeout > 0 else None
    while True:
        try:
            Server(f"unix://{folder.socket}").get("/internal/ready")
            return 0
        except AzekuraError:
            if deadline is not None and time.monotonic() >= deadline:
                raise HostError(f"LXD still not running after {timeout}s timeout") from None
            time.sleep(0.1)


def _shutdown(folder: StateFolder, timeout: int) -> int:
    from azekura.client.server import Server

    server = Server(f"unix://{folder.socket}")
    server.put("/internal/shutdown", {}, query={"timeout": str(max(0, timeout))})
    server.close()
    deadline = time.monotonic() + timeout + 60
    while folder.socket.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return 0


def _check(folder: StateFolder, options: argparse.Namespace) -> int:
    """Works on the state folder itself, so the daemon must not run meanwhile."""
    from azekura.client.server import Server
    from azekura.services.check import check_store
    from azekura.services.opening import close_depot, open_depot

    try:
        Server(f"unix://{folder.socket}").get("/1.0")
    except (ConnectionFailed, HostError):
        pass
    else:
        raise HostError("The daemon is running", hint="stop it first: lxd shutdown, or systemctl stop azekura")
    if folder.catalog == folder.database and not folder.database.exists():
        raise HostError(f"There is no store in {folder.root}", hint="set LXD_DIR to the daemon's state folder")
    depot = open_depot(folder)

    def progress(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)

    try:
        report = check_store(depot, repair=options.repair, quick=options.quick, progress=progress)
    finally:
        close_depot(depot)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    if options.format == "json":
        print(json.dumps(vars(report)))
    else:
        for line in report.problems:
            print(f"- {line}")
        for line in report.repaired:
            print(f"+ {line}")
        count = len(report.problems)
        print(
            f"{report.images} images, {report.blobs} files, {report.bytes} bytes: "
            + ("no problems" if not count else f"{count} problem(s)")
        )
    return 0 if report.clean or (options.repair and report.repaired) else 1


if __name__ == "__main__":
    sys.exit(main())
