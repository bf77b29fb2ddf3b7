"""simplestreams' two documents, ``index:1.0`` and ``products:1.0``, to and from values.

Format: the ``simplestreams`` project's description, and what LXD's ``shared/simplestreams`` reads of it. Unknown fields
are kept in ``extra`` and written back. Reading is tolerant where real streams differ (sizes as text, blanks in alias
lists, ``_aliases``); writing is strict (sizes are numbers).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from azekura.errors import BadAnswer

_ALIASES = "_aliases"
IMAGE_DOWNLOADS = "image-downloads"


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One products file that an index names. ``path`` is relative to the server's URL, not to the index."""

    path: str
    products: tuple[str, ...]  # LXD ignores an entry without any
    datatype: str = IMAGE_DOWNLOADS
    format: str = "products:1.0"
    updated: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamIndex:
    """``streams/v1/index.json``: content id → entry."""

    entries: Mapping[str, IndexEntry]
    updated: str = ""
    format: str = "index:1.0"
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a version. ``combined`` holds the ``combined_…`` fields, e.g. ``combined_squashfs_sha256``."""

    ftype: str
    path: str
    size: int | None = None  # bytes
    sha256: str = ""
    delta_base: str = ""
    combined: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """A build of a product; its key (the serial) begins with YYYYMMDD."""

    items: Mapping[str, Item]
    label: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Product:
    """A distribution's release for one architecture, in one variant. ``support_eol`` is YYYY-MM-DD or empty."""

    arch: str
    versions: Mapping[str, Version]
    aliases: tuple[str, ...] = ()
    os: str = ""
    release: str = ""
    release_title: str = ""
    variant: str = ""
    version: str = ""
    support_eol: str = ""
    requirements: Mapping[str, str] = field(default_factory=dict)  # LXD 5.0 reads lxd_requirements, Incus requirements
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProductFile:
    """A products document: product key → product."""

    products: Mapping[str, Product]
    content_id: str = ""
    updated: str = ""
    datatype: str = IMAGE_DOWNLOADS
    format: str = "products:1.0"
    extra: Mapping[str, Any] = field(default_factory=dict)


def index_from_json(body: bytes) -> StreamIndex:
    """Read an index.

    Raises:
        BadAnswer: it is none (a web page, zero bytes, other JSON); the sentence says what it is.
    """
    document = _document(body, "index", "index")
    entries: dict[str, IndexEntry] = {}
    for key, raw in document["index"].items():
        if isinstance(raw, dict) and isinstance(raw.get("path"), str):
            products = raw.get("products")
            entries[key] = IndexEntry(
                path=raw["path"],
                products=tuple(map(str, products)) if isinstance(products, list) else (),
                datatype=_text(raw, "datatype"),
                format=_text(raw, "format"),
                updated=_text(raw, "updated"),
                extra=_rest(raw, "path", "products", "datatype", "format", "updated"),
            )
    return StreamIndex(
        entries, _text(document, "updated"), _text(document, "format"), _rest(document, "index", "updated", "format")
    )


@dataclass(frozen=True, slots=True)
class RawProducts:
    """A products document whose products have not been read yet: reading all of a large one takes a while.

    ``references`` is the document's ``_aliases``: {field: {value: {more fields}}}, so that a value can stand for fields
    that repeat.
    """

    products: Mapping[str, Any]
    references: Mapping[str, Any] = field(default_factory=dict)
    updated: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)


def raw_products_from_json(body: bytes) -> RawProducts:
    """Read a products file, but not its products.

    Raises:
        BadAnswer: as for an index.
    """
    document = _document(body, "products", "products file")
    shared = document.get(_ALIASES)
    return RawProducts(
        document["products"], shared if isinstance(shared, dict) else {}, _text(document, "updated"), document
    )


def products_from_json(body: bytes) -> ProductFile:
    """Read a products file. Products and items that make no sense are left out.

    Raises:
        BadAnswer: as for an index.
    """
    raw = raw_products_from_json(body)
    products = {
        key: product_from_json(product, raw.references)
        for key, product in raw.products.items()
        if isinstance(product, dict)
    }
    return ProductFile(
        products,
        _text(raw.document, "content_id"),
        raw.updated,
        _text(raw.document, "datatype"),
        _text(raw.document, "format"),
        _rest(raw.document, "products", "content_id", "updated", "datatype", "format", _ALIASES),
    )


def _document(body: bytes, key: str, what: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as exc:
        start = body[:512].lstrip()
        seems = "it is not JSON"
        if not start.strip(b"\0"):
            seems = "it is empty" if not body.strip() else "it consists of zero bytes"
        elif start[:1] == b"<":
            seems = "it is a web page"
        raise BadAnswer(f"The server's answer is no simplestreams {what}: {seems}") from exc
    if not isinstance(document, dict) or not isinstance(document.get(key), dict):
        raise BadAnswer(f'The server\'s answer is no simplestreams {what}: it has no "{key}"')
    return document


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""


def _rest(raw: Mapping[str, Any], *known: str) -> Mapping[str, Any]:
    return {key: value for key, value in raw.items() if key not in known}


def _expanded(raw: dict[str, Any], references: Mapping[str, Any]) -> dict[str, Any]:
    if references:
        for key in references.keys() & raw.keys():
            more = references[key].get(raw[key]) if isinstance(references[key], dict) else None
            if isinstance(raw[key], str) and isinstance(more, dict):
                raw = {**raw, **more}
    return raw


def _mapping(raw: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def alias_names(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in a product's ``aliases``: a text with commas (or, from some tools, a list)."""
    aliases = raw.get("aliases")
    names = aliases.split(",") if isinstance(aliases, str) else aliases if isinstance(aliases, list) else []
    return tuple(dict.fromkeys(name.strip() for name in names if isinstance(name, str) and name.strip()))


def product_from_json(raw: dict[str, Any], references: Mapping[str, Any]) -> Product:
    """Read one product of a :class:`RawProducts`."""
    raw = _expanded(raw, references)
    requirements = _mapping(raw, "lxd_requirements") or _mapping(raw, "requirements")
    return Product(
        arch=_text(raw, "arch"),
        versions={
            serial: _version(_expanded(version, references), references)
            for serial, version in _mapping(raw, "versions").items()
            if isinstance(version, dict)
        },
        aliases=alias_names(raw),
        os=_text(raw, "os"),
        release=_text(raw, "release"),
        release_title=_text(raw, "release_title"),
        variant=_text(raw, "variant"),
        version=_text(raw, "version"),
        support_eol=_text(raw, "support_eol"),
        requirements={key: _scalar(value) for key, value in requirements.items()},
        extra=_rest(
            raw,
            *("arch", "versions", "aliases", "os", "release", "release_title", "variant", "version", "support_eol"),
            *("requirements", "lxd_requirements"),
        ),
    )


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _version(raw: dict[str, Any], references: Mapping[str, Any]) -> Version:
    items: dict[str, Item] = {}
    for key, item in _mapping(raw, "items").items():
        if isinstance(item, dict):
            item = _expanded(item, references)
            ftype, path = item.get("ftype"), item.get("path")
            if isinstance(ftype, str) and isinstance(path, str):
                items[key] = _item(ftype, path, item)
    return Version(items, _text(raw, "label"), _rest(raw, "items", "label"))


_ITEM_FIELDS = frozenset({"ftype", "path", "size", "sha256", "delta_base"})


def _item(ftype: str, path: str, raw: dict[str, Any]) -> Item:
    size = raw.get("size")
    if isinstance(size, str) and len(size) < 20 and size.isascii() and size.isdigit():
        size = int(size)
    combined: dict[str, str] = {}
    extra: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in _ITEM_FIELDS:
            if key.startswith("combined_") and isinstance(value, str):
                combined[key] = value
            else:
                extra[key] = value
    return Item(
        ftype,
        path,
        size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        _text(raw, "sha256"),
        _text(raw, "delta_base"),
        combined,
        extra,
    )


def index_to_json(index: StreamIndex, *, compact: bool = False) -> bytes:
    """The document, for a file that changes only when ``index`` does. ``compact``: on one line, for programs alone."""
    return _encode(
        {
            **index.extra,
            "format": index.format,
            **_optional(updated=index.updated),
            "index": {
                key: {
                    **entry.extra,
                    "datatype": entry.datatype,
                    "path": entry.path,
                    "format": entry.format,
                    **_optional(updated=entry.updated),
                    "products": list(entry.products),
                }
                for key, entry in index.entries.items()
            },
        },
        compact,
    )


def products_to_json(file: ProductFile, *, compact: bool = False) -> bytes:
    """The document; requirements are written under both names, for LXD and for Incus. ``compact``: as for an index."""
    return _encode(
        {
            **file.extra,
            "content_id": file.content_id,
            "datatype": file.datatype,
            "format": file.format,
            **_optional(updated=file.updated),
            "products": {key: _product_to_json(product) for key, product in file.products.items()},
        },
        compact,
    )


def _product_to_json(product: Product) -> dict[str, Any]:
    requirements = dict(product.requirements)
    return {
        **product.extra,
        "aliases": ",".join(product.aliases),
        "arch": product.arch,
        "os": product.os,
        "release": product.release,
        **_optional(
            release_title=product.release_title,
            variant=product.variant,
            version=product.version,
            support_eol=product.support_eol,
        ),
        "requirements": requirements,
        "lxd_requirements": requirements,
        "versions": {
            serial: {
                **version.extra,
                **_optional(label=version.label),
                "items": {key: _item_to_json(item) for key, item in version.items.items()},
            }
            for serial, version in product.versions.items()
        },
    }


def _item_to_json(item: Item) -> dict[str, Any]:
    raw: dict[str, Any] = {**item.extra, "ftype": item.ftype, "path": item.path}
    if item.size is not None:
        raw["size"] = item.size
    return {**raw, **_optional(sha256=item.sha256, delta_base=item.delta_base), **item.combined}


def _optional(**fields: str) -> dict[str, str]:
    return {key: value for key, value in fields.items() if value}


def _encode(document: dict[str, Any], compact: bool) -> bytes:
    if compact:
        return json.dumps(document, separators=(",", ":")).encode() + b"\n"
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"
