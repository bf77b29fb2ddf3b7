from __future__ import annotations

import json

from tests.fakes.streams_tree import StreamsTree

from azekura.wire.simplestreams import (
    IndexEntry,
    Item,
    Product,
    ProductFile,
    StreamIndex,
    Version,
    index_from_json,
    index_to_json,
    products_from_json,
    products_to_json,
)
from azekura.wire.simplestreams_images import images_of


def test_what_is_written_is_read_back_the_same() -> None:
    item = Item("squashfs", "a/b", 7, "0" * 64, "20250101", {}, {"md5": "x"})
    version = Version({"root.squashfs": item}, "release", {"pubname": "y"})
    product = Product(
        arch="amd64",
        versions={"20260101": version},
        aliases=("a", "b"),
        os="Debian",
        release="12",
        release_title="Bookworm",
        variant="default",
        version="12",
        support_eol="2028-01-01",
        requirements={"secureboot": "false"},
        extra={"supported": True},
    )
    file = ProductFile({"debian:12:amd64": product}, "images", "now", extra={"license": "z"})
    assert products_from_json(products_to_json(file)) == file
    index = StreamIndex({"images": IndexEntry("streams/v1/images.json", ("a",), extra={"clouds": []})}, "now")
    assert index_from_json(index_to_json(index)) == index


def test_fields_that_are_not_known_survive() -> None:
    tree = StreamsTree()
    product = tree.product("debian/12", future={"deep": [1, 2]})
    tree.split(product, "20260101_0000", b"m", squashfs=b"s")
    product["versions"]["20260101_0000"]["items"]["lxd.tar.xz"]["future"] = None
    document = json.loads(products_to_json(products_from_json(tree.catalogue())))
    assert document["products"]["debian:12:amd64:default"]["future"] == {"deep": [1, 2]}
    assert (
        document["products"]["debian:12:amd64:default"]["versions"]["20260101_0000"]["items"]["lxd.tar.xz"]["future"]
        is None
    )


def test_written_sizes_are_numbers_and_requirements_have_both_names() -> None:
    tree = StreamsTree()
    product = tree.product("debian/12", requirements={"nesting": "true"})
    tree.split(product, "20260101_0000", b"m", squashfs=b"s")
    for item in product["versions"]["20260101_0000"]["items"].values():
        item["size"] = str(item["size"])
    written = json.loads(products_to_json(products_from_json(tree.catalogue())))["products"]["debian:12:amd64:default"]
    assert written["requirements"] == written["lxd_requirements"] == {"nesting": "true"}
    assert {type(item["size"]) for item in written["versions"]["20260101_0000"]["items"].values()} == {int}


def test_reading_what_was_written_gives_the_same_images() -> None:
    tree = StreamsTree()
    tree.split(tree.product("debian/12"), "20260101_0000", b"m", squashfs=b"s", disk=b"d")
    file = products_from_json(tree.catalogue())
    assert images_of([products_from_json(products_to_json(file))]) == images_of([file])
