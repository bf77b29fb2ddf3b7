"""The system calls that a container may not make, once as liblxc's policy and once as a filter program.

liblxc compiles the policy for init; a command that enters later gets the same rules as a classic BPF program,
because it doesn't come through liblxc. The list is LXD's default denylist. The numbers are those of the kernel's
``arch/*/entry/syscalls`` tables and ``asm-generic/unistd.h``; the layout is that of ``linux/seccomp.h``.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass

DENIED = ("kexec_load", "open_by_handle_at", "init_module", "finit_module", "delete_module")
"""Refused with ENOSYS. ``umount2`` with MNT_FORCE is refused with EACCES besides."""

POLICY = "\n".join(
    ("2", "denylist", "reject_force_umount", "[all]", *(f"{name} errno {int(errno.ENOSYS)}" for name in DENIED), "")
)

_MNT_FORCE = 1
_X32_BIT = 0x40000000  # x32 calls have the 64-bit numbers with this bit; kexec_load alone has one of its own
_X32_KEXEC_LOAD = 528

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_LD_ABS, _AND, _JEQ, _JSET, _RET = 0x20, 0x54, 0x15, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16


@dataclass(frozen=True, slots=True)
class _Table:
    """One AUDIT_ARCH and its numbers, in the order of DENIED, then umount2."""

    audit: int
    numbers: tuple[int, int, int, int, int]
    umount2: int


_X86_64 = _Table(0xC000003E, (246, 304, 175, 313, 176), 166)
_I386 = _Table(0x40000003, (283, 342, 128, 350, 129), 52)
_AARCH64 = _Table(0xC00000B7, (104, 265, 105, 273, 106), 39)
_ARM = _Table(0x40000028, (347, 371, 128, 379, 129), 52)
_RISCV64 = _Table(0xC00000F3, (104, 265, 105, 273, 106), 39)
_PPC64LE = _Table(0xC0000015, (268, 346, 128, 353, 129), 52)
_S390X = _Table(0x80000016, (277, 336, 128, 344, 129), 52)

_TABLES: dict[str, tuple[_Table, ...]] = {
    "x86_64": (_X86_64, _I386),
    "aarch64": (_AARCH64, _ARM),
    "riscv64": (_RISCV64,),
    "ppc64le": (_PPC64LE,),
    "s390x": (_S390X,),
}


def filter_program(machine: str) -> bytes:
    """The filter for ``machine`` (``uname -m``) as an array of ``struct sock_filter``; empty for a machine whose
    numbers aren't known here, where no filter is loaded."""
    tables = _TABLES.get(machine)
    if not tables:
        return b""
    high_first = machine == "s390x"
    code: list[tuple[int, int, int, int]] = []
    for table in tables:
        block = _block(table, high_first=high_first)
        code += [(_LD_ABS, 0, 0, _ARCH_AT), (_JEQ, 0, len(block), table.audit), *block]
    code.append((_RET, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *line) for line in code)


def _block(table: _Table, *, high_first: bool) -> list[tuple[int, int, int, int]]:
    """The rules of one architecture, reached only by calls of that architecture; it always returns."""
    refuse = (_RET, 0, 0, _ERRNO | errno.ENOSYS)
    lines: list[tuple[int, int, int, int]] = [(_LD_ABS, 0, 0, _NUMBER_AT)]
    numbers = list(table.numbers)
    if table is _X86_64:
        lines.append((_AND, 0, 0, 0xFFFFFFFF ^ _X32_BIT))
        numbers.append(_X32_KEXEC_LOAD)
    for number in numbers:
        lines += [(_JEQ, 0, 1, number), refuse]
    second_argument = _ARGUMENTS_AT + 8 + (4 if high_first else 0)
    lines += [
        (_JEQ, 0, 3, table.umount2),
        (_LD_ABS, 0, 0, second_argument),
        (_JSET, 0, 1, _MNT_FORCE),
        (_RET, 0, 0, _ERRNO | errno.EACCES),
        (_RET, 0, 0, _ALLOW),
    ]
    return lines
