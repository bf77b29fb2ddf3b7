"""Names of processor architectures, as LXD's ``shared/osarch`` defines them."""

from __future__ import annotations

import platform

from azekura.errors import InvalidRequest

# canonical name -> aliases that images, indexes and users write for it
ALIASES: dict[str, tuple[str, ...]] = {
    "i686": ("i386", "i586", "386", "x86", "generic_32"),
    "x86_64": ("amd64", "generic_64"),
    "armv6l": ("armel", "arm"),
    "armv7l": ("armhf", "armhfp", "armv7a_hardfp", "armv7", "armv7a_vfpv3_hardfp"),
    "armv8l": (),
    "aarch64": ("arm64", "arm64_generic"),
    "ppc": ("powerpc",),
    "ppc64": ("powerpc64",),
    "ppc64le": ("ppc64el",),
    "s390x": (),
    "mips": ("mipsel",),
    "mips64": ("mips64el",),
    "riscv32": (),
    "riscv64": (),
}
_CANONICAL = {alias: name for name, aliases in ALIASES.items() for alias in (name, *aliases)}

# architectures whose programs a kernel of the key can run besides its own
PERSONALITIES: dict[str, tuple[str, ...]] = {
    "x86_64": ("i686",),
    "aarch64": ("armv7l", "armv6l"),
    "armv8l": ("armv7l", "armv6l"),
    "ppc64": ("ppc",),
    "mips64": ("mips",),
    "riscv64": ("riscv32",),
}


def canonical(name: str) -> str:
    """Return LXD's name for the architecture ``name``.

    Raises:
        InvalidRequest: unknown architecture, in LXD's words.
    """
    try:
        return _CANONICAL[name]
    except KeyError:
        raise InvalidRequest(f"Architecture isn't supported: {name[:80]}") from None


def native() -> str:
    """The canonical architecture of the running kernel."""
    return _CANONICAL.get(platform.machine(), platform.machine())


def runnable() -> tuple[str, ...]:
    """What this machine runs, native first."""
    own = native()
    return (own, *PERSONALITIES.get(own, ()))
