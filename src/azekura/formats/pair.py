"""Which of two files is the metadata: users give a split image's files in either order."""

from __future__ import annotations

from typing import BinaryIO

from azekura.errors import AzekuraError
from azekura.formats.compression import open_reader
from azekura.formats.entry import Kind
from azekura.formats.limits import DEFAULT, Limits
from azekura.formats.magic import HEAD_BYTES, Container, sniff
from azekura.formats.metadata_yaml import FILE
from azekura.formats.rules import clean_path
from azekura.formats.tar import TarReader

_LOOK = 4096  # entries looked at: a metadata tarball has a few
_METADATA = FILE.encode()


def classify_pair(first: BinaryIO, second: BinaryIO, limits: Limits = DEFAULT) -> tuple[BinaryIO, BinaryIO]:
    """Return (metadata, rootfs) of two open, seekable files; both stand at their beginnings again.

    The one that has ``metadata.yaml`` at its top level is the metadata; if that is none or both, the smaller one.
    Nothing is judged here: a scan says what is wrong with either.
    """
    found = (_has_metadata(first, limits), _has_metadata(second, limits))
    swapped = found == (False, True)
    if found[0] == found[1]:
        swapped = second.seek(0, 2) < first.seek(0, 2)
    first.seek(0)
    second.seek(0)
    return (second, first) if swapped else (first, second)


def _has_metadata(file: BinaryIO, limits: Limits) -> bool:
    file.seek(0)
    try:
        kind = sniff(file.read(HEAD_BYTES))
        file.seek(0)
        if kind.container is not Container.TAR:
            return False
        reader = TarReader(open_reader(file, kind.compression, limits), limits)
        for number, entry in enumerate(reader):
            if entry.kind is Kind.FILE and clean_path(entry.path, limits) == _METADATA:
                return True
            if number >= _LOOK:
                return False
    except AzekuraError:
        pass
    return False
