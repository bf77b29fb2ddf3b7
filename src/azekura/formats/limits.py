"""How much of a stranger's image we are willing to look at."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one image. All sizes are bytes; the defaults leave real images far below every bound.

    A caller that knows how much room there is lowers ``expanded_bytes`` to it.
    """

    metadata_bytes: int = MIB  # metadata.yaml (CVE-2026-41648)
    metadata_tarball_bytes: int = 64 * MIB  # a split image's metadata tarball, expanded
    template_bytes: int = MIB  # one template
    templates: int = 256  # number of templates
    templates_bytes: int = 8 * MIB  # all templates together
    entries: int = 1_000_000  # members of an archive; each costs some 200 bytes of memory
    path_bytes: int = 4095  # PATH_MAX of Linux, without the NUL
    name_bytes: int = 255  # NAME_MAX of Linux
    header_bytes: int = MIB  # extended headers of one member: long names, PAX records
    xattr_bytes: int = 64 * KIB  # one value: XATTR_SIZE_MAX of Linux
    sparse_segments: int = 100_000  # data areas of one sparse file
    file_bytes: int = 2 * 1024 * GIB  # apparent size of one file (a sparse lastlog may well seem to be 1 TiB)
    expanded_bytes: int = 64 * GIB  # what decompression may give, and what unpacking may write
    ratio: int = 400  # expanded : compressed …
    ratio_from: int = 64 * MIB  # … looked at once so much has come out
    decoder_memory: int = 256 * MIB  # dictionary of xz and lzma (xz -9 takes 65 MiB)
    window_bytes: int = 128 * MIB  # zstd's window: the default bound of the zstd program, too
    issues: int = 100  # faults listed in one error or report


DEFAULT = Limits()
