"""A stream's products, ready to be asked for by alias: made once per state of the stream, kept as a SQLite file.

Reading all of a stream of 3,000 products takes seconds; an alias concerns one or a few of them. So products are kept
unread, beside a table of their names, and a question reads the products that it concerns. The file's name is the hash
of what it was made from, so it is never out of date; it can be deleted at any time.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from azekura.errors import Ambiguous, BadAnswer, NotFound
from azekura.model.fingerprint import Fingerprint, is_prefix
from azekura.model.image import ImageType
from azekura.remotes.port import Delta, RemoteAlias, RemoteFile, RemoteImage
from azekura.wire.simplestreams import RawProducts, alias_names, product_from_json
from azekura.wire.simplestreams_images import StreamImage, StreamImages, Unusable, images_of_products

LAYOUT = 2  # of the tables; part of the file's name
DAMAGED = "The kept copy of a remote's index is damaged"

_TABLES = """
CREATE TABLE document (id INTEGER PRIMARY KEY, shared TEXT);
CREATE TABLE product (id INTEGER PRIMARY KEY, document INTEGER, name TEXT, raw TEXT);
CREATE TABLE alias (name TEXT, product INTEGER);
"""
_TYPES = (ImageType.CONTAINER, ImageType.VIRTUAL_MACHINE)  # a container wins where the caller doesn't mind
_MANY = 500  # parameters in one SQL statement


class StreamCatalog:
    """Answers from one state of a stream. Close it, or use it in ``with``.

    ``strip_prefix`` is taken off alias names. Every method may raise BadAnswer (:data:`DAMAGED`): the kept file is.
    """

    def __init__(self, database: sqlite3.Connection, strip_prefix: str) -> None:
        self._database = database
        self._strip = strip_prefix

    @classmethod
    def open(
        cls,
        folder: Path | None,
        digest: str,
        documents: Callable[[], Iterable[RawProducts]],
        *,
        strip_prefix: str = "",
        anew: bool = False,
    ) -> Self:
        """The catalog of the state ``digest``: the one kept in ``folder``, or one made from ``documents()``.

        ``anew`` does not trust the kept one.
        """
        file = folder / f"{digest[:40]}.{LAYOUT}.catalog" if folder else None
        if file is not None and not anew and (database := _kept(file)):
            return cls(database, strip_prefix)
        found = list(documents())
        if file is not None:
            with suppress(sqlite3.Error, OSError):
                _keep(file, found, strip_prefix)
            if database := _kept(file):
                return cls(database, strip_prefix)
        database = sqlite3.connect(":memory:", check_same_thread=False)
        _fill(database, found, strip_prefix)
        return cls(database, strip_prefix)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def resolve(self, reference: str, type_: ImageType | None, architectures: Sequence[str]) -> RemoteImage:
        """An alias (for the first of ``architectures`` that has it, else any), or a fingerprint or its beginning.

        Raises:
            NotFound, Ambiguous: in LXD's words.
        """
        with _reading():
            named = self._with_aliases([reference, reference.rpartition("/")[0]])
            if named and (image := _named(self._around(named).images, reference, type_, architectures)):
                return _remote_image(image, architectures)
            if is_prefix(reference):
                matches = [image for image in self._mentioning(reference) if image.fingerprint.startswith(reference)]
                if len(matches) > 1:
                    raise Ambiguous(
                        "More than one match for the provided partial fingerprint",
                        candidates=tuple(image.fingerprint for image in matches[:20]),
                    )
                if matches:
                    return _remote_image(matches[0], architectures)
        raise NotFound("image", reference, message="The requested image couldn't be found")

    def find(self, fingerprint: str, architectures: Sequence[str]) -> RemoteImage | None:
        """The image of exactly this fingerprint, if it is still offered."""
        with _reading():
            for image in self._mentioning(fingerprint):
                if image.fingerprint == fingerprint:
                    return _remote_image(image, architectures)
        return None

    def images(self, architectures: Sequence[str]) -> list[RemoteImage]:
        """All images, in LXD's order."""
        with _reading():
            return [_remote_image(image, architectures) for image in self._read(None).images]

    def aliases(self, architectures: Sequence[str]) -> list[RemoteAlias]:
        """All names, each with the image that it stands for here: one for each type, as LXD lists them."""
        with _reading():
            images = self._read(None).images
        offers: dict[tuple[str, ImageType], list[StreamImage]] = {}
        for image in images:
            for name in _woven(image.short_aliases, image.long_aliases):
                offers.setdefault((name, image.type), []).append(image)
        found = []
        for (name, kind), candidates in offers.items():
            image = _preferred(candidates, architectures)
            found.append(RemoteAlias(name, Fingerprint(image.fingerprint), kind, image.architecture))
        return found

    def unusable(self) -> list[Unusable]:
        """What of the stream makes no image, and why."""
        with _reading():
            return list(self._read(None).unusable)

    def _with_aliases(self, names: Sequence[str]) -> set[int]:
        """Products that have one of ``names``."""
        found: set[int] = set()
        for start in range(0, len(names), _MANY):
            some = names[start : start + _MANY]
            marks = ",".join("?" * len(some))
            rows = self._database.execute(f"SELECT product FROM alias WHERE name IN ({marks})", some)  # noqa: S608 - only question marks are put in
            found.update(row[0] for row in rows)
        return found

    def _mentioning(self, digits: str) -> tuple[StreamImage, ...]:
        """Images of the products in whose JSON a text begins with ``digits``."""
        rows = self._database.execute("SELECT id FROM product WHERE instr(raw, ?)", (f'"{digits}',)).fetchall()
        return self._around({row[0] for row in rows}).images if rows else ()

    def _around(self, products: set[int]) -> StreamImages:
        """Images of ``products``, and of those that compete with them for a name: the names come out right."""
        names: set[str] = set()
        for _, _, raw in self._rows(products):
            for name in alias_names(raw):
                name = name.removeprefix(self._strip)
                # another's long name may be this one's short name, and the other way round
                names |= {name, name.rpartition("/")[0], f"{name}/{raw.get('arch')}"}
        return self._read(products | self._with_aliases(sorted(names)))

    def _read(self, products: set[int] | None) -> StreamImages:
        """Images of these products; None: of all."""
        shared = {number: json.loads(raw) for number, raw in self._database.execute("SELECT id, shared FROM document")}
        return images_of_products(
            ((name, product_from_json(raw, shared[document])) for document, name, raw in self._rows(products)),
            strip_prefix=self._strip,
        )

    def _rows(self, products: set[int] | None) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """(document, key, product) of these products, in the stream's order."""
        if products is None or len(products) > _MANY:
            for number, document, name, raw in self._database.execute(
                "SELECT id, document, name, raw FROM product ORDER BY id"
            ):
                if products is None or number in products:
                    yield document, name, json.loads(raw)
            return
        for number in sorted(products):
            document, name, raw = self._database.execute(
                "SELECT document, name, raw FROM product WHERE id = ?", (number,)
            ).fetchone()
            yield document, name, json.loads(raw)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, LookupError, ValueError, TypeError, AttributeError, RecursionError) as exc:
        raise BadAnswer(DAMAGED) from exc


def _kept(file: Path) -> sqlite3.Connection | None:
    if not file.is_file():
        return None
    with suppress(sqlite3.Error):
        database = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        with suppress(sqlite3.Error):
            if database.execute("PRAGMA user_version").fetchone() == (LAYOUT,):
                return database
        database.close()
    return None


def _keep(file: Path, documents: list[RawProducts], strip_prefix: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with closing(sqlite3.connect(draft)) as database:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")  # a torn file is recognised by its missing user_version
            _fill(database, documents, strip_prefix)
        draft.replace(file)
        for other in file.parent.glob("*.catalog"):
            if other != file:
                other.unlink(missing_ok=True)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _fill(database: sqlite3.Connection, documents: list[RawProducts], strip_prefix: str) -> None:
    database.executescript(_TABLES)
    number = 0
    for document, content in enumerate(documents):
        database.execute("INSERT INTO document VALUES (?, ?)", (document, json.dumps(content.references)))
        rows, names = [], []
        for name, product in content.products.items():
            if isinstance(product, dict):
                number += 1
                rows.append((number, document, name, json.dumps(product)))
                # a reference may bring the aliases; reading the product is the way to know
                source = product_from_json(product, content.references).aliases if content.references else ()
                names += [(alias.removeprefix(strip_prefix), number) for alias in source or alias_names(product)]
        database.executemany("INSERT INTO product VALUES (?, ?, ?, ?)", rows)
        database.executemany("INSERT INTO alias VALUES (?, ?)", names)
    database.execute("CREATE INDEX alias_name ON alias (name)")
    database.commit()
    database.execute(f"PRAGMA user_version = {LAYOUT}")
    database.commit()


def _named(
    images: Sequence[StreamImage], name: str, type_: ImageType | None, architectures: Sequence[str]
) -> StreamImage | None:
    """Which image an alias stands for."""
    for kind in _TYPES if type_ is None else (type_,):
        offers = [
            image
            for image in images
            if image.type is kind and (name in image.short_aliases or name in image.long_aliases)
        ]
        if offers:
            return _preferred(offers, architectures)
    return None


def _preferred(offers: Sequence[StreamImage], architectures: Sequence[str]) -> StreamImage:
    """The first that runs here, by the order of ``architectures``; else the first of all.

    LXD 5.0.2 has no rule for the latter (an unstable sort decides), so it was free to choose.
    """
    ranks = {architecture: rank for rank, architecture in enumerate(architectures)}
    return min(offers, key=lambda image: ranks.get(image.architecture, len(ranks)))


def _remote_image(image: StreamImage, architectures: Sequence[str]) -> RemoteImage:
    native = bool(architectures) and image.architecture == architectures[0]
    return RemoteImage(
        fingerprint=Fingerprint.parse(image.fingerprint),
        type=image.type,
        architecture=image.architecture,
        properties=image.properties,
        created_at=image.created_at,
        expires_at=image.expires_at,
        filename=image.filename,
        size=image.size,
        # LXD's lists show short names for the native architecture only
        aliases=tuple(_woven(image.short_aliases if native else (), image.long_aliases)),
        public=True,
        files=tuple(RemoteFile(file.role, file.path, file.size, file.sha256) for file in image.files),
        deltas=tuple(Delta(delta.base, delta.path, delta.size, delta.sha256) for delta in image.deltas),
        record={"serial": image.serial},
    )


def _woven(short: Sequence[str], long: Sequence[str]) -> Iterator[str]:
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
