"""POST /1.0/images with bytes: what comes in, what is refused, and that nothing is left of what was refused."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.api.split_images import split_pair
from tests.busybox_images import images, tiny_image
from tests.daemon_process import Daemon
from tests.rest import Rest, eventually, form

NewImage = Callable[[], bytes]


def stored_files(daemon: Daemon) -> set[str]:
    return {path.name for path in (daemon.folder / "images").rglob("*") if path.is_file()}


def test_a_raw_upload_becomes_an_image_named_by_its_hash(rest: Rest, new_image: NewImage) -> None:
    data = new_image()
    metadata = rest.done(rest.upload(data, X_LXD_filename="my image.tar.gz"))
    assert metadata == {"fingerprint": hashlib.sha256(data).hexdigest(), "size": str(len(data))}
    image = rest.get(f"images/{metadata['fingerprint']}").metadata
    assert image["size"] == len(data)
    assert image["filename"] == "my image.tar.gz"
    assert image["architecture"] == "x86_64"
    assert image["type"] == "container"
    assert image["properties"] == {"os": "tiny"}
    assert image["profiles"] == ["default"]
    assert not image["public"]
    assert not image["cached"]
    assert image["expires_at"] == "1970-01-01T00:00:00Z"
    assert image["last_used_at"] == "0001-01-01T00:00:00Z"


def test_a_chunked_upload_of_unknown_length_is_taken(rest: Rest, new_image: NewImage) -> None:
    data = new_image()
    pieces = (data[at : at + 100] for at in range(0, len(data), 100))
    answer = rest.post("images", raw=pieces, headers={"Content-Type": "application/octet-stream"})
    assert rest.done(answer)["fingerprint"] == hashlib.sha256(data).hexdigest()


def test_an_upload_without_a_content_type_is_taken(rest: Rest, new_image: NewImage) -> None:
    data = new_image()
    assert rest.done(rest.post("images", raw=data))["fingerprint"] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("swapped", [False, True])
def test_a_split_image_is_taken_in_either_order(rest: Rest, swapped: bool) -> None:
    metadata, rootfs = split_pair(1 + swapped)
    first, second = (rootfs, metadata) if swapped else (metadata, rootfs)
    body, headers = form(("metadata", "meta.tar", first), ("rootfs", "root.tar", second))
    result = rest.done(rest.post("images", raw=body, headers=headers))
    assert result["fingerprint"] == hashlib.sha256(metadata + rootfs).hexdigest()
    image = rest.get(f"images/{result['fingerprint']}").metadata
    assert image["size"] == len(metadata) + len(rootfs)
    assert image["filename"] == "root.tar"


def test_a_split_image_with_a_squashfs_is_taken(rest: Rest) -> None:
    metadata = (images() / "meta.tar.gz").read_bytes()
    rootfs = (images() / "rootfs.squashfs").read_bytes()
    body, headers = form(("metadata", "meta.tar.gz", metadata), ("rootfs", "rootfs.squashfs", rootfs))
    result = rest.done(rest.post("images", raw=body, headers=headers))
    assert result["fingerprint"] == hashlib.sha256(metadata + rootfs).hexdigest()


def test_headers_set_properties_profiles_flags_and_aliases(rest: Rest, new_image: NewImage, unique: str) -> None:
    assert rest.post("profiles", {"name": unique}).status == 201
    fingerprint = rest.add_image(
        new_image(),
        X_LXD_public="1",
        X_LXD_properties=urlencode({"os": "changed", "label": "a b&c=d"}),
        X_LXD_profiles=urlencode([("profile", "default"), ("profile", unique)]),
        X_LXD_aliases=urlencode([("alias", f"{unique}/one"), ("alias", f"{unique}/two")]),
    )
    image = rest.get(f"images/{fingerprint}").metadata
    assert image["public"]
    assert image["properties"] == {"os": "changed", "label": "a b&c=d"}
    assert image["profiles"] == ["default", unique]
    assert [alias["name"] for alias in image["aliases"]] == [f"{unique}/one", f"{unique}/two"]


def test_the_expected_fingerprint_is_held_to(daemon: Daemon, rest: Rest, new_image: NewImage) -> None:
    data = new_image()
    right = hashlib.sha256(data).hexdigest()
    before = stored_files(daemon)
    error = rest.failed(rest.upload(data, X_LXD_fingerprint="0" * 64))
    assert right in error
    assert "0" * 64 in error
    assert rest.get(f"images/{right}").status == 404
    assert stored_files(daemon) == before
    assert rest.add_image(data, X_LXD_fingerprint=right) == right


@pytest.mark.parametrize("value", ["0" * 63, "g" * 64, "A" * 64, "../../etc/passwd", "%", "0" * 65])
def test_an_expected_fingerprint_that_is_none_is_refused_before_the_bytes(rest: Rest, value: str) -> None:
    assert rest.upload(tiny_image(1), X_LXD_fingerprint=value).status == 400


def test_the_same_image_again_is_refused_in_lxds_words(rest: Rest, new_image: NewImage) -> None:
    data = new_image()
    rest.add_image(data)
    assert rest.failed(rest.upload(data)) == "Image with same fingerprint already exists"


def test_a_taken_alias_is_refused_before_the_bytes_and_moves_with_reuse(
    rest: Rest, new_image: NewImage, unique: str
) -> None:
    first = rest.add_image(new_image(), X_LXD_aliases=f"alias={unique}")
    data = new_image()
    refused = rest.upload(data, X_LXD_aliases=f"alias={unique}")
    assert refused.status == 409
    assert refused.error == f"Alias already exists: {unique}"
    assert rest.get(f"images/aliases/{unique}").metadata["target"] == first
    second = rest.add_image(data, X_LXD_aliases=f"alias={unique}", X_LXD_reuse="1")
    assert rest.get(f"images/aliases/{unique}").metadata["target"] == second
    assert [one["target"] for one in rest.get(f"images/aliases/{unique}/history").metadata] == [second, first]


@pytest.mark.parametrize("name", ["", "a/../b", "/a", "a//b", "x" * 257, "a\tb"])
def test_alias_names_that_cannot_be_are_refused(rest: Rest, new_image: NewImage, name: str) -> None:
    query = urlencode([("alias", name), ("alias", "")]) if name else ""
    answer = rest.upload(new_image(), X_LXD_aliases=query or "alias=%20")
    assert answer.status == 400


def test_an_unknown_profile_is_refused(rest: Rest, new_image: NewImage) -> None:
    answer = rest.upload(new_image(), X_LXD_profiles="profile=nosuch")
    assert answer.status == 404
    assert answer.error == "Profile 'nosuch' doesn't exist"


def _body(*parts: tuple[str, str, bytes]) -> tuple[bytes, dict[str, str]]:
    return form(*parts)


TINY = tiny_image(2)
META, ROOT = split_pair(99)
BAD_FORMS = {
    "unknown field": _body(("metadata", "a", META), ("kernel", "b", ROOT)),
    "rootfs first": _body(("rootfs", "a", ROOT)),
    "metadata alone": _body(("metadata", "a", META)),
    "metadata twice": _body(("metadata", "a", META), ("metadata", "a", META)),
    "three parts": _body(("metadata", "a", META), ("rootfs", "b", ROOT), ("rootfs.img", "c", ROOT)),
    "two roots": _body(("rootfs", "a", ROOT), ("rootfs", "b", ROOT)),
    "no part": _body(),
    "empty parts": _body(("metadata", "", b""), ("rootfs", "", b"")),
    "rubbish": (b"this is no form at all", {"Content-Type": "multipart/form-data; boundary=x"}),
    "no boundary": (b"--x\r\n\r\n--x--", {"Content-Type": "multipart/form-data"}),
    "cut short": (_body(("metadata", "a", META))[0][:200], _body()[1]),
    "no headers": (b"--x\r\n\r\nabc\r\n--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}),
    "broken headers": (
        b"--x\r\n\xff\xfe: \x00\r\n\r\nabc\r\n--x--\r\n",
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
    "bad length": (
        b'--x\r\nContent-Disposition: form-data; name="metadata"\r\nContent-Length: many\r\n\r\nabc\r\n--x--\r\n',
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
    "wrong length": (
        b'--x\r\nContent-Disposition: form-data; name="metadata"\r\nContent-Length: 1\r\n\r\nabcdef\r\n--x--\r\n',
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
    "negative length": (
        b'--x\r\nContent-Disposition: form-data; name="metadata"\r\nContent-Length: -5\r\n\r\nabcdef\r\n--x--\r\n',
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
    "a form in the form": (
        b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\na\r\n--y--\r\n\r\n--x--\r\n",
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
    "long boundary": (b"--x--", {"Content-Type": f"multipart/form-data; boundary={'b' * 200}"}),
    "endless header": (
        b"--x\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\nabc\r\n--x--\r\n",
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
}


@pytest.mark.parametrize("name", BAD_FORMS)
def test_forms_that_are_no_image_are_refused_and_leave_nothing(daemon: Daemon, rest: Rest, name: str) -> None:
    before = stored_files(daemon)
    raw, headers = BAD_FORMS[name]
    answer = rest.post("images", raw=raw, headers=headers)
    if answer.status == 202:
        assert rest.failed(answer)
    else:
        assert answer.status == 400
        assert answer.error
    eventually(lambda: stored_files(daemon) == before)


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"rubbish" * 100, b"\0" * 4096, TINY[:-40], TINY[:20], TINY + TINY[:50], b"\x1f\x8b" + b"\xff" * 600],
    ids=["empty", "one byte", "text", "zeros", "cut", "head alone", "trailing bytes", "false gzip"],
)
def test_bytes_that_are_no_image_are_refused_and_leave_nothing(daemon: Daemon, rest: Rest, data: bytes) -> None:
    before = stored_files(daemon)
    assert rest.failed(rest.upload(data))
    assert stored_files(daemon) == before


def test_a_client_that_hangs_up_leaves_nothing(daemon: Daemon, rest: Rest, new_image: NewImage) -> None:
    before = stored_files(daemon)
    data = new_image()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.folder / "unix.socket"))
        client.sendall(
            b"POST /1.0/images HTTP/1.1\r\nHost: lxd\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Length: 100000\r\n\r\n" + data
        )
        time.sleep(0.3)
    eventually(lambda: stored_files(daemon) == before)
    assert rest.get("/1.0").status == 200


def test_a_client_that_hangs_up_inside_a_form_leaves_nothing(daemon: Daemon, rest: Rest) -> None:
    before = stored_files(daemon)
    body, headers = form(("metadata", "a", META), ("rootfs", "b", b"\0" * 100_000))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.folder / "unix.socket"))
        head = f"POST /1.0/images HTTP/1.1\r\nHost: lxd\r\nContent-Type: {headers['Content-Type']}\r\n"
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-5000])
        time.sleep(0.3)
    eventually(lambda: stored_files(daemon) == before)
    assert rest.get("/1.0").status == 200


@pytest.mark.parametrize("value", [b"caf\xc3\xa9", b"caf\xe9", b"\xff\xfe", b"a\x01b"])
def test_labels_in_any_bytes_are_taken_or_refused(rest: Rest, new_image: NewImage, value: bytes) -> None:
    headers = {"Content-Type": "application/octet-stream", "X-LXD-filename": value, "X-LXD-properties": b"k=" + value}
    answer = rest.post("images", raw=new_image(), headers=headers)
    if answer.status == 202:
        fingerprint = rest.done(answer)["fingerprint"]
        assert rest.get(f"images/{fingerprint}").status == 200
    else:
        assert answer.status == 400


def test_an_upload_over_the_size_limit_is_refused_and_leaves_nothing(fresh_daemon: Daemon, fresh: Rest) -> None:
    assert fresh.patch("/1.0", {"config": {"images.size_limit": "100"}}).status == 200
    try:
        assert "images.size_limit" in fresh.failed(fresh.upload(tiny_image(7)))
        assert stored_files(fresh_daemon) == set()
    finally:
        assert fresh.patch("/1.0", {"config": {"images.size_limit": ""}}).status == 200


def test_a_virtual_machine_image_is_stored_as_such(rest: Rest, unique: str) -> None:
    metadata, _ = split_pair(int(unique[1:]))
    disk = b"QFI\xfb" + (3).to_bytes(4, "big") + b"\0" * 16 + (1 << 20).to_bytes(8, "big") + b"\0" * 65504
    body, headers = form(("metadata", "meta.tar", metadata), ("rootfs.img", "disk.qcow2", disk))
    answer = rest.finished(rest.post("images", raw=body, headers=headers))
    if answer["status"] == "Success":
        assert rest.get(f"images/{answer['metadata']['fingerprint']}").metadata["type"] == "virtual-machine"


def test_uploads_at_once_of_one_image_make_one(rest: Rest, daemon: Daemon, new_image: NewImage) -> None:
    import threading

    data = new_image()
    results: list[str] = []

    def upload() -> None:
        one = Rest(daemon.folder / "unix.socket")
        results.append(one.finished(one.upload(data))["status"])

    threads = [threading.Thread(target=upload) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["Failure"] * 5 + ["Success"]


def test_the_source_tree_holds_no_leftover(daemon: Daemon) -> None:
    assert not [path for path in Path(daemon.folder / "images").rglob("*") if path.is_file() and len(path.name) != 64]
