from __future__ import annotations

import errno
import struct

import pytest

from azekura.runtime import seccomp

ALLOW = 0x7FFF0000
NO_SUCH_CALL = 0x00050000 | errno.ENOSYS
NO_PERMISSION = 0x00050000 | errno.EACCES


def judge(program: bytes, number: int, audit: int, arguments: tuple[int, ...] = (), *, big_endian: bool = False) -> int:
    """Run a filter as the kernel would."""
    order = ">" if big_endian else "<"
    data = struct.pack(f"{order}IIQ6Q", number, audit, 0, *(*arguments, *(0,) * 6)[:6])
    lines: list[tuple[int, int, int, int]] = list(struct.iter_unpack("=HBBI", program))
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, operand = lines[at]
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from(f"{order}I", data, operand)
            case 0x54:
                accumulator &= operand
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x45:
                at += if_true if accumulator & operand else if_false
            case 0x06:
                return operand
            case _:
                raise AssertionError(code)


X86_64, I386, AARCH64, ARM, S390X = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028, 0x80000016


@pytest.mark.parametrize(
    ("machine", "audit", "numbers"),
    [
        ("x86_64", X86_64, (246, 304, 175, 313, 176)),
        ("x86_64", X86_64, (0x40000000 | 528, 0x40000000 | 304, 0x40000000 | 175)),
        ("x86_64", I386, (283, 342, 128, 350, 129)),
        ("aarch64", AARCH64, (104, 265, 105, 273, 106)),
        ("aarch64", ARM, (347, 371, 128, 379, 129)),
    ],
)
def test_denied_calls_do_not_exist(machine: str, audit: int, numbers: tuple[int, ...]) -> None:
    program = seccomp.filter_program(machine)
    assert [judge(program, number, audit) for number in numbers] == [NO_SUCH_CALL] * len(numbers)


@pytest.mark.parametrize(
    ("machine", "audit", "umount2"),
    [
        ("x86_64", X86_64, 166),
        ("x86_64", X86_64, 0x40000000 | 166),
        ("x86_64", I386, 52),
        ("aarch64", AARCH64, 39),
        ("s390x", S390X, 52),
    ],
)
def test_only_forced_unmounts_are_refused(machine: str, audit: int, umount2: int) -> None:
    program = seccomp.filter_program(machine)
    big = machine == "s390x"
    assert judge(program, umount2, audit, (0, 1), big_endian=big) == NO_PERMISSION
    assert judge(program, umount2, audit, (0, 3), big_endian=big) == NO_PERMISSION
    assert judge(program, umount2, audit, (0, 2), big_endian=big) == ALLOW


def test_other_calls_pass() -> None:
    program = seccomp.filter_program("x86_64")
    denied = {246, 304, 175, 313, 176}
    assert all(judge(program, number, X86_64) == ALLOW for number in range(450) if number not in denied)
    assert judge(program, 246, I386) == ALLOW
    assert judge(program, 246, 0x12345) == ALLOW


def test_unknown_machine_gets_no_filter() -> None:
    assert seccomp.filter_program("vax") == b""


def test_policy_for_liblxc_says_the_same() -> None:
    assert seccomp.POLICY.splitlines() == [
        "2",
        "denylist",
        "reject_force_umount",
        "[all]",
        *(f"{name} errno 38" for name in seccomp.DENIED),
    ]
