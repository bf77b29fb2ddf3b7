"""``/1.0/instances/NAME/files``: files inside a container, running or not, never outside of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from azekura.daemon.call import Call, sync
from azekura.errors import InvalidRequest, TooLarge
from azekura.services.instances.lifecycle import ID_BASE, ID_COUNT
from azekura.services.settings import truth
from azekura.storage.port import IdMap
from azekura.storage.rootfs_files import FileStatus, RootfsFiles

MAX_FILE = 1 << 30  # bytes of a file that can be sent this way


@contextmanager
def _files(call: Call, name: str) -> Iterator[RootfsFiles]:
    """The container's root file system, mounted for the moment when it isn't."""
    with call.depot.instance_locks.hold(name):
        with call.depot.catalog.read() as tx:
            instance = tx.instances.get(name)
        driver = call.depot.pools.of(instance)
        privileged = truth(instance.config.get("security.privileged", "false"))
        was_mounted = driver.is_mounted(name)
        mounted = driver.mount(name, None if privileged else IdMap(ID_BASE, ID_COUNT))
        try:
            with RootfsFiles(mounted.path, mounted.owner_base) as files:
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
    from datetime import UTC, datetime

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
            with files.open_read(path) as file:
                return status, file.read(MAX_FILE)

    status, content = await call.work(work)
    if isinstance(content, list):
        response: web.Response = sync(content)
        response.headers.update(_headers(status))
        return response
    headers = {**_headers(status), "Content-Disposition": "inline;filename=file"}
    return web.Response(
        body=b"" if call.request.method == "HEAD" else content, headers=headers, content_type="application/octet-stream"
    )


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


async def write(call: Call) -> web.StreamResponse:
    name, path = call.path("name"), _path(call)
    kind = call.request.headers.get("X-LXD-type", "file")
    uid, gid = _number(call, "X-LXD-uid", 0), _number(call, "X-LXD-gid", 0)
    mode = _number(call, "X-LXD-mode", 0o755 if kind == "directory" else 0o644, 8) & 0o7777
    given = any(header in call.request.headers for header in ("X-LXD-mode", "X-LXD-uid", "X-LXD-gid"))
    append = call.request.headers.get("X-LXD-write", "overwrite") == "append"
    chunks: list[bytes] = []
    received = 0
    async for chunk in call.request.content.iter_any():
        received += len(chunk)
        if received > MAX_FILE:
            raise TooLarge(f"The file is larger than {MAX_FILE} bytes")
        chunks.append(chunk)

    def work() -> None:
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
                    files.symlink(path, b"".join(chunks).decode("utf-8", "surrogateescape"), uid=uid, gid=gid)
                case other:
                    raise InvalidRequest(f"Bad file type: {other[:40]}")

    await call.work(work)
    return sync()


async def remove(call: Call) -> web.StreamResponse:
    name, path = call.path("name"), _path(call)

    def work() -> None:
        with _files(call, name) as files:
            files.remove(path)

    await call.work(work)
    return sync()
