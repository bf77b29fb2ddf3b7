"""Evil images, made on the spot: one case per advisory or trick, as unified tarball, split tarball and squashfs.

``CASES`` is for every test that can be told "this must be refused": the formats' own, and those that send each
through a daemon, a client or a remote. A case never holds the files themselves, only how to make them.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard
from tests.hostile import squashfs_builder as sq
from tests.hostile.tar_builder import (
    END,
    GOOD_YAML,
    file,
    folder,
    gnu_long,
    hardlink,
    header,
    image,
    octal,
    padded,
    pax,
    rootfs_parts,
    symlink,
    tarball,
)


@dataclass(frozen=True, slots=True)
class Case:
    """``make(folder)`` writes the image's files there and returns them, as the user would name them: one (unified),
    or metadata and rootfs. ``fragment``: part of the error that every way in must give. Some aim at a folder outside:
    call :func:`plant_canary` before and :func:`check_canary` after."""

    name: str
    advisory: str
    make: Callable[[Path], list[Path]]
    fragment: str

    def __str__(self) -> str:
        return self.name


METADATA = tarball(file(b"metadata.yaml", GOOD_YAML))
CASES: list[Case] = []


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _unified(name: str, advisory: str, fragment: str, data: bytes | Callable[[Path], bytes]) -> None:
    def make(place: Path) -> list[Path]:
        return [_write(place / "image.tar", data(place) if callable(data) else data)]

    CASES.append(Case(name, advisory, make, fragment))


def _split(
    name: str, advisory: str, fragment: str, rootfs: bytes | Callable[[Path], bytes], metadata: bytes = METADATA
) -> None:
    def make(place: Path) -> list[Path]:
        data = rootfs(place) if callable(rootfs) else rootfs
        suffix = "squashfs" if data.startswith(b"hsqs") else "tar"
        return [_write(place / "meta.tar", metadata), _write(place / f"root.{suffix}", data)]

    CASES.append(Case(name, advisory, make, fragment))


def _rootfs(
    name: str,
    advisory: str,
    fragment: str,
    parts: Callable[[bytes, Path], list[bytes]],
    node: Callable[[Path], sq.Node] | None = None,
) -> None:
    """A trick inside the root file system, in all forms. ``parts`` gets the prefix of names in the tarball."""
    _unified(f"unified-{name}", advisory, fragment, lambda place: image(*parts(b"rootfs/", place)))
    _split(f"split-{name}", advisory, fragment, lambda place: tarball(*rootfs_parts(b"./"), *parts(b"./", place)))
    if node is not None:
        make_node = node
        _split(f"squashfs-{name}", advisory, fragment, lambda place: sq.squashfs(make_node(place)))


def canary(place: Path) -> bytes:
    """The path of the folder that evil images aim at, made by the test (see :func:`plant_canary`)."""
    return bytes(place.parent / "canary")


def plant_canary(place: Path) -> Path:
    """Make the folder outside, with a file in it."""
    outside = place.parent / "canary"
    outside.mkdir()
    (outside / "precious").write_bytes(b"precious")
    return outside


def check_canary(outside: Path) -> None:
    """Assert that nothing happened to it."""
    assert [path.name for path in outside.iterdir()] == ["precious"]
    assert (outside / "precious").read_bytes() == b"precious"
    assert (outside / "precious").stat().st_nlink == 1


# ---- the top level: metadata.yaml, templates/, rootfs/ each once and of the right kind


def _without_metadata(*parts: bytes) -> bytes:
    return tarball(*parts, *rootfs_parts(b"rootfs/"))


_unified(
    "metadata-is-a-symlink",
    "CVE-2026-63343",
    '"metadata.yaml" is a symbolic link',
    _without_metadata(symlink(b"metadata.yaml", b"/etc/shadow")),
)
_unified(
    "metadata-is-a-hard-link",
    "CVE-2026-63343",
    '"metadata.yaml" is a hard link',
    _without_metadata(file(b"rootfs/etc/x", GOOD_YAML), hardlink(b"metadata.yaml", b"rootfs/etc/x")),
)
_unified("metadata-is-a-folder", "CVE-2026-63343", "metadata.yaml", _without_metadata(folder(b"metadata.yaml/")))
_unified(
    "metadata-is-a-device",
    "CVE-2026-63343",
    "metadata.yaml",
    _without_metadata(header(b"metadata.yaml", b"3", major=1, minor=5)),
)
_unified(
    "metadata-twice",
    "CVE-2026-34178",
    '"metadata.yaml" twice',
    image(file(b"./metadata.yaml", GOOD_YAML.replace(b"Test", b"Other"))),
)
_unified(
    "templates-is-a-symlink",
    "CVE-2026-48752",
    '"templates" is a symbolic link',
    lambda place: image(symlink(b"templates", canary(place))),
)
_unified(
    "templates-becomes-a-symlink",
    "CVE-2026-48752",
    "templates",
    lambda place: image(folder(b"templates/"), symlink(b"templates", canary(place)), file(b"templates/x", b"evil")),
)
_unified(
    "template-is-a-symlink",
    "CVE-2026-23954",
    '"templates/x" is a symbolic link',
    image(symlink(b"templates/x", b"/etc/shadow")),
)
_unified(
    "template-is-a-hard-link",
    "CVE-2026-23954",
    '"templates/x" is a hard link',
    image(hardlink(b"templates/x", b"rootfs/etc/hostname")),
)
_unified("template-in-a-folder", "CVE-2026-23954", "plain files only", image(file(b"templates/sub/x", b"y")))
_unified("templates-is-a-file", "CVE-2026-48752", "instead of a directory", image(file(b"templates", b"x")))
_unified(
    "rootfs-is-a-symlink",
    "CVE-2026-48749",
    '"rootfs" is a symbolic link',
    lambda place: tarball(
        file(b"metadata.yaml", GOOD_YAML), symlink(b"rootfs", canary(place)), file(b"rootfs/x", b"evil")
    ),
)
_unified(
    "rootfs-becomes-a-symlink",
    "CVE-2026-48749",
    '"rootfs" is a symbolic link',
    lambda place: image(symlink(b"rootfs", canary(place)), file(b"rootfs/evil", b"evil")),
)
_unified("rootfs-twice", "CVE-2026-48749", "twice", image(folder(b"./rootfs")))
_unified(
    "rootfs-is-a-file",
    "CVE-2026-48749",
    "instead of a directory",
    tarball(file(b"metadata.yaml", GOOD_YAML), file(b"rootfs", b"x")),
)
_unified("rootfs-and-disk", "CVE-2026-48749", "both rootfs/ and rootfs.img", image(file(b"rootfs.img", b"x")))
_unified(
    "disk-is-a-symlink",
    "CVE-2026-48749",
    '"rootfs.img" is a symbolic link',
    tarball(file(b"metadata.yaml", GOOD_YAML), symlink(b"rootfs.img", b"/dev/sda")),
)
_unified(
    "backup-yaml-is-a-symlink",
    "CVE-2026-63294",
    '"backup.yaml" is a symbolic link',
    image(symlink(b"backup.yaml", b"/etc/shadow")),
)
_unified(
    "exec-output-is-a-symlink",
    "CVE-2026-48750",
    '"exec-output" is a symbolic link',
    lambda place: image(symlink(b"exec-output", canary(place))),
)
_unified("unknown-device-at-the-top", "GHSA-9j25-mm2h-2f76", "plain files only", image(header(b"sda", b"4", major=8)))
_unified("no-metadata", "", "Metadata tarball is missing metadata.yaml", tarball(*rootfs_parts(b"rootfs/")))
_unified("no-rootfs", "", "Image is missing a rootfs", METADATA)
_unified(
    "empty-rootfs", "", "Image is missing a rootfs", tarball(file(b"metadata.yaml", GOOD_YAML), folder(b"rootfs/"))
)
_split("metadata-with-a-rootfs", "CVE-2026-34178", "has a rootfs in it", tarball(*rootfs_parts(b"./")), image())
_split(
    "split-metadata-is-a-symlink",
    "CVE-2026-63343",
    '"metadata.yaml" is a symbolic link',
    tarball(*rootfs_parts(b"./")),
    tarball(symlink(b"metadata.yaml", b"/etc/shadow")),
)
_split(
    "split-templates-is-a-symlink",
    "CVE-2026-48752",
    '"templates" is a symbolic link',
    tarball(*rootfs_parts(b"./")),
    tarball(file(b"metadata.yaml", GOOD_YAML), symlink(b"templates", b"/etc")),
)

# ---- names


def _named(name: Callable[[bytes, Path], bytes]) -> Callable[[bytes, Path], list[bytes]]:
    return lambda prefix, place: [file(name(prefix, place), b"evil")]


_rootfs(
    "dot-dot",
    "zip-slip",
    "leads outside",
    _named(lambda prefix, _: prefix + b"../../canary/evil"),
    lambda _: sq.rootfs((b"..", sq.folder((b"evil", sq.file(b"x"))))),
)
_rootfs("inner-dot-dot", "zip-slip", "leads outside", _named(lambda prefix, _: prefix + b"etc/../../../x"))
_unified("dot-dot-at-the-top", "zip-slip", "leads outside", image(file(b"../canary/evil", b"evil")))
_unified("absolute-name", "zip-slip", "absolute name", lambda place: image(file(canary(place) + b"/evil", b"evil")))
_split(
    "split-absolute-name",
    "zip-slip",
    "absolute name",
    lambda place: tarball(*rootfs_parts(b"./"), file(canary(place) + b"/evil")),
)
_rootfs(
    "slash-in-a-name",
    "zip-slip",
    "leads outside",
    _named(lambda prefix, _: prefix + b"a/../b"),
    lambda _: sq.rootfs((b"../x", sq.file(b"x"))),
)
_rootfs("too-long-a-name", "", "more than 255 bytes", lambda prefix, _: [gnu_long(prefix + b"n" * 256), file(b"x")])
_rootfs(
    "too-long-a-path", "", "more than 4095 bytes", lambda prefix, _: [gnu_long(prefix + b"d/" * 2100), folder(b"x")]
)
_rootfs("nul-in-a-pax-name", "", "NUL", lambda prefix, _: [pax({b"path": prefix + b"a\0/../../x"}), file(b"x")])
_rootfs(
    "two-names-for-one-entry",
    "",
    "two different names",
    lambda prefix, _: [pax({b"path": prefix + b"a"}), gnu_long(prefix + b"b"), file(b"x")],
)
_rootfs(
    "pax-path-twice",
    "",
    "twice for one entry",
    lambda prefix, _: [pax([(b"path", prefix + b"a"), (b"path", prefix + b"b")]), file(b"x")],
)
_rootfs(
    "global-pax-path", "", "for all its entries", lambda prefix, _: [pax({b"path": prefix + b"a"}, b"g"), file(b"x")]
)
_rootfs(
    "name-twice",
    "CVE-2026-48749",
    "twice",
    lambda prefix, _: [file(prefix + b"etc/x", b"1"), file(prefix + b"etc//./x", b"2")],
    lambda _: sq.rootfs((b"x", sq.file(b"1")), (b"x", sq.file(b"2"))),
)
_rootfs(
    "folder-becomes-a-symlink",
    "CVE-2026-48749",
    "twice",
    lambda prefix, place: [symlink(prefix + b"etc", canary(place)), file(prefix + b"etc/evil", b"evil")],
    lambda place: sq.rootfs((b"etc", sq.symlink(canary(place)))),
)

# ---- links


_rootfs(
    "through-an-absolute-symlink",
    "CVE-2026-66898",
    "which is a symbolic link",
    lambda prefix, place: [symlink(prefix + b"out", canary(place)), file(prefix + b"out/evil", b"evil")],
)
_rootfs(
    "through-a-relative-symlink",
    "CVE-2026-66898",
    "which is a symbolic link",
    lambda prefix, _: [symlink(prefix + b"out", b"../../canary"), folder(prefix + b"out/evil")],
)
_rootfs(
    "through-a-file",
    "",
    "which is a file",
    lambda prefix, _: [file(prefix + b"etc/x", b"x"), file(prefix + b"etc/x/y", b"y")],
)
_rootfs(
    "over-a-symlink",
    "CVE-2026-66898",
    "twice",
    lambda prefix, place: [symlink(prefix + b"p", canary(place) + b"/precious"), file(prefix + b"p", b"evil")],
    lambda place: sq.rootfs((b"p", sq.symlink(canary(place) + b"/precious")), (b"p", sq.file(b"evil"))),
)
_rootfs(
    "hard-link-to-outside",
    "CVE-2026-66898",
    "absolute name",
    lambda prefix, place: [hardlink(prefix + b"h", canary(place) + b"/precious"), file(prefix + b"h", b"evil")],
)
_rootfs(
    "hard-link-by-dot-dot",
    "",
    "leads outside",
    lambda prefix, _: [hardlink(prefix + b"h", prefix + b"../../canary/precious")],
)
_rootfs(
    "hard-link-to-a-symlink",
    "",
    "repeats no file",
    lambda prefix, place: [
        symlink(prefix + b"s", canary(place) + b"/precious"),
        hardlink(prefix + b"h", prefix + b"s"),
    ],
)
_rootfs(
    "hard-link-through-a-symlink",
    "",
    "repeats no file",
    lambda prefix, place: [symlink(prefix + b"s", canary(place)), hardlink(prefix + b"h", prefix + b"s/precious")],
)
_rootfs(
    "hard-link-to-what-comes-later",
    "",
    "repeats no file",
    lambda prefix, _: [hardlink(prefix + b"h", prefix + b"later"), file(prefix + b"later", b"x")],
)
_rootfs("hard-link-to-itself", "", "repeats no file", lambda prefix, _: [hardlink(prefix + b"h", prefix + b"h")])
_rootfs("hard-link-to-a-folder", "", "repeats no file", lambda prefix, _: [hardlink(prefix + b"h", prefix + b"etc")])
_rootfs(
    "hard-link-with-data",
    "",
    "with data",
    lambda prefix, _: [header(prefix + b"h", b"1", link=prefix + b"etc/hostname", size=4), padded(b"evil")],
)
_unified("hard-link-to-the-metadata", "", "leads out of the rootfs", image(hardlink(b"rootfs/h", b"metadata.yaml")))
_rootfs("symlink-to-nothing", "", "empty or impossible target", lambda prefix, _: [symlink(prefix + b"s", b"")])

# ---- what a host must not take from an image


NET_ADMIN = struct.pack("<6I", 0x03000001, 1 << 12, 0, 0, 0, 100_000)
_rootfs(
    "whiteout",
    "overlayfs",
    "device 0:0",
    lambda prefix, _: [header(prefix + b"etc/passwd", b"3")],
    lambda _: sq.rootfs((b"passwd", sq.device(0, 0))),
)
for _attribute in ("trusted.overlay.opaque", "trusted.overlay.redirect", "trusted.overlay.metacopy"):
    _rootfs(
        f"attribute-{_attribute}",
        "overlayfs",
        "which only a host may set",
        lambda prefix, _, name=_attribute: [pax({b"SCHILY.xattr." + name.encode(): b"y"}), folder(prefix + b"o")],  # type: ignore[misc]
        lambda _, name=_attribute: sq.rootfs((b"o", sq.with_xattr(sq.folder(), name, b"y"))),  # type: ignore[misc]
    )
_rootfs(
    "capabilities-of-another-namespace",
    "",
    "capabilities of a user namespace",
    lambda prefix, _: [pax({b"SCHILY.xattr.security.capability": NET_ADMIN}), file(prefix + b"ping", b"x")],
    lambda _: sq.rootfs((b"ping", sq.with_xattr(sq.file(b"x"), "security.capability", NET_ADMIN))),
)
_rootfs(
    "malformed-capabilities",
    "",
    "malformed file capabilities",
    lambda prefix, _: [pax({b"SCHILY.xattr.security.capability": b"\2\0\0"}), file(prefix + b"ping", b"x")],
    lambda _: sq.rootfs((b"ping", sq.with_xattr(sq.file(b"x"), "security.capability", b"\2\0\0"))),
)
_rootfs(
    "malformed-acl",
    "",
    "malformed access control",
    lambda prefix, _: [pax({b"SCHILY.xattr.system.posix_acl_access": b"\2\0\0\0abc"}), file(prefix + b"f")],
)
_rootfs(
    "owner-minus-one", "", "beyond 32 bits", lambda prefix, _: [file(prefix + b"f", uid=b"\x80\0\0\0\xff\xff\xff\xff")]
)

# ---- metadata


def _yaml(name: str, advisory: str, fragment: str, yaml: bytes) -> None:
    _unified(f"yaml-{name}", advisory, fragment, image(metadata=yaml))
    _split(
        f"split-yaml-{name}", advisory, fragment, tarball(*rootfs_parts(b"./")), tarball(file(b"metadata.yaml", yaml))
    )


_LAUGHS = b"a0: &a0 [x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)
)
_yaml("billion-laughs", "CVE-2026-41648", "an alias", GOOD_YAML + _LAUGHS)
_yaml("too-large", "CVE-2026-41648", "metadata.yaml", GOOD_YAML + b"#" * (1 << 20))
_yaml("too-deep", "CVE-2026-41648", "nested too deeply", GOOD_YAML + b"x: " + b"[" * 200_000)
_yaml("too-many-values", "CVE-2026-41648", "too many values", GOOD_YAML + b"x: [" + b"1," * 300_000 + b"]")
_yaml("two-documents", "CVE-2026-34178", "a second document", GOOD_YAML + b"---\n" + GOOD_YAML)
_yaml("key-twice", "CVE-2026-34178", "twice", GOOD_YAML + b"architecture: i686\n")
_yaml("python-object", "CVE-2017-18342", "the tag", GOOD_YAML + b"x: !!python/object/apply:os.system [id]\n")
_yaml(
    "template-outside",
    "CVE-2026-23954",
    "not a plain file name",
    GOOD_YAML + b"templates: {/x: {when: [create], template: ../../../etc/shadow}}\n",
)
_yaml(
    "template-target-outside",
    "CVE-2026-23954",
    "path outside of container",
    GOOD_YAML + b"templates: {/../../../etc/cron.d/x: {when: [create], template: x}}\n",
)
_yaml("template-null", "", "must be a map", GOOD_YAML + b"templates: {/x: null}\n")
_yaml("nested-property", "", "must be text", GOOD_YAML.replace(b"Test", b"[Test]"))
_yaml("no-creation-date", "", "Missing creation date", b"architecture: x86_64\n")
_yaml("unknown-architecture", "", "Architecture isn't supported: pdp11", GOOD_YAML.replace(b"x86_64", b"pdp11"))
_yaml("not-yaml", "", "isn't valid YAML", b"{{{{")
_yaml("binary", "", "isn't UTF-8", GOOD_YAML + b"\xff\xfe")

# ---- bombs, sparse tricks, and other ways to be too much


_SPARSE = {b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.name": b"s"}


def _sparse(size: bytes, text: bytes, data: bytes) -> Callable[[bytes, Path], list[bytes]]:
    return lambda prefix, _: [
        pax({**_SPARSE, b"GNU.sparse.name": prefix + b"s", b"GNU.sparse.realsize": size}),
        file(b"x", padded(text) + data),
    ]


_rootfs("sparse-overlap", "", "makes no sense", _sparse(b"9", b"2\n0\n4\n2\n2\n", b"abcdef"))
_rootfs("sparse-beyond-the-end", "", "makes no sense", _sparse(b"3", b"1\n2\n4\n", b"abcd"))
_rootfs("sparse-more-data-than-map", "", "makes no sense", _sparse(b"9", b"1\n0\n4\n", b"abcdefgh"))
_rootfs("sparse-endless-map", "", "pieces", _sparse(b"9", b"99999999999\n", b""))
_rootfs(
    "sparse-exabytes",
    "",
    "of more than",
    _sparse(b"9000000000000000000", b"1\n0\n4\n", b"abcd"),
    lambda _: sq.rootfs((b"s", sq.Node("f", size=1 << 62, words=[]))),
)
_rootfs(
    "sparse-name-outside",
    "",
    "leads outside",
    lambda prefix, _: [
        pax({**_SPARSE, b"GNU.sparse.name": prefix + b"../../x", b"GNU.sparse.realsize": b"4"}),
        file(b"x", padded(b"1\n0\n4\n") + b"abcd"),
    ],
)
_rootfs(
    "gnu-sparse-beyond-the-end",
    "",
    "makes no sense",
    lambda prefix, _: [
        header(prefix + b"s", b"S", size=4, magic=b"ustar  \0", tail=bytes(41) + octal(8, 12) + octal(4, 12)),
        padded(b"abcd"),
    ],
)
_rootfs(
    "huge-pax-header",
    "",
    "extended header of more than",
    lambda _prefix, _: [header(b"x", b"x", size=1 << 30), bytes(512)],
)
_rootfs(
    "huge-long-name",
    "",
    "extended header of more than",
    lambda _prefix, _: [header(b"x", b"L", size=1 << 30), bytes(512)],
)
_rootfs(
    "negative-size", "CVE-2026-33743", "negative number", lambda prefix, _: [header(prefix + b"f", size=b"\xff" * 12)]
)
_rootfs(
    "size-of-a-whole-disk",
    "",
    "of more than",
    lambda prefix, _: [header(prefix + b"f", size=b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7)],
)
_rootfs(
    "nonsense-in-a-number",
    "CVE-2026-33743",
    "no number",
    lambda prefix, _: [header(prefix + b"f", size=b"zzzzzzzzzzz\0")],
)
_rootfs("wrong-checksum", "", "checksum", lambda prefix, _: [header(prefix + b"f", checksum=b"0000001\0")])
_rootfs("multi-volume", "", "unknown type", lambda prefix, _: [header(prefix + b"f", b"M")])
_split("squashfs-loop", "", "in itself or in two places", lambda _: sq.squashfs(_loop()))
_split(
    "squashfs-lying-block",
    "",
    "block's size is impossible",
    lambda _: sq.squashfs(sq.rootfs((b"f", sq.Node("f", b"x" * 9, size=4096, words=[0xFFFFFF])))),
)
_split(
    "squashfs-block-beyond-the-end",
    "",
    "beyond its end",
    lambda _: sq.squashfs(sq.rootfs((b"f", sq.Node("f", b"", size=3 * 4096, words=[4096 | 1 << 24] * 3)))),
)
_split("squashfs-root-is-a-file", "", "root is no directory", lambda _: sq.squashfs(sq.file(b"x")))


def _loop() -> sq.Node:
    shared = sq.folder((b"x", sq.file(b"x")))
    return sq.rootfs((b"a", shared), (b"b", shared))


def _zeros(count: int) -> Iterator[bytes]:
    """A tarball with a file of ``count`` zeros, in pieces."""
    yield image()[: -len(END)] + header(b"rootfs/zeros", size=b"%011o\0" % count)
    for _ in range(count >> 20):
        yield bytes(1 << 20)
    yield END


def _bomb(suffix: str, start: Callable[[], object]) -> None:
    def make(place: Path) -> list[Path]:
        path = place / f"bomb.tar.{suffix}"
        compressor = start()
        with path.open("wb") as out:
            for piece in _zeros(80 << 20):
                out.write(compressor.compress(piece))  # type: ignore[attr-defined]
            out.write(compressor.flush())  # type: ignore[attr-defined]
        return [path]

    CASES.append(Case(f"bomb-{suffix}", "CVE-2026-41685", make, "times its size"))


def _gzip() -> object:
    import zlib

    return zlib.compressobj(6, zlib.DEFLATED, 31)


_bomb("gz", _gzip)
_bomb("zst", lambda: zstandard.ZstdCompressor(level=1).compressobj())
_bomb("xz", lambda: lzma.LZMACompressor(preset=0))

# ---- damaged streams


_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def _damaged(suffix: str, how: str, fragment: str, damage: Callable[[bytes], bytes]) -> None:
    def make(place: Path) -> list[Path]:
        noise = bytes((number * number * 31 + number // 7) % 251 for number in range(20_000))
        whole = _COMPRESS[suffix](image(file(b"rootfs/noise", noise)))
        return [_write(place / f"image.tar.{suffix}", damage(whole))]

    CASES.append(Case(f"{how}-{suffix}", "", make, fragment))


for _suffix in _COMPRESS:
    _damaged(_suffix, "truncated", "truncated", lambda whole: whole[: len(whole) * 2 // 3])
    _damaged(_suffix, "garbage-behind", "follows", lambda whole: whole + b"garbage behind the data")
    if _suffix != "lzma":
        _damaged(
            _suffix,
            "flipped-bits",
            "corrupt",
            lambda whole: whole[:-40] + bytes(b ^ 0x55 for b in whole[-40:-30]) + whole[-30:],
        )
_unified("truncated-tar", "", "truncated", image(file(b"rootfs/f", bytes(3000)))[:-2048])
_unified("tar-without-end", "", "truncated", image()[: -len(END)])
_unified("not-an-image", "", "Unsupported compression", b"hello world, this is no image" * 50)
_unified("twelve-bytes", "", "Unsupported compression", b"hello world\n")
_unified("empty-file", "", "The file is empty", b"")
_unified("v7-tar", "", "Unsupported compression", header(b"metadata.yaml", magic=bytes(8)) + END)
_split("truncated-squashfs", "", "truncated", sq.squashfs(sq.rootfs((b"f", sq.file(b"x" * 9000))))[:-4096])
