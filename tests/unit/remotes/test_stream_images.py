"""LXD's rules for what a stream offers, as measured on LXD 5.0.2 (and read in Incus and LXD's main branch)."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.fakes.streams_tree import StreamsTree, sha256

from azekura.model.image import EPOCH, ImageType
from azekura.remotes.stream_catalog import StreamCatalog
from azekura.wire.simplestreams import products_from_json, raw_products_from_json
from azekura.wire.simplestreams_images import StreamImages, images_of

NATIVE = ("x86_64", "i686")


def body(tree: StreamsTree | dict[str, Any], **more: Any) -> bytes:
    products = tree.products if isinstance(tree, StreamsTree) else tree
    return json.dumps({"products": products, **more}).encode()


def read(tree: StreamsTree | dict[str, Any], **more: Any) -> StreamImages:
    return images_of([products_from_json(body(tree, **more))])


_opened: list[StreamCatalog] = []


@pytest.fixture(autouse=True)
def _closed_catalogs() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def catalog(*trees: StreamsTree) -> StreamCatalog:
    _opened.append(StreamCatalog.open(None, "", lambda: [raw_products_from_json(body(tree)) for tree in trees]))
    return _opened[-1]


def product(**changes: Any) -> dict[str, Any]:
    tree = StreamsTree()
    made = tree.product("debian/12", **{"aliases": "debian/12", **changes.pop("product", {})})
    tree.split(made, "20260101_0000", b"m", squashfs=b"s", **changes)
    return made


def item(made: dict[str, Any], key: str = "lxd.tar.xz") -> dict[str, Any]:
    return made["versions"]["20260101_0000"]["items"][key]  # type: ignore[no-any-return]


def test_one_version_gives_an_image_for_each_kind_of_rootfs() -> None:
    tree = StreamsTree()
    tree.split(tree.product("debian/12"), "20260101_0000", b"m", squashfs=b"s", rootxz=b"x", disk=b"d")
    images = read(tree).images
    assert [image.fingerprint for image in images] == [sha256(b"m", body) for body in (b"s", b"x", b"d")]
    assert [image.type for image in images] == [*[ImageType.CONTAINER] * 2, ImageType.VIRTUAL_MACHINE]
    assert [image.properties["type"] for image in images] == ["squashfs", "root.tar.xz", "disk-kvm.img"]
    assert [image.files[1].role for image in images] == ["rootfs", "rootfs", "rootfs.img"]


@pytest.mark.parametrize("ftype", ["uefi1.img", "disk1.img"])
def test_other_disks_are_read_too(ftype: str) -> None:
    made = product()
    made["versions"]["20260101_0000"]["items"] = {
        "lxd.tar.xz": {"ftype": "lxd.tar.xz", "path": "m", "sha256": sha256(b"m")}
        | {f"combined_{ftype.replace('.', '-')}_sha256": sha256(b"md")},
        "disk": {"ftype": ftype, "path": "d", "sha256": sha256(b"d")},
    }
    assert [image.type for image in read({"p": made}).images] == [ImageType.VIRTUAL_MACHINE]


def test_combined_sha256_is_the_old_name_for_a_root_tarball() -> None:
    tree = StreamsTree()
    made = tree.product("debian/12")
    tree.split(made, "20260101_0000", b"m", rootxz=b"x")
    for flavour in ("lxd", "incus"):
        metadata = item(made, f"{flavour}.tar.xz")
        metadata["combined_sha256"] = metadata.pop("combined_rootxz_sha256")
    assert [image.fingerprint for image in read(tree).images] == [sha256(b"m", b"x")]


def test_incus_only_streams_are_read() -> None:
    assert len(read({"p": product(flavours=("incus",))}).images) == 1
    tree = StreamsTree()
    made = tree.product("debian/12")
    tree.unified(made, "20260101_0000", b"u")
    unified = item(made, "lxd_combined.tar.gz")
    unified |= {"ftype": "incus_combined.tar.gz", "combined_type": "virtual-machine"}
    assert [image.type for image in read(tree).images] == [ImageType.VIRTUAL_MACHINE]


def test_a_unified_image_is_named_by_its_own_hash() -> None:
    tree = StreamsTree()
    fingerprint = tree.unified(tree.product("debian/12"), "20260101_0000", b"u")
    (image,) = read(tree).images
    assert image.fingerprint == fingerprint
    assert image.properties["type"] == "tar.gz"
    assert [file.role for file in image.files] == ["unified"]


def test_properties_come_from_the_index() -> None:
    made = product(
        product={
            "release_title": "Bookworm",
            "version": "12",
            "support_eol": "2028-06-30",
            "requirements": {"secureboot": "false", "nesting": True},
        }
    )
    made["versions"]["20260101_0000"]["label"] = "release"
    (image,) = read({"p": made}).images
    assert image.properties == {
        "os": "Debian",
        "release": "12",
        "version": "12",
        "variant": "default",
        "architecture": "amd64",
        "label": "release",
        "serial": "20260101_0000",
        "description": "Debian Bookworm amd64 (release) (20260101_0000)",
        "type": "squashfs",
        "requirements.secureboot": "false",
        "requirements.nesting": "true",
    }
    assert image.architecture == "x86_64"
    assert image.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert image.expires_at == datetime(2028, 6, 30, tzinfo=UTC)
    assert image.filename == "lxd.tar.xz"
    assert image.size == 2


@pytest.mark.parametrize("eol", ["", "soon", "2026-13-01", "20280630x", None, 7])
def test_an_end_of_support_that_is_no_date_means_none(eol: Any) -> None:
    (image,) = read({"p": product(product={"support_eol": eol})}).images
    assert image.expires_at == EPOCH


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda made: made.update(arch="vax"), "unknown architecture"),
        (lambda made: made["versions"].update(v2=made["versions"].pop("20260101_0000")), "does not begin with a date"),
        (lambda made: made["versions"].update({"20261301": made["versions"].pop("20260101_0000")}), "a date"),
        (lambda made: [item(made, f"{f}.tar.xz").pop("sha256") for f in ("lxd", "incus")], "no usable sha256"),
        (lambda made: item(made, "rootfs.squashfs").update(sha256="x"), "squashfs has no usable sha256"),
        (lambda made: item(made, "rootfs.squashfs").update(path="../x"), "not relative"),
        (lambda made: item(made).pop("combined_squashfs_sha256"), "combined_squashfs_sha256"),
        (lambda made: item(made).update(combined_squashfs_sha256="A" * 64), "combined_squashfs_sha256"),
        (
            lambda made: [made["versions"]["20260101_0000"]["items"].pop(f"{f}.tar.xz") for f in ("lxd", "incus")],
            "no lxd",
        ),
    ],
)
def test_what_makes_no_image_is_left_out_with_a_reason(change: Any, reason: str) -> None:
    made = product()
    change(made)
    found = read({"p": made, "good": product(product={"arch": "arm64"})})
    assert [image.architecture for image in found.images] == ["aarch64"]
    assert any(reason in row.reason for row in found.unusable)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"p": 7},
        {"p": {"versions": 7}},
        {"p": {"arch": "amd64", "versions": {"20260101": 7}}},
        {"p": {"arch": "amd64", "versions": {"20260101": {"items": []}}}},
        {"p": {"arch": "amd64", "versions": {"20260101": {"items": {"a": 7, "b": {"ftype": 1, "path": 2}}}}}},
        {"p": {"arch": ["amd64"], "aliases": {"a": 1}}},
        {"p": {"arch": None, "aliases": [1, None], "requirements": 3, "lxd_requirements": []}},
    ],
)
def test_nonsense_in_a_stream_makes_no_image_and_no_trouble(nonsense: dict[str, Any]) -> None:
    assert len(read({**nonsense, "good": product()}).images) == 1


def test_sizes_may_be_texts() -> None:
    made = product()
    for flavour in ("lxd", "incus"):
        item(made, f"{flavour}.tar.xz")["size"] = "1"
    item(made, "rootfs.squashfs")["size"] = "one"
    (image,) = read({"p": made}).images
    assert [file.size for file in image.files] == [1, None]


def test_one_fingerprint_in_two_places_is_one_image() -> None:
    """LXD refuses both then: "More than one match for the provided partial fingerprint"."""
    tree = StreamsTree()
    made = tree.product("debian/12")
    fingerprint = tree.split(made, "20260101_0000", b"m", squashfs=b"s")
    tree.split(made, "20260202_0000", b"m", squashfs=b"s")
    tree.split(tree.product("debian/copy"), "20260202_0000", b"m", squashfs=b"s")
    images = read(tree)
    assert [image.fingerprint for image in images.images] == [fingerprint]
    assert images.images[0].serial == "20260202_0000"
    assert catalog(tree).resolve(fingerprint[:9], None, NATIVE).known_fingerprint == fingerprint


def test_the_newest_version_and_the_preferred_rootfs_get_the_alias() -> None:
    tree = StreamsTree()
    made = tree.product("debian/12", aliases="debian/12")
    tree.split(made, "20260101_0000", b"m1", squashfs=b"old")
    newest = tree.split(made, "20260102_0000", b"m2", squashfs=b"s", rootxz=b"x")
    assert catalog(tree).resolve("debian/12", None, NATIVE).known_fingerprint == newest
    named = [image for image in read(tree).images if image.short_aliases or image.long_aliases]
    assert [image.fingerprint for image in named] == [newest]


def test_aliases_are_trimmed_and_never_empty() -> None:
    (image,) = read({"p": product(product={"aliases": " a, b/c ,,a"})}).images
    assert image.short_aliases == ("a", "b/c")
    assert image.long_aliases == ("a/amd64", "b/c/amd64")


def architectures(*names: str) -> StreamCatalog:
    tree = StreamsTree()
    for name in names:
        tree.split(
            tree.product("debian/12", arch=name, aliases="debian/12"), "20260101_0000", name.encode(), squashfs=b"s"
        )
    return catalog(tree)


@pytest.mark.parametrize(
    ("offered", "runnable", "chosen"),
    [
        (("arm64", "i386", "amd64"), NATIVE, "x86_64"),
        (("arm64", "i386"), NATIVE, "i686"),
        (("s390x", "arm64"), NATIVE, "aarch64"),
        (("arm64", "amd64"), ("aarch64",), "aarch64"),
        (("arm64", "amd64"), (), "aarch64"),
    ],
)
def test_an_alias_means_what_runs_here_if_anything_does(
    offered: tuple[str, ...], runnable: tuple[str, ...], chosen: str
) -> None:
    assert architectures(*offered).resolve("debian/12", None, runnable).architecture == chosen


def test_an_alias_with_an_architecture_means_that_one() -> None:
    found = architectures("arm64", "amd64")
    assert found.resolve("debian/12/arm64", None, NATIVE).architecture == "aarch64"
    assert found.resolve("debian/12/amd64", None, ("aarch64",)).architecture == "x86_64"


def test_lists_show_short_names_of_the_native_architecture_only() -> None:
    shown = {image.architecture: image.aliases for image in architectures("arm64", "amd64").images(NATIVE)}
    assert shown == {"x86_64": ("debian/12", "debian/12/amd64"), "aarch64": ("debian/12/arm64",)}


def test_a_container_wins_unless_a_machine_is_asked_for() -> None:
    tree = StreamsTree()
    tree.split(tree.product("debian/12"), "20260101_0000", b"m", disk=b"d")
    only_machine = catalog(tree)
    assert only_machine.resolve("debian/12", None, NATIVE).type is ImageType.VIRTUAL_MACHINE
    tree.split(tree.product("debian/12"), "20260101_0000", b"m", squashfs=b"s", disk=b"d")
    both = catalog(tree)
    assert both.resolve("debian/12", None, NATIVE).type is ImageType.CONTAINER
    assert both.resolve("debian/12", ImageType.VIRTUAL_MACHINE, NATIVE).type is ImageType.VIRTUAL_MACHINE
    assert [alias.type for alias in both.aliases(NATIVE) if alias.name == "debian/12"] == list(ImageType)


def test_an_alias_wins_over_a_fingerprint_that_begins_alike() -> None:
    tree = StreamsTree()
    first = tree.split(tree.product("debian/12"), "20260101_0000", b"m", squashfs=b"s")
    second = tree.split(tree.product("debian/13", aliases=first[:8]), "20260101_0000", b"m", squashfs=b"other")
    assert catalog(tree).resolve(first[:8], None, NATIVE).known_fingerprint == second
    assert catalog(tree).resolve(first[:9], None, NATIVE).known_fingerprint == first


def test_two_products_with_one_alias_are_decided_by_their_order() -> None:
    tree = StreamsTree()
    tree.split(tree.product("debian/13", aliases="stable"), "20270101_0000", b"m", squashfs=b"13")
    first = tree.split(tree.product("debian/12", aliases="stable"), "20260101_0000", b"m", squashfs=b"12")
    assert catalog(tree).resolve("stable", None, NATIVE).known_fingerprint == first


def test_the_prefix_of_ubuntus_own_server_is_stripped() -> None:
    tree = StreamsTree()
    tree.split(tree.product("ubuntu/24.04", aliases="24.04,ubuntu/noble"), "20260101", b"m", squashfs=b"s")
    file = products_from_json(tree.catalogue())
    (image,) = images_of([file], strip_prefix="ubuntu/").images
    assert image.short_aliases == ("24.04", "noble")


def test_several_products_files_are_one_stream() -> None:
    files = []
    for release in ("12", "13"):
        tree = StreamsTree()
        tree.split(tree.product(f"debian/{release}"), "20260101_0000", b"m", squashfs=release.encode())
        files.append(products_from_json(tree.catalogue()))
    assert [image.properties["release"] for image in images_of(files).images] == ["12", "13"]


def test_underscore_aliases_stand_for_repeated_fields() -> None:
    made = product()
    item(made, "rootfs.squashfs").update(kind="sq")
    del item(made, "rootfs.squashfs")["ftype"]
    del made["os"]
    made["family"] = "deb"
    tags = {"family": {"deb": {"os": "Debian", "release_title": "Twelve"}}, "kind": {"sq": {"ftype": "squashfs"}}}
    (image,) = read({"p": made}, _aliases=tags).images
    assert image.properties["os"] == "Debian"
    assert "Twelve" in image.properties["description"]


@pytest.mark.parametrize("tags", [7, [], {"arch": 7}, {"arch": {"amd64": 7}}, {"arch": {"amd64": {"versions": 7}}}])
def test_underscore_aliases_that_are_nonsense_do_no_harm(tags: Any) -> None:
    assert len(read({"p": product()}, _aliases=tags).images) <= 1


def test_a_delta_is_offered_with_the_fingerprint_of_its_base() -> None:
    tree = StreamsTree()
    made = tree.product("debian/12")
    base = tree.split(made, "20260101_0000", b"m", squashfs=b"old", rootxz=b"x")
    tree.split(made, "20260202_0000", b"m", squashfs=b"new", rootxz=b"y")
    tree.delta(made, "20260202_0000", "20260101_0000", b"patch")
    tree.delta(made, "20260202_0000", "20250101_0000", b"patch of a version that is gone")
    by_kind = {(image.serial, image.properties["type"]): image for image in read(tree).images}
    assert [delta.base for delta in by_kind["20260202_0000", "squashfs"].deltas] == [base]
    assert not by_kind["20260202_0000", "root.tar.xz"].deltas
    assert not by_kind["20260101_0000", "squashfs"].deltas


def test_one_question_gets_the_same_answer_as_the_whole_list() -> None:
    """Names that products fight over come out the same, whether one product is read or all are."""
    random_ = random.Random(4)
    for _ in range(60):
        tree = StreamsTree()
        names = ["a", "a/amd64", "b", "b/c", "b/c/arm64", "abc"]
        for release in range(random_.randrange(1, 6)):
            aliases = ",".join(random_.sample(names, random_.randrange(1, 4)))
            made = tree.product(f"os/{release}", arch=random_.choice(["amd64", "arm64"]), aliases=aliases)
            for serial in random_.sample(["20260101_0000", "20260202_0000", "20260303_0000"], 2):
                tree.split(
                    made, serial, b"m", squashfs=random_.randbytes(8), disk=random_.choice([None, random_.randbytes(8)])
                )
        found = catalog(tree)
        listed = {image.known_fingerprint: image for image in found.images(NATIVE)}
        for fingerprint, image in listed.items():
            assert found.resolve(fingerprint, None, NATIVE) == image
            assert found.find(fingerprint, NATIVE) == image
        for alias in found.aliases(NATIVE):
            image = found.resolve(alias.name, alias.type, NATIVE)
            assert image == listed[image.known_fingerprint]
            assert image.fingerprint == alias.target


def test_a_second_place_of_a_fingerprint_keeps_its_names() -> None:
    tree = StreamsTree()
    fingerprint = tree.split(tree.product("debian/12", aliases="one"), "20260101_0000", b"m", squashfs=b"s")
    tree.split(tree.product("debian/13", aliases="two"), "20260101_0000", b"m", squashfs=b"s")
    assert catalog(tree).resolve("two", None, NATIVE).known_fingerprint == fingerprint
    assert read(tree).images[0].short_aliases == ("one", "two")
