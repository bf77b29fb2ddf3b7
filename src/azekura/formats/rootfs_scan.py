"""The rules of a root file system, entry by entry, whichever archive the entries come from."""

from __future__ import annotations

from collections.abc import Callable

from azekura.errors import AzekuraError, InvalidRequest, TooLarge
from azekura.formats.capabilities import describe_capability
from azekura.formats.entry import Content, Entry, EntrySink, Kind, shown
from azekura.formats.limits import Limits
from azekura.formats.rules import Names, check_device, check_symlink, clean_path, kept_xattrs
from azekura.formats.scanned import LISTED, RootfsSummary

Fault = Callable[[AzekuraError], None]
"""What is done about an entry that breaks a rule: raise, or note it and go on without the entry."""

_INIT = frozenset((b"sbin/init", b"usr/sbin/init", b"init", b"bin/init", b"usr/bin/init"))


def refuse(error: AzekuraError) -> None:
    """The first fault is the end: what a scan does unless told otherwise."""
    raise error


class RootfsScan:
    """Feed it every entry below the root; what passes goes to ``sink``."""

    def __init__(self, limits: Limits, sink: EntrySink | None = None, fault: Fault = refuse) -> None:
        self._limits = limits
        self._sink = sink
        self._fault = fault
        self._names = Names()
        self._entries = 0
        self._bytes = 0
        self._setuid: list[str] = []
        self._capabilities: list[str] = []
        self._devices: list[str] = []
        self._has_init = False
        self._highest = 0
        self._dropped = 0

    @property
    def unpacked(self) -> int:
        """Data of all files so far."""
        return self._bytes

    def add(self, entry: Entry, path: bytes, link: bytes, content: Content) -> None:
        """Take one entry at ``path`` (clean); ``link`` is the clean path that a hard link repeats, else unused."""
        self._entries += 1
        if self._entries > self._limits.entries:
            raise TooLarge(f"The image has more than {self._limits.entries} files")
        try:
            accepted = self._check(entry, path, link)
        except AzekuraError as error:
            self._fault(error)
            return
        self._note(accepted)
        if self._bytes > self._limits.expanded_bytes:
            raise TooLarge(f"The image unpacks to more than {self._limits.expanded_bytes} bytes")
        if self._sink is not None:
            self._sink.add(accepted, content)

    def finish(self) -> RootfsSummary:
        """All entries came.

        Raises:
            InvalidRequest: there was nothing in the root.
        """
        if len(self._names) == 1:  # the root itself
            self._fault(InvalidRequest("Image is missing a rootfs: nothing is in it"))
        if self._sink is not None:
            self._sink.finish()
        return RootfsSummary(
            self._entries,
            self._bytes,
            tuple(self._setuid),
            tuple(self._capabilities),
            tuple(self._devices),
            self._has_init,
            self._highest,
            self._dropped,
        )

    def _check(self, entry: Entry, path: bytes, link: bytes) -> Entry:
        kind = entry.kind
        if not path and kind is not Kind.DIRECTORY:
            raise InvalidRequest(f"The root of the image is a {kind.value} instead of a directory")
        self._names.add(path, kind if kind is not Kind.HARDLINK else Kind.FILE)
        target = b""
        if kind is Kind.HARDLINK:
            target = link
            if self._names.kind(link) is not Kind.FILE or link == path:
                raise InvalidRequest(f'The hard link "{shown(path)}" repeats no file that came before it')
        elif kind is Kind.SYMLINK:
            target = check_symlink(entry, path)
        elif kind in (Kind.CHARACTER, Kind.BLOCK):
            check_device(entry, path)
        xattrs, dropped = kept_xattrs(entry, path)
        self._dropped += dropped
        return entry.at(path, target, xattrs)

    def _note(self, entry: Entry) -> None:
        kind = entry.kind
        if entry.uid > self._highest or entry.gid > self._highest:
            self._highest = max(entry.uid, entry.gid)
        if kind is Kind.FILE:
            self._bytes += entry.stored
            if entry.mode & 0o6000 and len(self._setuid) < LISTED:
                self._setuid.append(shown(entry.path))
            value = entry.xattrs.get("security.capability")
            if value is not None and len(self._capabilities) < LISTED:
                name = shown(entry.path)
                self._capabilities.append(f"{name} {describe_capability(value, name)}")
        elif kind in (Kind.CHARACTER, Kind.BLOCK) and len(self._devices) < LISTED:
            letter = "c" if kind is Kind.CHARACTER else "b"
            self._devices.append(f"{shown(entry.path)} {letter} {entry.major}:{entry.minor}")
        if entry.path in _INIT and kind in (Kind.FILE, Kind.SYMLINK, Kind.HARDLINK):
            self._has_init = True


def clean_link(entry: Entry, limits: Limits) -> bytes:
    """The clean path a hard link repeats; empty for other kinds."""
    return clean_path(entry.target, limits) if entry.kind is Kind.HARDLINK else b""
