"""``lxc image copy``: from one server to another."""

from __future__ import annotations

import tempfile

from azekura.cli.command import TEXT, TEXTS, Command, Flag
from azekura.cli.image.reference import dereference, point_aliases
from azekura.cli.image.transfer import addresses, certificate, secret_for, try_each
from azekura.client.address import encode_query, quote
from azekura.client.body import FilePiece, FormFile, file_body, form_body
from azekura.client.download import Sink
from azekura.errors import BadAnswer, FingerprintMismatch, InvalidRequest, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

    from azekura.cli.invocation import Invocation
    from azekura.cli.progress import Progress
    from azekura.client.config import Remote
    from azekura.client.envelope import Record
    from azekura.client.server import Server

MODES = ("pull", "push", "relay")


def run(call: Invocation) -> None:
    remote, name = call.split(call.arguments[0])
    target_remote, target_name = call.split(call.arguments[1])
    if target_name:
        raise InvalidRequest("Can't provide a name for the target image")
    if remote == target_remote and not call.options.text("target-project"):
        raise InvalidRequest("The source and target servers must be different")
    options = call.options
    mode = options.text("mode")
    if mode not in MODES:
        raise InvalidRequest(f'Unknown transfer mode "{mode}" (pull, push and relay are)')
    if options.switch("auto-update") and mode != "pull":
        raise InvalidRequest("Auto update is only available in pull mode")
    target = call.server(target_remote)
    if options.text("target-project"):
        target.project = options.text("target-project")
    wishes: Record = {"public": options.switch("public"), "auto_update": options.switch("auto-update")}
    if options.texts("profile"):
        wishes["profiles"] = options.texts("profile")
    progress = call.progress("Copying the image: %s")
    kind = "virtual-machine" if options.switch("vm") else ""
    origin = call.config.remote(remote)
    names: list[str] = []
    try:
        if origin.is_simplestreams:
            if mode != "pull":
                raise InvalidRequest("Only pull mode is available from a simplestreams server")
            fingerprint = _from_stream(call, remote, origin, name or "default", kind, target, wishes, progress)
            if options.switch("copy-aliases"):
                from azekura.cli.remote_images import find_image

                names = [entry["name"] for entry in find_image(call, remote, name, kind=kind)["aliases"]]
        else:
            source = call.server(remote)
            name = name or "default"
            found = dereference(source, name, kind=kind)
            image = source.get(f"images/{quote(found)}")
            fingerprint = str(image["fingerprint"])
            wishes["alias"] = name if found != name else ""
            carry = {"pull": pull, "push": push, "relay": relay}[mode]
            if mode == "pull" or not _is_there(target, fingerprint):
                carry(source, target, image, wishes, progress)
            if options.switch("copy-aliases"):
                names = [entry["name"] for entry in image.get("aliases") or ()]
    finally:
        if progress is not None:
            progress.done()
    call.say("Image copied successfully!")
    point_aliases(target, [*names, *(alias for alias in options.texts("alias") if alias not in names)], fingerprint)


def _is_there(target: Server, fingerprint: str) -> bool:
    """Copying what is there already is a success; a server that pulls sees that itself."""
    try:
        target.get(f"images/{fingerprint}")
    except NotFound:
        return False
    return True


def pull(source: Server, target: Server, image: Record, wishes: Record, progress: Progress | None) -> Record:
    """The target fetches it; the source must listen on the network."""
    order: Record = {
        "auto_update": wishes.get("auto_update", False),
        "public": wishes.get("public", False),
        "profiles": wishes.get("profiles"),
        "source": {
            "type": "image",
            "mode": "pull",
            "protocol": "lxd",
            "certificate": certificate(source),
            # a public image is asked for by its alias where there is one: that is what an update follows
            "fingerprint": (wishes.get("alias") if image.get("public") else "") or image["fingerprint"],
            "project": source.project or "",
        },
    }
    urls = addresses(source)
    if not image.get("public"):
        order["source"]["secret"] = secret_for(source, str(image["fingerprint"]))
    return try_each(target, "images", order, urls, progress, "Failed remote image download")


def push(source: Server, target: Server, image: Record, wishes: Record, progress: Progress | None) -> Record:
    """The source sends it; the target must listen on the network. By fingerprint: LXD loses public images here,
    whose alias it sends instead."""
    source.require("images_push_relay")
    target.require("images_push_relay")
    order: Record = {
        "public": wishes.get("public", False),
        "properties": image.get("properties"),
        "expires_at": image.get("expires_at"),
        "source": {"type": "image", "mode": "push", "fingerprint": image["fingerprint"]},
    }
    urls = addresses(target)
    waiting = target.start("POST", "images", order)
    secret = str((waiting.record.get("metadata") or {}).get("secret", ""))
    request: Record = {
        "target": urls[0],
        "secret": secret,
        "certificate": certificate(target),
        "project": target.project or "",
        "profiles": wishes.get("profiles"),
    }
    return source.run("POST", f"images/{quote(str(image['fingerprint']))}/export", request, watcher=progress)


class _Kept(Sink):
    """Holds an image's files in temporary ones, and hashes them."""

    def __init__(self, size: int, progress: Progress | None) -> None:
        from hashlib import sha256

        self.files: list[IO[bytes]] = []
        self.fields: list[str] = []
        self.hash = sha256()
        self._done, self._size, self._progress = 0, size, progress

    def begin(self, part: str, filename: str, size: int | None) -> None:  # noqa: ARG002 - the base's parameters
        if len(self.files) >= 2 or part not in ("", "metadata", "rootfs", "rootfs.img"):
            raise BadAnswer("The server sent something else than an image")
        self.files.append(tempfile.TemporaryFile(prefix="lxd_image_"))  # noqa: SIM115 - closed by close
        self.fields.append(part)

    def write(self, data: bytes | memoryview) -> None:
        self.hash.update(data)
        self.files[-1].write(data)
        self._done += len(data)
        if self._progress is not None:
            self._progress.transferred(self._done, self._size)

    def close(self) -> None:
        for file in self.files:
            file.close()


def relay(source: Server, target: Server, image: Record, wishes: Record, progress: Progress | None) -> Record:
    """Through us; nobody must listen. Properties and date of expiry go along, which LXD forgets."""
    fingerprint = str(image["fingerprint"])
    kept = _Kept(int(image.get("size", 0)), progress)
    try:
        source.download(f"images/{quote(fingerprint)}/export", kept)
        if kept.hash.hexdigest() != fingerprint:
            raise FingerprintMismatch(expected=fingerprint, actual=kept.hash.hexdigest())
        for file in kept.files:
            file.flush()
        headers = {"X-LXD-fingerprint": fingerprint}
        if wishes.get("public"):
            headers["X-LXD-public"] = "true"
        if image.get("properties"):
            headers["X-LXD-properties"] = encode_query(image["properties"])
        if wishes.get("profiles"):
            headers["X-LXD-profiles"] = encode_query([("profile", profile) for profile in wishes["profiles"]])
        if len(kept.files) == 1:
            return target.run("POST", "images", body=file_body(kept.files[0]), headers=headers)  # type: ignore[arg-type]
        parts = [
            FormFile(field, field, FilePiece(file))  # type: ignore[arg-type]
            for field, file in zip(kept.fields, kept.files, strict=True)
        ]
        return target.run("POST", "images", body=form_body(parts), headers=headers)
    finally:
        kept.close()


def _from_stream(
    call: Invocation,
    remote: str,
    origin: Remote,
    name: str,
    kind: str,
    target: Server,
    wishes: Record,
    progress: Progress | None,
) -> str:
    """The target fetches it from a simplestreams server, which we don't ask ourselves."""
    source: Record = {
        "type": "image",
        "mode": "pull",
        "protocol": "simplestreams",
        "server": origin.addr,
        "certificate": call.config.file(f"servercerts/{remote}.crt") or "",
        "alias": name,
        "image_type": kind,
    }
    order: Record = {**wishes, "source": source}
    operation = target.run("POST", "images", order, watcher=progress)
    return str((operation.get("metadata") or {}).get("fingerprint", ""))


COMMANDS = {
    "copy": Command(
        "Copy an image to another server",
        run,
        usage="[<remote>:]<image> <remote>:",
        minimum=2,
        maximum=2,
        flags=(
            Flag("alias", "Alias for the copy (may be repeated)", kind=TEXTS),
            Flag("auto-update", "Keep the copy up to date; the source must be an alias"),
            Flag("copy-aliases", "Give the copy the aliases of the source"),
            Flag("mode", "Who moves the data: pull (target), push (source) or relay (us)", kind=TEXT, default="pull"),
            Flag("profile", "Profile for instances of the copy (may be repeated)", short="p", kind=TEXTS),
            Flag("public", "Show the copy to everybody"),
            Flag("reuse", "Move aliases that stand for another image"),
            Flag("target-project", "Copy into this project", kind=TEXT),
            Flag("vm", "Look for an image of a virtual machine"),
        ),
    )
}
