"""Work that nobody asks for: auto-update, expiry, snapshots that end, old operations."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from azekura.daemon.state import ServerState
from azekura.errors import AzekuraError
from azekura.model.image import NEVER
from azekura.services.images.expiry import expire_images
from azekura.services.images.refresh import auto_update
from azekura.services.instances.copies import delete_snapshot
from azekura.services.instances.snapshot_taking import take_scheduled
from azekura.services.operations import Running

log = logging.getLogger("azekura.background")

TICK = 30.0  # seconds between two looks at what is due
EXPIRE_EVERY = timedelta(days=1)


class Schedule:
    """When what is due. Pure: the clock is an argument, so a test can turn it."""

    def __init__(self) -> None:
        self._updated: datetime | None = None
        self._expired: datetime | None = None
        self._minute: datetime | None = None

    def update_due(self, now: datetime, interval_hours: int) -> bool:
        """At the start and then every ``interval_hours``; 0 or less: never."""
        if interval_hours <= 0:
            return False
        return self._updated is None or now - self._updated >= timedelta(hours=interval_hours)

    def expiry_due(self, now: datetime) -> bool:
        """At the start, then daily, and when a setting it depends on changed."""
        return self._expired is None or now - self._expired >= EXPIRE_EVERY

    def new_minute(self, now: datetime) -> bool:
        """Once in every minute of the clock, but not in the one in which the daemon began."""
        minute = now.replace(second=0, microsecond=0)
        before, self._minute = self._minute, minute
        return before is not None and minute != before

    def updated(self, now: datetime) -> None:
        self._updated = now

    def expired(self, now: datetime) -> None:
        self._expired = now

    def forget_expiry(self) -> None:
        self._expired = None


class Background:
    """Runs what is due, one thing at a time: updates and expiry must not meet."""

    def __init__(self, server: ServerState) -> None:
        self._server = server
        self._schedule = Schedule()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    def settings_changed(self, keys: set[str]) -> None:
        """LXD looks for expired images at once when one of these changes."""
        if keys & {"images.remote_cache_expiry", "images.auto_update_interval"}:
            self._schedule.forget_expiry()
            self._wake.set()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            try:
                await self._task
            except asyncio.CancelledError:
                pass

    async def _run(self) -> None:
        while True:
            await self._once()
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), TICK)
            except TimeoutError:
                pass

    async def _once(self) -> None:
        depot = self._server.depot
        now = depot.clock()
        await self._guarded(depot.operations.forget_old)
        await self._guarded(self._end_snapshots)
        if self._schedule.new_minute(now):
            await self._guarded(self._take_snapshots)
        if self._schedule.expiry_due(now):
            self._schedule.expired(now)
            await self._guarded(lambda: expire_images(depot))
        interval = await asyncio.to_thread(self._server.settings.number, "images.auto_update_interval")
        if self._schedule.update_due(now, interval):
            self._schedule.updated(now)
            await self._guarded(self._update)

    def _update(self) -> None:
        depot = self._server.depot
        with depot.catalog.read() as tx:
            if not any(image.auto_update and image.source for image in tx.images.list()):
                return

        def work(running: Running) -> None:
            changed = auto_update(depot, running)
            log.info("auto-update: %d image(s) replaced by newer ones", changed)

        operation = depot.operations.start("Updating images", work, may_cancel=True)
        depot.operations.wait(operation.id)

    def _take_snapshots(self) -> None:
        now = self._server.depot.clock().astimezone()
        for reason in take_scheduled(self._server.depot, self._server.lifecycle, now):
            log.warning("a scheduled snapshot was not taken: %s", reason)

    def _end_snapshots(self) -> None:
        depot = self._server.depot
        now = depot.clock()
        with depot.catalog.read() as tx:
            due = [
                (instance.name, snapshot.name)
                for instance in tx.instances.list()
                for snapshot in tx.instances.list_snapshots(instance.name)
                if NEVER < snapshot.expires_at <= now
            ]
        for name, snapshot in due:
            delete_snapshot(depot, name, snapshot)

    async def _guarded(self, step: Callable[[], object]) -> None:
        started = time.monotonic()
        try:
            await asyncio.get_running_loop().run_in_executor(self._server.requests, step)
        except AzekuraError as exc:
            log.warning("background work failed after %.1f s: %s", time.monotonic() - started, exc)
        except Exception:
            log.exception("background work failed")
