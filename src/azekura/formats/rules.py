"""What a member of an image may be called and be: pure functions, each rule with the hole it closes."""

from __future__ import annotations

from collections.abc import Mapping

from azekura.errors import InvalidRequest, TooLarge
from azekura.formats.capabilities import describe_capability
from azekura.formats.entry import Entry, Kind, shown
from azekura.formats.limits import Limits

# attributes that belong to a file system's content; all others are labels of a host's security modules
_KEPT = ("user.", "security.capability", "system.posix_acl_access", "system.posix_acl_default")


def clean_path(name: bytes, limits: Limits) -> bytes:
    """``name`` of an archive as a path: ``./a//b/`` is ``a/b``, ``./`` is empty (the root).

    Raises:
        InvalidRequest: absolute, a ``..`` part, a NUL, or nothing.
        TooLarge: longer than Linux allows.
    """
    if not name:
        raise InvalidRequest("The archive has an entry without a name")
    if name[0] == 0x2F:
        raise InvalidRequest(f'The archive has an absolute name: "{shown(name)}"')
    if b"\0" in name:
        raise InvalidRequest(f'The archive has a name with a NUL in it: "{shown(name)}"')
    if len(name) > limits.path_bytes:
        raise TooLarge(f'The archive has a name of more than {limits.path_bytes} bytes: "{shown(name)}"')
    parts = name.split(b"/")
    if b".." in parts:
        raise InvalidRequest(f'The archive has a name that leads outside: "{shown(name)}"')
    if b"" in parts or b"." in parts:
        parts = [part for part in parts if part not in (b"", b".")]
    for part in parts:
        if len(part) > limits.name_bytes:
            raise TooLarge(f'The archive has a name of more than {limits.name_bytes} bytes: "{shown(name)}"')
    return b"/".join(parts)


class Names:
    """The names met so far, and what they are. Keeps every entry below real folders (CVE-2026-48749, -48752)."""

    def __init__(self) -> None:
        self._kinds: dict[bytes, Kind] = {b"": Kind.DIRECTORY}
        self._implied: set[bytes] = {b""}  # parents that no entry of their own has named yet

    def __contains__(self, path: bytes) -> bool:
        return path in self._kinds

    def __len__(self) -> int:
        return len(self._kinds)

    def kind(self, path: bytes) -> Kind | None:
        return self._kinds.get(path)

    def add(self, path: bytes, kind: Kind) -> None:
        """Record an entry.

        Raises:
            InvalidRequest: the name came before, or a parent of it is no folder.
        """
        if path in self._kinds:
            if path not in self._implied or kind is not Kind.DIRECTORY:
                raise InvalidRequest(f'The archive has "{shown(path) or "/"}" twice')
            self._implied.discard(path)
            return
        self._parent(path, path)
        self._kinds[path] = kind

    def _parent(self, path: bytes, child: bytes) -> None:
        parent = path[: max(path.rfind(b"/"), 0)]
        missing = []
        while (kind := self._kinds.get(parent)) is None:
            missing.append(parent)
            parent = parent[: max(parent.rfind(b"/"), 0)]
        if kind is not Kind.DIRECTORY:
            raise InvalidRequest(f'The archive has "{shown(child)}" below "{shown(parent)}", which is a {kind.value}')
        for name in missing:
            self._kinds[name] = Kind.DIRECTORY
            self._implied.add(name)


def check_symlink(entry: Entry, path: bytes) -> bytes:
    """The text of a symbolic link: anything, for it is only ever followed inside a container."""
    if not entry.target or b"\0" in entry.target or len(entry.target) > 4095:
        raise InvalidRequest(f'The symbolic link "{shown(path)}" has an empty or impossible target')
    return entry.target


def check_device(entry: Entry, path: bytes) -> None:
    """Refuse 0:0, which overlayfs takes for "removed" (promise 11), and numbers that Linux does not have."""
    if entry.major == 0 and entry.minor == 0:
        raise InvalidRequest(f'The image has a device 0:0, "{shown(path)}": it would hide files of other layers')
    if entry.major > 0xFFF or entry.minor > 0xFFFFF:
        raise InvalidRequest(f'The image has an impossible device number: "{shown(path)}"')


def kept_xattrs(entry: Entry, path: bytes) -> tuple[Mapping[str, bytes], int]:
    """The extended attributes to write, and how many are dropped.

    ``trusted.*`` is refused, since overlayfs obeys it (promise 11). Dropped are those of security modules
    (``security.selinux``, ``security.ima`` …): they are about the host that packed the image.

    Raises:
        InvalidRequest: ``trusted.*``, or a value the kernel would not take.
    """
    if not entry.xattrs:
        return entry.xattrs, 0
    kept = {}
    for name, value in entry.xattrs.items():
        if name.startswith("trusted."):
            text = shown(name.encode("utf-8", "surrogateescape"))
            raise InvalidRequest(f'The image has the attribute {text} on "{shown(path)}", which only a host may set')
        if entry.kind in (Kind.FILE, Kind.DIRECTORY) and name.startswith(_KEPT):
            _check_value(name, value, path)
            kept[name] = value
    return kept, len(entry.xattrs) - len(kept)


def _check_value(name: str, value: bytes, path: bytes) -> None:
    if name == "security.capability":
        describe_capability(value, shown(path))
    elif name.startswith("system.posix_acl_") and (
        len(value) < 4 or (len(value) - 4) % 8 or value[:4] != b"\x02\0\0\0"
    ):
        raise InvalidRequest(f'The image has a malformed access control list on "{shown(path)}"')
