"""Products of a stream: through our own reader, every image is there, and aliases mean what they mean here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azekura.model.fingerprint import Fingerprint
from azekura.model.image import EPOCH, NEVER, Alias, Image, ImageFile, ImageType, SplitFiles, UnifiedFiles
from azekura.model.source import Origin
from azekura.services.images.stream_products import LeftOut, products_of
from azekura.wire.simplestreams import Product, products_from_json, products_to_json
from azekura.wire.simplestreams_images import StreamImage, images_of
from azekura.wire.simplestreams_items import stream_documents

DAY = datetime(2026, 11, 24, 16, 5, 30, tzinfo=UTC)
DEBIAN = {"os": "Debian", "release": "bookworm", "variant": "default", "architecture": "amd64"}


def image(
    number: int,
    *aliases: str,
    properties: Mapping[str, str] = DEBIAN,
    type_: ImageType = ImageType.CONTAINER,
    **changes: Any,
) -> Image:
    """An image of its own for each ``number``, made that many minutes after DAY."""
    sha256, root = (hashlib.sha256(f"{kind}{number}".encode()).hexdigest() for kind in ("image", "root"))
    extension = ".qcow2" if type_ is ImageType.VIRTUAL_MACHINE else ".squashfs"
    made = Image(
        fingerprint=Fingerprint(sha256),
        type=type_,
        architecture="x86_64",
        files=SplitFiles(ImageFile(sha256, 1, ".tar.xz"), ImageFile(root, 2, extension)),
        created_at=DAY + timedelta(minutes=number),
        uploaded_at=DAY + timedelta(days=1),
        origin=Origin.ADMIN,
        public=True,
        properties=properties,
    )
    made = replace(made, **changes)
    return replace(made, aliases=tuple(Alias(name, made.fingerprint, type=made.type) for name in aliases))


def products(*images: Image) -> dict[str, Product]:
    made, left_out = products_of(images)
    assert left_out == []
    return made


def read(*images: Image) -> tuple[StreamImage, ...]:
    """What our reader makes of the document that goes out."""
    _, file = stream_documents(products_of(images)[0], DAY)
    found = images_of([products_from_json(products_to_json(file, compact=True))])
    assert found.unusable == ()
    return found.images


def meanings(*images: Image) -> dict[tuple[str, str, str], str]:
    """(alias, type, architecture) → fingerprint, as clients resolve it."""
    return {
        (alias, one.type.value, one.architecture): one.fingerprint
        for one in read(*images)
        for alias in (*one.short_aliases, *one.long_aliases)
    }


def test_images_of_one_kind_are_versions_of_one_product() -> None:
    made = products(image(1), image(2, "debian/12"), image(0))
    assert list(made) == ["Debian:bookworm:amd64:default"]
    (product,) = made.values()
    assert list(product.versions) == ["20261124_1605", "20261124_1606", "20261124_1607"]
    assert product.aliases == ("debian/12",)
    assert meanings(image(1), image(2, "debian/12"), image(0))["debian/12", "container", "x86_64"] == (
        image(2).fingerprint.value
    )


def test_what_clients_see_is_what_the_image_says() -> None:
    properties = {
        **DEBIAN,
        "version": "12",
        "release_title": "Bookworm",
        "label": "release",
        "requirements.secureboot": "false",
        "requirements.cgroup": "v1",
    }
    (one,) = read(image(0, "d", properties=properties, expires_at=datetime(2028, 6, 30, 12, tzinfo=UTC)))
    assert one.fingerprint == image(0).fingerprint.value
    assert one.created_at == datetime(2026, 11, 24, tzinfo=UTC)
    assert one.expires_at == datetime(2028, 6, 30, tzinfo=UTC)
    assert one.size == 3
    assert one.properties == {
        "os": "Debian",
        "release": "bookworm",
        "variant": "default",
        "version": "12",
        "architecture": "amd64",
        "label": "release",
        "serial": "20261124_1605",
        "type": "squashfs",
        "description": "Debian Bookworm amd64 (release) (20261124_1605)",
        "requirements.secureboot": "false",
        "requirements.cgroup": "v1",
    }


def test_an_alias_of_an_older_image_stays_with_it() -> None:
    old, new, newest = image(0, "stable"), image(1, "testing"), image(2)
    found = meanings(newest, old, new)
    assert found["stable", "container", "x86_64"] == old.fingerprint.value
    assert found["testing", "container", "x86_64"] == new.fingerprint.value
    assert {one.fingerprint for one in read(newest, old, new)} == {one.fingerprint.value for one in (old, new, newest)}


def test_images_of_one_minute_are_all_there_and_the_named_one_is_the_newest() -> None:
    images = [image(number, created_at=DAY) for number in range(12)]
    images[5] = image(5, "web", created_at=DAY)
    (product,) = products(*images).values()
    assert len(product.versions) == 12
    assert list(product.versions) == sorted(product.versions)
    assert list(product.versions)[:2] == ["20261124_1605", "20261124_1605_00002"]
    assert meanings(*images)["web", "container", "x86_64"] == images[5].fingerprint.value


@pytest.mark.parametrize("created_at", [EPOCH, NEVER])
def test_an_image_without_a_date_has_the_day_it_came(created_at: datetime) -> None:
    (product,) = products(image(0, created_at=created_at)).values()
    assert list(product.versions) == ["20261125_1605"]


def test_other_requirements_make_another_product() -> None:
    picky = image(1, properties={**DEBIAN, "requirements.secureboot": "false"})
    assert len(products(image(0), picky)) == 2


def test_virtual_machines_have_products_of_their_own() -> None:
    container, machine = image(0, "web"), image(1, "web-vm", type_=ImageType.VIRTUAL_MACHINE)
    found = meanings(container, machine)
    assert found["web-vm", "virtual-machine", "x86_64"] == machine.fingerprint.value
    assert ("web", "virtual-machine", "x86_64") not in found


def test_aliases_that_end_in_the_architecture_meet() -> None:
    ours, theirs = image(0, "debian/12"), image(1, "debian/12/arm64", architecture="aarch64")
    found = meanings(ours, theirs)
    assert found["debian/12", "container", "x86_64"] == ours.fingerprint.value
    assert found["debian/12", "container", "aarch64"] == theirs.fingerprint.value
    assert found["debian/12/arm64", "container", "aarch64"] == theirs.fingerprint.value
    assert found["debian/12/amd64", "container", "x86_64"] == ours.fingerprint.value


def test_an_alias_is_not_said_twice() -> None:
    (product,) = products(image(0, "debian/12", "debian/12/amd64")).values()
    assert product.aliases == ("debian/12",)


def test_another_images_alias_is_not_taken_for_the_architectures_sake() -> None:
    plain, special = image(0, "web"), image(1, "web/amd64")
    found = meanings(plain, special)
    assert found["web", "container", "x86_64"] == plain.fingerprint.value
    assert found["web/amd64", "container", "x86_64"] == special.fingerprint.value
    assert products(plain, special)["Debian:bookworm:x86_64:default"].aliases == ("web",)


def test_a_short_name_that_means_a_virtual_machine_stays_one() -> None:
    machine = image(0, "web", type_=ImageType.VIRTUAL_MACHINE, architecture="aarch64")
    found = meanings(machine, image(1, "web/amd64"))
    assert {key: value for key, value in found.items() if key[0] == "web"} == {
        ("web", "virtual-machine", "aarch64"): machine.fingerprint.value
    }


def test_aliases_that_a_list_cannot_hold_are_left_out_and_said() -> None:
    odd = image(0, "a,b", " padded", "fine")
    made, left_out = products_of([odd])
    assert [product.aliases for product in made.values()] == [("fine",)]
    assert {one.alias for one in left_out} == {"a,b", " padded"}


def test_an_image_that_cannot_be_said_is_left_out_and_said() -> None:
    odd = image(0, "odd", type_=ImageType.CONTAINER)
    assert isinstance(odd.files, SplitFiles)
    odd = replace(odd, files=replace(odd.files, rootfs=replace(odd.files.rootfs, extension=".qcow2")))
    made, left_out = products_of([odd, image(1)])
    assert [one.fingerprint for one in left_out] == [odd.fingerprint.value]
    assert left_out[0].alias == ""
    assert len(made) == 1


def test_images_that_say_nothing_have_usable_products() -> None:
    images = [image(0, properties={}), image(1, "x", properties={}), image(2, properties={"os": "", "release": " / "})]
    made = products(*images)
    assert all(len(name.split(":")) in (4, 5) and " " not in name and "/" not in name for name in made)
    assert "unknown:unknown:amd64:default" in made
    assert len(read(*images)) == 3


def test_a_description_stands_where_there_is_no_os() -> None:
    (one,) = read(image(0, properties={"description": "Our web server"}))
    assert one.properties["description"] == " Our web server amd64 (20261124_1605)"
    (one,) = read(image(0, "web", properties={}))
    assert one.properties["description"] == " web amd64 (20261124_1605)"


def test_names_that_look_alike_hide_nobody() -> None:
    images = [
        image(0, properties={"os": "a:b", "release": "c"}),
        image(1, properties={"os": "a b", "release": "c"}),
        image(2, properties={"os": "a/b", "release": "c"}),
        image(3, properties={"os": "x" * 5000, "release": "c"}),
        image(4, properties={"os": "x" * 5001, "release": "c"}),
    ]
    made = products(*images)
    assert len(made) == 5
    assert max(map(len, made)) < 200
    assert len(read(*images)) == 5


def test_unified_images_come_back_as_what_they_are() -> None:
    sha256 = "c" * 64
    unified = image(0, "u", files=UnifiedFiles(ImageFile(sha256, 9, ".tar.gz")), fingerprint=Fingerprint(sha256))
    machine = replace(unified, fingerprint=Fingerprint("d" * 64), type=ImageType.VIRTUAL_MACHINE, aliases=())
    machine = replace(machine, files=UnifiedFiles(ImageFile("d" * 64, 9, ".tar.gz")))
    assert {(one.fingerprint, one.type, one.files[0].role) for one in read(unified, machine)} == {
        ("c" * 64, ImageType.CONTAINER, "unified"),
        ("d" * 64, ImageType.VIRTUAL_MACHINE, "unified"),
    }


TEXTS = st.text(max_size=12) | st.sampled_from(
    ["Debian", "a:b", "a,b", "../..", "\0", "\ud800", "", "\x1b[2J", "x" * 300]
)
KEYS = st.sampled_from(["os", "release", "variant", "version", "release_title", "label", "requirements.x", "serial"])
NAMES = st.sampled_from(
    ["a", "a/amd64", "a/arm64", "a/x86_64", "a/amd64/amd64", "b", "b/amd64", "c,d", " e", "f/aarch64"]
)


@st.composite
def stores(draw: st.DrawFn) -> list[Image]:
    names = iter(draw(st.lists(NAMES, unique=True, max_size=8)))
    return [
        image(
            number,
            *[name for _, name in zip(range(draw(st.integers(0, 2))), names, strict=False)],
            properties=draw(st.dictionaries(KEYS, TEXTS, max_size=4)),
            type_=draw(st.sampled_from(list(ImageType))),
            architecture=draw(st.sampled_from(["x86_64", "aarch64", "riscv64"])),
            created_at=draw(st.sampled_from([DAY, DAY + timedelta(seconds=5), DAY - timedelta(days=9), EPOCH])),
        )
        for number in range(draw(st.integers(1, 8)))
    ]


@settings(max_examples=150, deadline=None)
@given(stores())
def test_whatever_strangers_wrote_every_image_is_reachable_and_no_alias_lies(images: list[Image]) -> None:
    made, left_out = products_of(images)
    unnamed = {one.alias for one in left_out}
    assert all(one.alias for one in left_out), "each of these can be said"
    found = read(*images)
    assert {one.fingerprint for one in found} == {one.fingerprint.value for one in images}
    resolved = meanings(*images)
    for one in images:
        for alias in one.aliases:
            if alias.name not in unnamed:
                assert resolved[alias.name, one.type.value, one.architecture] == one.fingerprint.value, made


def test_left_out_says_which_alias() -> None:
    _, left_out = products_of([image(0, "a,b")])
    assert left_out == [
        LeftOut(image(0).fingerprint.value, "a,b", "a list of aliases has commas and no blanks at their ends")
    ]
