"""Starting and stopping: mount, templates, liblxc, and what has to be put right when a container ends by itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path

from azekura.errors import AzekuraError, InUse, InvalidRequest, NotFound, RuntimeFailed
from azekura.model.instance import Instance, InstanceStatus, expand_config, expand_devices
from azekura.runtime.port import Limits
from azekura.services.depot import Depot
from azekura.services.instances.config_keys import runtime_limits
from azekura.services.instances.container_spec import container_spec
from azekura.services.instances.id_allotment import IdAllotment
from azekura.services.instances.id_maps import RUNNING_KEY, running_text
from azekura.services.instances.image_trees import restore_tree
from azekura.services.instances.network_cards import card_settings, host_names
from azekura.services.instances.profiles import load_profiles
from azekura.services.instances.records import remove_record, update_record
from azekura.services.instances.templating import InstanceFiles, render_templates, write_templates
from azekura.services.instances.unix_devices import forget_nodes
from azekura.services.settings import truth

log = logging.getLogger("azekura.instances")

_FAILED_START_LOG = 1500  # characters of the container's console shown with a failed start


class Lifecycle:
    """Starts, stops and watches the containers of one daemon. One operation at a time for each container."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot
        self._janitor = ThreadPoolExecutor(2, thread_name_prefix="janitor")
        self._recorders = ThreadPoolExecutor(8, thread_name_prefix="recorder")
        self._ids = IdAllotment(depot)
        self._starting: set[str] = set()
        self._stopping: set[str] = set()

    # -- state

    def status(self, name: str) -> InstanceStatus:
        """What LXD would call the container's state now."""
        if name in self._starting:
            return InstanceStatus.STARTING
        if self._depot.host is None or not self._depot.host.is_running(name):
            return InstanceStatus.STOPPED
        if self._depot.host.state(name).frozen:
            return InstanceStatus.FROZEN
        return InstanceStatus.RUNNING

    def is_running(self, name: str) -> bool:
        return self._depot.host is not None and self._depot.host.is_running(name)

    # -- start

    def get_ready(self) -> None:
        """A container will be started or entered in a few milliseconds: what the kernel needs for that begins now."""
        if self._depot.host is not None:
            self._depot.host.get_ready()

    def start(self, name: str) -> None:
        """Start a stopped container.

        Raises:
            NotFound: no such instance.
            InvalidRequest: it is running already, or a template has a mistake.
            RuntimeFailed: liblxc or the container's init failed, with the end of its log.
        """
        runtime = self._depot.runtime()
        runtime.get_ready()
        with self._depot.instance_locks.hold(name):
            if runtime.is_running(name):
                raise InvalidRequest("The instance is already running")
            with self._depot.catalog.read() as tx:
                instance = tx.instances.get(name)
                profiles = load_profiles(tx, instance.profiles)
                files = InstanceFiles(*tx.instances.get_files(name))
            self._starting.add(name)
            try:
                self._start(instance, expand_config(profiles, instance.config),
                            expand_devices(profiles, instance.devices), files)  # fmt: skip
            finally:
                self._starting.discard(name)
        self._depot.events.lifecycle("instance-started", f"/1.0/instances/{name}")

    def _start(
        self,
        instance: Instance,
        config: dict[str, str],
        devices: dict[str, dict[str, str]],
        files: InstanceFiles,
    ) -> None:
        depot = self._depot
        pending = config.get("volatile.apply_template", "")
        triggers = (pending, "start") if pending else ("start",)
        cards = {**card_settings(devices, config), **host_names(devices)}
        config = {**config, **cards}
        rendered = render_templates(files, instance, config, devices, triggers, depot.clock())
        driver = depot.pools.of(instance)
        idmap = self._ids.map_of(instance.name, config)
        restore_tree(depot, driver, instance)
        mounted = driver.mount(instance.name, idmap)
        try:
            write_templates(rendered, mounted)
            logs, nodes = self.log_folder(instance.name), depot.folder.devices / instance.name
            logs.mkdir(mode=0o700, exist_ok=True)
            spec = container_spec(instance, config, devices, mounted, idmap, logs=logs, nodes=nodes)
            spec.console_log.unlink(missing_ok=True)
            changes = {
                **cards,
                RUNNING_KEY: running_text(idmap),
                "volatile.apply_template": None,
                "volatile.last_state.power": "RUNNING",
            }
            with self._recording(instance, changes, settle=bool(pending)):
                depot.runtime().start(spec)
        except BaseException as exc:
            self._unmount(instance)
            if isinstance(exc, RuntimeFailed):
                raise self._explained(instance.name, exc) from exc
            raise

    @contextmanager
    def _recording(self, instance: Instance, changes: Mapping[str, str | None], *, settle: bool) -> Iterator[None]:
        """Within the block the container is started, and meanwhile recorded as running: both take the disk's time or
        the kernel's, hardly ours. ``settle``: its volume is new. Afterwards all is on the disk; when either fails,
        it neither runs nor is said to.
        """
        depot, name = self._depot, instance.name

        def record() -> None:
            update_record(depot, name, changes, last_used_at=depot.clock())
            if settle:
                depot.pools.of(instance).settle(name)

        recorded = self._recorders.submit(record)
        try:
            try:
                yield
            finally:
                wait([recorded])
            recorded.result()
        except BaseException:
            if self.is_running(name):
                depot.runtime().stop(name, force=True)
            before = {key: instance.config.get(key) for key in changes}
            update_record(depot, name, before, last_used_at=instance.last_used_at)
            raise

    def log_folder(self, name: str) -> Path:
        """Where the container's logs stand."""
        return self._depot.folder.logs / name

    def _explained(self, name: str, exc: RuntimeFailed) -> RuntimeFailed:
        """The failure with the end of what the container's console said, when it said something."""
        try:
            console = (self.log_folder(name) / "console.log").read_bytes()[-_FAILED_START_LOG:]
        except OSError:
            return exc
        said = console.decode("utf-8", "replace").strip()
        if not said or said in exc.message:
            return exc
        return RuntimeFailed(f"{exc.message}; the end of its console:\n{said}", hint=exc.hint)

    # -- stop

    def stop(self, name: str, *, timeout: float | None, force: bool) -> None:
        """Stop a running container; without ``force`` its init is asked, for up to ``timeout`` seconds.

        Raises:
            NotFound: no such instance.
            InvalidRequest: it isn't running, in LXD's words.
            RuntimeFailed: it didn't stop in time.
        """
        runtime = self._depot.runtime()
        with self._depot.catalog.read() as tx:
            tx.instances.get(name)
        with self._depot.instance_locks.hold(name):
            if not runtime.is_running(name):
                raise InvalidRequest("The instance is already stopped")
            self._stopping.add(name)
            try:
                if not runtime.stop(name, timeout=timeout, force=force):
                    raise RuntimeFailed(
                        f"The instance didn't stop within {timeout:g} seconds"
                        if timeout
                        else "The instance didn't stop",
                        hint="lxc stop --force ends it at once",
                    )
                self._ended(name)
            finally:
                self._stopping.discard(name)

    def restart(self, name: str, *, timeout: float | None, force: bool) -> None:
        """Stop, then start. An ephemeral container survives it. See both for the errors."""
        with self._kept_alive(name):
            self.stop(name, timeout=timeout, force=force)
            self.start(name)

    @contextmanager
    def _kept_alive(self, name: str) -> Iterator[None]:
        """Within, an ephemeral container isn't deleted when it stops."""
        with self._depot.catalog.read() as tx:
            ephemeral = tx.instances.get(name).ephemeral
        if not ephemeral:
            yield
            return
        update_record(self._depot, name, {}, ephemeral=False)
        try:
            yield
        finally:
            update_record(self._depot, name, {}, ephemeral=True)

    def freeze(self, name: str) -> None:
        """Raises:
        NotFound, InvalidRequest (not running), RuntimeFailed.
        """
        self._running(name)
        self._depot.runtime().freeze(name)
        self._depot.events.lifecycle("instance-paused", f"/1.0/instances/{name}")

    def unfreeze(self, name: str) -> None:
        """Raises: as :meth:`freeze`."""
        self._running(name)
        self._depot.runtime().unfreeze(name)
        self._depot.events.lifecycle("instance-resumed", f"/1.0/instances/{name}")

    def _running(self, name: str) -> None:
        with self._depot.catalog.read() as tx:
            tx.instances.get(name)
        if not self.is_running(name):
            raise InvalidRequest("The instance isn't running")

    # -- what happens by itself

    def watch(self) -> None:
        """Be told when containers end or reboot by themselves."""
        self._depot.runtime().watch(self._noticed)

    def _noticed(self, name: str, event: str) -> None:
        if event == "stopped":
            self._janitor.submit(self._after_stop, name)
        else:
            self._janitor.submit(self._after_reboot, name)

    def _after_reboot(self, name: str) -> None:
        self.enforce_limits(name, lift=True)
        self._depot.events.lifecycle("instance-restarted", f"/1.0/instances/{name}")

    def enforce_limits(self, name: str, *, lift: bool = False) -> None:
        """Set the limits of a running container again; ``lift`` those that it should not have, too.

        A reboot from inside gives it new control groups with the limits of its start, and while no daemon was there
        it may have rebooted, or the host's service manager may have taken controllers away.
        """
        try:
            with self._depot.instance_locks.hold(name):
                with self._depot.catalog.read() as tx:
                    instance = tx.instances.get(name)
                    limits = runtime_limits(expand_config(load_profiles(tx, instance.profiles), instance.config))
                if (lift or limits != Limits()) and self.is_running(name):
                    self._depot.runtime().set_limits(name, limits)
        except NotFound:
            pass  # deleted meanwhile
        except AzekuraError as exc:
            log.error("the limits of %s are not in force: %s", name, exc)

    def _after_stop(self, name: str) -> None:
        try:
            with self._depot.instance_locks.hold(name):
                if not self.is_running(name):
                    self._ended(name)
        except NotFound:
            pass  # deleted meanwhile
        except AzekuraError as exc:
            log.warning("cleaning up after %s: %s", name, exc)

    def _ended(self, name: str) -> None:
        """Put right what a stopped container leaves. Called with its lock held; does nothing the second time."""
        with self._depot.catalog.read() as tx:
            instance = tx.instances.get(name)
        if not self._unmount(instance) and instance.config.get("volatile.last_state.power") == "STOPPED":
            return
        if instance.ephemeral:
            self._delete(instance)
            self._depot.events.lifecycle("instance-deleted", f"/1.0/instances/{name}")
            return
        forget_nodes(self._depot.folder.devices / name)
        for_this_run = [key for key in instance.config if key.startswith("volatile.") and key.endswith(".host_name")]
        update_record(
            self._depot,
            name,
            {**dict.fromkeys(for_this_run), RUNNING_KEY: None, "volatile.last_state.power": "STOPPED"},
        )
        self._depot.events.lifecycle("instance-shutdown", f"/1.0/instances/{name}")

    def _unmount(self, instance: Instance) -> bool:
        driver = self._depot.pools.of(instance)
        if not driver.is_mounted(instance.name):
            return False
        driver.unmount(instance.name)
        return True

    # -- delete

    def delete(self, name: str) -> None:
        """Delete a stopped container and its snapshots.

        Raises:
            NotFound: no such instance.
            InvalidRequest: it is running, in LXD's words.
            InUse: ``security.protection.delete`` is set.
        """
        with self._depot.instance_locks.hold(name):
            with self._depot.catalog.read() as tx:
                instance = tx.instances.get(name)
                config = expand_config(load_profiles(tx, instance.profiles), instance.config)
            if truth(config.get("security.protection.delete", "false")):
                raise InUse("Instance is protected", hint="unset security.protection.delete first")
            if self.is_running(name):
                raise InvalidRequest("Instance is running")
            self._unmount(instance)
            self._delete(instance)
        self._depot.events.lifecycle("instance-deleted", f"/1.0/instances/{name}")

    def _delete(self, instance: Instance) -> None:
        name = instance.name
        driver = self._depot.pools.of(instance)
        with suppress(NotFound):  # a power failure may have taken the volume of an instance that was just made
            for snapshot in driver.snapshots(name):
                driver.delete_snapshot(name, snapshot)
            driver.delete_volume(name)
        if self._depot.host is not None:
            self._depot.host.forget(name)
        for log_file in self.log_folder(name).glob("*"):
            log_file.unlink(missing_ok=True)
        if self.log_folder(name).is_dir():
            self.log_folder(name).rmdir()
        with self._depot.catalog.write() as tx:
            remove_record(tx, instance)

    def close(self) -> None:
        self._janitor.shutdown(wait=True, cancel_futures=False)
        self._recorders.shutdown(wait=True, cancel_futures=False)
