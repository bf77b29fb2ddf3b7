"""The daemon's life: open, listen, work, and end when told to."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket

from aiohttp import web

from azekura.daemon.application import build
from azekura.daemon.background import Background
from azekura.daemon.exec_sessions import ExecSessions
from azekura.daemon.listeners import Listeners
from azekura.daemon.routes.table import routes
from azekura.daemon.state import ServerState
from azekura.errors import AzekuraError
from azekura.runtime.port import Runtime
from azekura.services.instances.lifecycle import Lifecycle
from azekura.services.opening import autostart, close_depot, open_depot, recover_instances, stop_all
from azekura.services.settings import Settings
from azekura.services.state_folder import StateFolder
from azekura.services.trust import Trust

log = logging.getLogger("azekura")

PATIENCE = 3.0  # seconds that open requests have to end when the daemon stops


def _notify(message: str) -> None:
    """Tell systemd (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect("\0" + address[1:] if address.startswith("@") else address)
        notify.sendall(message.encode())


async def serve(folder: StateFolder, *, group: str = "", host: Runtime | None = None) -> None:
    """Run until SIGTERM, SIGINT or ``lxd shutdown``.

    Raises:
        AzekuraError: it can't start, with one reason.
    """
    loop = asyncio.get_running_loop()
    depot = await loop.run_in_executor(None, lambda: open_depot(folder, host=host))
    lifecycle = Lifecycle(depot)
    server = ServerState(depot, lifecycle, Settings(depot.catalog), Trust(depot))
    runner = web.AppRunner(build(server, routes()), access_log=None, shutdown_timeout=PATIENCE)
    await runner.setup()
    assert runner.server is not None
    try:
        listeners = Listeners(runner.server, *folder.server_certificate)
        server.listeners = listeners
        server.certificate_pem, server.certificate_fingerprint = listeners.reload_certificate()
        server.exec_sessions = ExecSessions(depot)
        wanted = await loop.run_in_executor(server.requests, recover_instances, depot, lifecycle)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stopping.set)
        loop.add_signal_handler(signal.SIGHUP, _reload, server)
        await listeners.listen_unix(folder.socket, group)
        try:
            await listeners.listen(server.settings.get("core.https_address"))
        except AzekuraError as exc:
            log.error("%s: the server can be reached over its unix socket only", exc)
        if depot.host is None:
            problem = depot.host_problem
            remedy = f" ({problem.hint})" if problem and problem.hint else ""
            log.warning("no containers can run here, images are served all the same: %s%s", problem, remedy)
        log.info("ready, state in %s", folder.root)
        _notify("READY=1")
        starting = loop.run_in_executor(server.requests, autostart, lifecycle, wanted)
        starting.add_done_callback(lambda _: server.ready.set())
        server.background = Background(server)
        server.background.start()
        _spare_the_collector()
        await server.stopping.wait()
        _notify("STOPPING=1")
        await _stop(server)
    finally:
        if server.listeners is not None:
            await server.listeners.close()
        await runner.cleanup()
        lifecycle.close()
        await loop.run_in_executor(None, close_depot, depot)
        server.close()


def _spare_the_collector() -> None:
    """What was imported stays: the garbage collector needn't walk through it again and again, and may come less often.

    Else it takes a fifth of the time of a list of ten thousand images.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _reload(server: ServerState) -> None:
    """SIGHUP: use the certificate that is in the files now."""
    if server.listeners is None:
        return
    try:
        server.certificate_pem, server.certificate_fingerprint = server.listeners.reload_certificate()
        log.info("the server's certificate was read again")
    except AzekuraError as exc:
        log.error("the old certificate stays in use: %s", exc)


async def _stop(server: ServerState) -> None:
    loop = asyncio.get_running_loop()
    if server.background is not None:
        await server.background.close()
    if server.stop_instances is not None:
        await loop.run_in_executor(None, stop_all, server.depot, server.lifecycle, server.stop_instances)
    if server.exec_sessions is not None:
        await server.exec_sessions.close()
    log.info("stopped")
