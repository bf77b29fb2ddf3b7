"""``/1.0/instances/NAME/files``: files inside a container, running or not, never outside of it."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, Any

from aiohttp import web

from azekura.daemon.call import Call, sync
from azekura.errors import InvalidRequest, NoSpace, StorageFailed, TooLarge
from azekura.model.instance import expand_config
from azekura.services.instances.id_maps import current_map
from azekura.services.instances.profiles import load_profiles
from azekura.storage.rootfs_files import FileStatus, RootfsFiles

SLICE = 1 << 20  # bytes read or written at once
PATH_MAX = 4096
MAX_FILE = 1 << 30  # bytes of a file that can be sent this way


@contextmanager
def _files(call: Call, name: str) -> Iterator[RootfsFiles]:
    """The container's root file system, mounted for the moment when it isn't."""
    with call.depot.instance_locks.hold(name):
        with call.depot.catalog.read() as tx:
            instance = tx.instances.get(name)
            config = expand_config(load_profiles(tx, instance.profiles), instance.config)
        driver = call.depot.pools.of(instance)
        was_mounted = driver.is_mounted(name)
        mounted = driver.mount(name, current_map(config, running=call.server.lifecycle.is_running(name)))
        try:
            with RootfsFiles(mounted.path, mounted.owner_base, mounted.direct) as files:
                yield files
        finally:
            if not was_mounted:
                driver.unmount(name)


def _path(call: Call) -> str:
    path = call.query("path")
    if not path:
        raise InvalidRequest("missing path argument")
    return path


def _headers(status: FileStatus) -> dict[str, str]:
    kind = {"file": "file", "directory": "directory", "symlink": "symlink"}.get(status.kind, "file")
    return {
        "X-LXD-uid": str(status.uid),
        "X-LXD-gid": str(status.gid),
        "X-LXD-mode": f"{status.mode:04o}",
        "X-LXD-type": kind,
        "X-LXD-modified": datetime.fromtimestamp(status.modified, UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC"),
    }


async def read(call: Call) -> web.StreamResponse:
    name, path = call.path("name"), _path(call)

    def work() -> tuple[FileStatus, Any]:
        with _files(call, name) as files:
            status = files.stat(path, follow=False)
            if status.kind == "symlink":
                return status, files.readlink(path).encode("utf-8", "surrogateescape")
            if status.kind == "directory":
                return status, files.listdir(path)
            if status.kind != "file":
                raise InvalidRequest(f"{path} is a {status.kind}, which can't be sent")
            if status.size > MAX_FILE:
                raise TooLarge(f"{path} is larger than {MAX_FILE} bytes")
            spool = _spool(call)
            with files.open_read(path) as file:
                while data := file.read(SLICE):
                    _store(call, spool, data)
            return status, spool

    status, content = await call.work(work)
    if isinstance(content, list):
        response: web.Response = sync(content)
        response.headers.update(_headers(status))
        return response
    headers = {**_headers(status), "Content-Disposition": "inline;filename=file"}
    if isinstance(content, bytes):
        return web.Response(body=content, headers=headers, content_type="application/octet-stream")
    return await _send(call, content, headers)


async def _send(call: Call, spool: IO[bytes], headers: dict[str, str]) -> web.StreamResponse:
    with spool:
        answer = web.StreamResponse(headers={**headers, "Content-Type": "application/octet-stream"})
        answer.content_length = spool.tell()
        spool.seek(0)
        await answer.prepare(call.request)
        if call.request.method != "HEAD":
            while data := await call.work(spool.read, SLICE):
                await answer.write(data)
        await answer.write_eof()
        return answer


def _number(call: Call, header: str, default: int, base: int = 10) -> int:
    text = call.request.headers.get(header, "")
    if not text:
        return default
    try:
        number = int(text, base)
    except ValueError:
        raise InvalidRequest(f"Invalid {header}: {text[:40]!r}") from None
    if not 0 <= number < 2**32 - 1:
        raise InvalidRequest(f"Invalid {header}: {text[:40]!r}")
    return number


def _spool(call: Call) -> IO[bytes]:
    """A nameless file for what is on its way: a container is locked only while it is really read or written."""
    return tempfile.TemporaryFile(dir=call.depot.folder.cache)


def _store(call: Call, spool: IO[bytes], data: bytes) -> None:
    try:
        spool.write(data)
    except OSError as exc:
        if exc.errno == errno.ENOSPC:
            raise NoSpace(path=str(call.depot.folder.cache)) from exc
        raise StorageFailed(f"Can't keep the file for the moment: {exc.strerror}") from exc


async def write(call: Call) -> web.StreamResponse:
    """The body is a file's content or a link's target."""
    spool = await call.work(_spool, call)
    try:
        received = 0
        async for chunk in call.request.content.iter_any():
            received += len(chunk)
            if received > MAX_FILE:
                raise TooLarge(f"The file is larger than {MAX_FILE} bytes")
            await call.work(_store, call, spool, chunk)
        await call.work(_write, call, spool)
    finally:
        spool.close()
    return sync()


def _write(call: Call, spool: IO[bytes]) -> None:
    name, path = call.path("name"), _path(call)
    kind = call.request.headers.get("X-LXD-type", "file")
    uid, gid = _number(call, "X-LXD-uid", 0), _number(call, "X-LXD-gid", 0)
    mode = _number(call, "X-LXD-mode", 0o750 if kind == "directory" else 0o644, 8) & 0o7777
    given = any(header in call.request.headers for header in ("X-LXD-mode", "X-LXD-uid", "X-LXD-gid"))
    append = call.request.headers.get("X-LXD-write", "overwrite") == "append"
    spool.seek(0)
    chunks = iter(lambda: spool.read(SLICE), b"")
    with _files(call, name) as files:
        files.stat(path.rstrip("/").rpartition("/")[0] or "/")  # its folder must be there, as in LXD
        match kind:
            case "file" if append:
                files.append_file(path, chunks, mode=mode)
            case "file":
                files.write_file(path, chunks, mode=mode, uid=uid, gid=gid, keep_existing_mode=not given)
            case "directory":
                files.mkdir(path, mode=mode, uid=uid, gid=gid, parents=True)
            case "symlink":
                target = spool.read(PATH_MAX).decode("utf-8", "surrogateescape")
                files.symlink(path, target, uid=uid, gid=gid)
            case other:
                raise InvalidRequest(f"Bad file type: {other[:40]}")


async def remove(call: Call) -> web.StreamResponse:
    name, path = call.path("name"), _path(call)

    def work() -> None:
        with _files(call, name) as files:
            files.remove(path)

    await call.work(work)
    return sync()
