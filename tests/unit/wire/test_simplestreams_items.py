"""What a stream says of one image."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from azekura.errors import Unsupported
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Image, ImageFile, ImageFiles, ImageType, SplitFiles, UnifiedFiles
from azekura.model.source import Origin
from azekura.wire.simplestreams import Product, Version, index_from_json, index_to_json, products_to_json
from azekura.wire.simplestreams_items import file_name, items_of, parse_file_name, stream_documents

NOW = datetime(2026, 11, 24, 16, 5, tzinfo=UTC)
META = ImageFile("a" * 64, 100, ".tar.zst")


def image(files: ImageFiles, type_: ImageType = ImageType.CONTAINER) -> Image:
    return Image(Fingerprint("f" * 64), type_, "x86_64", files, NOW, NOW, Origin.ADMIN, public=True)


def split(extension: str, type_: ImageType = ImageType.CONTAINER) -> Image:
    return image(SplitFiles(META, ImageFile("b" * 64, 1 << 40, extension)), type_)


@pytest.mark.parametrize(
    ("extension", "type_", "ftype", "fields"),
    [
        (".squashfs", ImageType.CONTAINER, "squashfs", {"combined_squashfs_sha256"}),
        (".tar.xz", ImageType.CONTAINER, "root.tar.xz", {"combined_rootxz_sha256", "combined_sha256"}),
        (".tar.zst", ImageType.CONTAINER, "root.tar.xz", {"combined_rootxz_sha256", "combined_sha256"}),
        (".tar", ImageType.CONTAINER, "root.tar.xz", {"combined_rootxz_sha256", "combined_sha256"}),
        (".qcow2", ImageType.VIRTUAL_MACHINE, "disk-kvm.img", {"combined_disk-kvm-img_sha256"}),
    ],
)
def test_a_split_image_has_its_metadata_for_lxd_and_for_incus(
    extension: str, type_: ImageType, ftype: str, fields: set[str]
) -> None:
    items = items_of(split(extension, type_))
    (root,) = [item for item in items.values() if item.ftype not in ("lxd.tar.xz", "incus.tar.xz")]
    assert (root.ftype, root.sha256, root.size) == (ftype, "b" * 64, 1 << 40)
    assert root.path == f"streams/v1/files/{'b' * 64}{extension}"
    for flavour in ("lxd.tar.xz", "incus.tar.xz"):
        metadata = items[flavour]
        assert (metadata.ftype, metadata.path) == (flavour, f"streams/v1/files/{'a' * 64}.tar.zst")
        assert (metadata.sha256, metadata.size) == ("a" * 64, 100)
        assert metadata.combined == dict.fromkeys(fields, "f" * 64)


def test_a_unified_image_is_one_file_under_both_names() -> None:
    items = items_of(image(UnifiedFiles(ImageFile("f" * 64, 7, ".tar.bz2"))))
    assert set(items) == {"lxd_combined.tar.gz", "incus_combined.tar.gz"}
    assert {(item.path, item.sha256, item.size) for item in items.values()} == {
        (f"streams/v1/files/{'f' * 64}.tar.bz2", "f" * 64, 7)
    }


def test_a_unified_virtual_machine_is_offered_to_incus_alone() -> None:
    items = items_of(image(UnifiedFiles(META), ImageType.VIRTUAL_MACHINE))
    assert set(items) == {"incus_combined.tar.gz"}
    assert items["incus_combined.tar.gz"].combined == {"combined_type": "virtual-machine"}


@pytest.mark.parametrize(
    ("extension", "type_"), [(".qcow2", ImageType.CONTAINER), (".squashfs", ImageType.VIRTUAL_MACHINE)]
)
def test_a_root_of_the_other_type_cannot_be_said(extension: str, type_: ImageType) -> None:
    with pytest.raises(Unsupported, match=f"no {type_.value} whose root is a {extension[1:]} file"):
        items_of(split(extension, type_))


@pytest.mark.parametrize("extension", [".tar", ".tar.gz", ".tar.lzma", ".squashfs", ".qcow2"])
def test_file_names_are_read_back(extension: str) -> None:
    file = replace(META, extension=extension)
    assert parse_file_name(file_name(file)) == (file.sha256, extension)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "a" * 64,
            "A" * 64 + ".tar",
            "a" * 63 + ".tar",
            "a" * 65 + ".tar",
            "a" * 64 + ".",
            "a" * 64 + ".tar.xz.gz",
        ),
        *("../" + "a" * 64 + ".tar", "a" * 64 + ".tar\n", "a" * 64 + "/.tar", "a" * 64 + ".TAR", "a" * 64 + ".t\0r"),
        *("a" * 64 + "." + "x" * 99, "٣" * 64 + ".tar"),
    ],
)
def test_other_names_are_none_of_ours(name: str) -> None:
    assert parse_file_name(name) is None


def test_the_documents_name_what_clients_look_for() -> None:
    product = Product("amd64", {"20261124_1605": Version(items_of(split(".squashfs")))}, aliases=("web",))
    index, file = stream_documents({"a:b:amd64:default": product}, NOW)
    written: dict[str, Any] = json.loads(index_to_json(index, compact=True))
    assert written["format"] == "index:1.0"
    assert written["updated"] == "Tue, 24 Nov 2026 16:05:00 +0000"
    assert written["index"]["images"] == {
        "datatype": "image-downloads",
        "path": "streams/v1/images.json",
        "format": "products:1.0",
        "updated": "Tue, 24 Nov 2026 16:05:00 +0000",
        "products": ["a:b:amd64:default"],
    }
    products = json.loads(products_to_json(file, compact=True))
    assert (products["datatype"], products["format"]) == ("image-downloads", "products:1.0")
    assert set(products["products"]) == {"a:b:amd64:default"}


def test_compact_documents_say_the_same_on_one_line() -> None:
    index, file = stream_documents({}, NOW)
    assert index_from_json(index_to_json(index, compact=True)) == index_from_json(index_to_json(index))
    assert products_to_json(file, compact=True).count(b"\n") == 1


def test_half_characters_do_not_break_a_compact_document() -> None:
    product = Product("amd64", {}, os="\ud800 \0 \x1b[31m é")
    _, file = stream_documents({"p": product}, NOW)
    assert json.loads(products_to_json(file, compact=True))["products"]["p"]["os"] == "\ud800 \0 \x1b[31m é"
