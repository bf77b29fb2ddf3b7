"""A stream's images and aliases, ready to be asked: built once per index, kept on disk as a small SQLite file.

Reading a stream of 3,000 products takes a good part of a second; looking an alias up in this takes a millisecond.
The file's name is the hash of what it was made from, so it is never out of date; it can be deleted at any time.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azekura.errors import Ambiguous, BadAnswer, NotFound
from azekura.model.fingerprint import Fingerprint, is_prefix
from azekura.model.image import ImageType
from azekura.remotes.port import Delta, RemoteAlias, RemoteFile, RemoteImage
from azekura.wire.simplestreams_images import StreamImage, StreamImages, Unusable

LAYOUT = "1"  # part of what the name is made from: change it with the tables or with the rules of reading

_TABLES = """
CREATE TABLE image (id INTEGER PRIMARY KEY, fingerprint TEXT, record TEXT);
CREATE TABLE alias (name TEXT, type TEXT, architecture TEXT, long INTEGER, image INTEGER);
CREATE TABLE unusable (product TEXT, version TEXT, reason TEXT);
"""
_INDEXES = """
CREATE UNIQUE INDEX image_fingerprint ON image (fingerprint);
CREATE INDEX alias_name ON alias (name);
"""
_TYPES = (ImageType.CONTAINER, ImageType.VIRTUAL_MACHINE)  # a container wins where the caller doesn't mind


class StreamCatalog:
    """Answers from one state of a stream. Close it, or use it in ``with``.

    Every method may raise BadAnswer if the file was damaged behind our back.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @classmethod
    def open(
        cls, folder: Path | None, digest: str, build: Callable[[], StreamImages], *, anew: bool = False
    ) -> StreamCatalog:
        """The catalog of the state ``digest``: the kept one, or made from ``build()`` and kept in ``folder``.

        ``anew`` does not trust the kept one.
        """
        file = folder / f"{digest[:40]}.catalog" if folder else None
        if file is not None and file.is_file() and not anew:
            with suppress(sqlite3.Error):
                database = sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
                try:
                    if database.execute("PRAGMA user_version").fetchone() == (1,):
                        return cls(database)
                except sqlite3.Error:
                    file.unlink(missing_ok=True)
                database.close()
        images = build()
        if file is not None:
            with suppress(sqlite3.Error, OSError):
                _keep(file, images)
        database = sqlite3.connect(":memory:", check_same_thread=False)
        _fill(database, images)
        return cls(database)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> StreamCatalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def resolve(self, reference: str, type_: ImageType | None, architectures: Sequence[str]) -> RemoteImage:
        """An alias (for the first of ``architectures`` that has it, else any), or a fingerprint or its beginning.

        Raises:
            NotFound, Ambiguous: in LXD's words.
        """
        with _reading():
            rows = self._database.execute(
                "SELECT type, architecture, image FROM alias WHERE name = ? ORDER BY image", (reference,)
            ).fetchall()
            for kind in _TYPES if type_ is None else (type_,):
                offers = {architecture: image for type_name, architecture, image in reversed(rows) if type_name == kind}
                for architecture in (*architectures, *dict.fromkeys(row[1] for row in rows)):
                    if architecture in offers:
                        return self._image(offers[architecture], architectures)
            if is_prefix(reference):
                matches = self._database.execute(
                    "SELECT id, fingerprint FROM image WHERE fingerprint >= ? AND fingerprint < ? LIMIT 9",
                    (reference, reference + "g"),
                ).fetchall()
                if len(matches) > 1:
                    raise Ambiguous(
                        "More than one match for the provided partial fingerprint",
                        candidates=tuple(match[1] for match in matches),
                    )
                if matches:
                    return self._image(matches[0][0], architectures)
        raise NotFound("image", reference, message="The requested image couldn't be found")

    def find(self, fingerprint: str, architectures: Sequence[str]) -> RemoteImage | None:
        """The image of exactly this fingerprint, if it is still offered."""
        with _reading():
            row = self._database.execute("SELECT id FROM image WHERE fingerprint = ?", (fingerprint,)).fetchone()
            return self._image(row[0], architectures) if row else None

    def images(self, architectures: Sequence[str]) -> list[RemoteImage]:
        """All images, in LXD's order."""
        with _reading():
            rows = self._database.execute("SELECT record FROM image ORDER BY id").fetchall()
            return [_remote_image(json.loads(row[0]), architectures) for row in rows]

    def aliases(self) -> list[RemoteAlias]:
        """All names."""
        with _reading():
            rows = self._database.execute(
                "SELECT name, fingerprint, type, architecture FROM alias JOIN image ON image.id = alias.image"
                " ORDER BY alias.rowid"
            ).fetchall()
        return [RemoteAlias(name, Fingerprint(target), ImageType(kind), arch) for name, target, kind, arch in rows]

    def unusable(self) -> list[Unusable]:
        """What of the stream makes no image, and why."""
        with _reading():
            return [Unusable(*row) for row in self._database.execute("SELECT * FROM unusable ORDER BY rowid")]

    def _image(self, number: int, architectures: Sequence[str]) -> RemoteImage:
        row = self._database.execute("SELECT record FROM image WHERE id = ?", (number,)).fetchone()
        return _remote_image(json.loads(row[0]), architectures)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, KeyError, ValueError, TypeError, IndexError) as exc:
        raise BadAnswer("The kept copy of a remote's index is damaged") from exc


def _keep(file: Path, images: StreamImages) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with closing(sqlite3.connect(draft)) as database:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")  # a torn file is recognised by its missing user_version
            _fill(database, images)
        draft.replace(file)
        for other in file.parent.glob("*.catalog"):
            if other != file:
                other.unlink(missing_ok=True)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _fill(database: sqlite3.Connection, images: StreamImages) -> None:
    database.executescript(_TABLES)
    database.executemany(
        "INSERT INTO image VALUES (?, ?, ?)",
        ((number, image.fingerprint, json.dumps(_record(image))) for number, image in enumerate(images.images)),
    )
    database.executemany(
        "INSERT INTO alias VALUES (?, ?, ?, ?, ?)",
        (
            (name, image.type.value, image.architecture, long, number)
            for number, image in enumerate(images.images)
            for long, names in enumerate((image.short_aliases, image.long_aliases))
            for name in names
        ),
    )
    database.executemany(
        "INSERT INTO unusable VALUES (?, ?, ?)", ((row.product, row.version, row.reason) for row in images.unusable)
    )
    database.executescript(_INDEXES)
    database.commit()
    database.execute("PRAGMA user_version = 1")
    database.commit()


def _record(image: StreamImage) -> dict[str, Any]:
    return {
        "fingerprint": image.fingerprint,
        "type": image.type.value,
        "architecture": image.architecture,
        "properties": dict(image.properties),
        "created_at": int(image.created_at.timestamp()),
        "expires_at": int(image.expires_at.timestamp()),
        "filename": image.filename,
        "files": [[file.role, file.path, file.size, file.sha256] for file in image.files],
        "deltas": [[delta.base, delta.path, delta.size, delta.sha256] for delta in image.deltas],
        "short": list(image.short_aliases),
        "long": list(image.long_aliases),
    }


def _remote_image(record: dict[str, Any], architectures: Sequence[str]) -> RemoteImage:
    files = tuple(RemoteFile(*file) for file in record["files"])
    native = bool(architectures) and record["architecture"] == architectures[0]
    # LXD shows "name" and "name/arch" of each alias together
    short, long = record["short"] if native else [], record["long"]
    return RemoteImage(
        fingerprint=Fingerprint.parse(record["fingerprint"]),
        type=ImageType(record["type"]),
        architecture=record["architecture"],
        properties=record["properties"],
        created_at=datetime.fromtimestamp(record["created_at"], UTC),
        expires_at=datetime.fromtimestamp(record["expires_at"], UTC),
        filename=record["filename"],
        size=sum(file.size or 0 for file in files),
        aliases=tuple(_woven(short, long)),
        public=True,
        files=files,
        deltas=tuple(Delta(*delta) for delta in record["deltas"]),
        record=record,
    )


def _woven(short: list[str], long: list[str]) -> Iterator[str]:
    """Each short name followed by its long one, then long ones whose short name another image took."""
    rest = list(long)
    for name in short:
        yield name
        for other in rest:
            if other.rpartition("/")[0] == name:
                rest.remove(other)
                yield other
                break
    yield from rest
