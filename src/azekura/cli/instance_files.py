"""The files of one instance, through the API (``/1.0/instances/NAME/files?path=``)."""

from __future__ import annotations

from azekura.client.body import bytes_body, file_body
from azekura.client.envelope import ANSWER_LIMIT, open_envelope
from azekura.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from azekura.client.body import Body
    from azekura.client.http1 import Answer
    from azekura.client.server import Server

READ_LIMIT = 64 << 20  # bytes of a file that is read whole: one to edit, a link's target


class FileStatus:
    """``kind`` is file, directory or symlink."""

    __slots__ = ("gid", "kind", "mode", "uid")

    def __init__(self, headers: dict[str, str]) -> None:
        self.kind = headers.get("x-lxd-type", "file")
        self.mode = int(headers.get("x-lxd-mode") or "0644", 8)
        self.uid = int(headers.get("x-lxd-uid") or 0)
        self.gid = int(headers.get("x-lxd-gid") or 0)


class InstanceFiles:
    """``path`` arguments are absolute paths in the instance."""

    def __init__(self, server: Server, instance: str) -> None:
        self._server = server
        self._address = f"{instance}/files"

    def _open(self, path: str) -> Answer:
        answer = self._server.open("GET", self._address, query={"path": path})
        if answer.status != 200:
            try:
                open_envelope(answer.status, answer.read(ANSWER_LIMIT))
            finally:
                answer.close()
        return answer

    def stat(self, path: str) -> FileStatus:
        """
        Raises:
            NotFound: no such file.
        """
        answer = self._open(path)
        answer.close()
        return FileStatus(answer.headers)

    def read(self, path: str) -> bytes:
        answer = self._open(path)
        try:
            return answer.read(READ_LIMIT)
        finally:
            answer.close()

    def fetch(self, path: str, write: Callable[[bytes], object]) -> None:
        answer = self._open(path)
        try:
            while block := answer.read_some():
                write(block)
        finally:
            answer.close()

    def names(self, path: str) -> list[str]:
        """What is in a directory."""
        found = self._server.get(self._address, {"path": path})
        return [str(name) for name in found or ()]

    def delete(self, path: str) -> None:
        self._server.delete(self._address, query={"path": path})

    def _send(self, path: str, body: Body | None, headers: dict[str, str]) -> None:
        self._server.envelope("POST", self._address, query={"path": path}, headers=headers, body=body)

    def write(self, path: str, content: bytes, *, mode: int | None = None, uid: int = -1, gid: int = -1) -> None:
        """A file that is there keeps what isn't given."""
        body = bytes_body(content, "application/octet-stream")
        self._send(path, body, _headers("file", mode, uid, gid))

    def send(
        self,
        path: str,
        file: BinaryIO,
        *,
        mode: int,
        uid: int,
        gid: int,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> None:
        self._send(path, file_body(file, progress), _headers("file", mode, uid, gid))

    def link(self, path: str, target: str, *, uid: int, gid: int) -> None:
        body = bytes_body(target.encode("utf-8", "surrogateescape"), "application/octet-stream")
        self._send(path, body, _headers("symlink", 0o777, uid, gid))

    def make_folder(self, path: str, *, mode: int | None, uid: int, gid: int) -> None:
        try:
            if self.stat(path).kind == "directory":
                return
        except NotFound:
            pass
        self._send(path, None, _headers("directory", mode, uid, gid))

    def make_folders(self, path: str, *, mode: int | None, uid: int, gid: int) -> None:
        """``path`` and what is missing above it; without a ``mode`` with the server's own."""
        done = ""
        for part in path.strip("/").split("/"):
            if part:
                done += f"/{part}"
                self.make_folder(done, mode=mode, uid=uid, gid=gid)


def _headers(kind: str, mode: int | None, uid: int, gid: int) -> dict[str, str]:
    headers = {"X-LXD-type": kind}
    if mode is not None:
        headers["X-LXD-mode"] = f"{mode:04o}"
    if uid >= 0:
        headers["X-LXD-uid"] = str(uid)
    if gid >= 0:
        headers["X-LXD-gid"] = str(gid)
    return headers
