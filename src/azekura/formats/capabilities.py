"""File capabilities: the value of ``security.capability`` (linux/capability.h, ``vfs_cap_data``)."""

from __future__ import annotations

import struct

from azekura.errors import InvalidRequest

NAMES = (
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service"
    " net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct"
    " sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap"
    " mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"
).split()

_LENGTHS = {1: 12, 2: 20, 3: 24}  # by revision


def describe_capability(value: bytes, path: str) -> str:
    """``cap_net_raw=ep`` and the like.

    Raises:
        InvalidRequest: not what the kernel would take.
    """
    revision = value[3] if len(value) >= 4 else 0
    if _LENGTHS.get(revision) != len(value):
        raise InvalidRequest(f'The image has malformed file capabilities on "{path}"')
    words = struct.unpack(f"<{len(value) // 4}I", value)
    permitted, inheritable = words[1], words[2]
    if revision > 1:
        permitted |= words[3] << 32
        inheritable |= words[4] << 32
    if revision == 3 and words[5]:
        raise InvalidRequest(
            f'The image has file capabilities of a user namespace on "{path}"',
            hint="pack it from the host, or from a view with the container's ids mapped back",
        )
    effective = "e" if words[0] & 1 else ""
    groups = [
        (permitted & inheritable, f"{effective}ip"),
        (permitted & ~inheritable, f"{effective}p"),
        (inheritable & ~permitted, "i"),
    ]
    return " ".join(f"{_names(mask)}={flags}" for mask, flags in groups if mask) or "="


def _names(mask: int) -> str:
    known = [f"cap_{name}" for bit, name in enumerate(NAMES) if mask >> bit & 1]
    rest = mask >> len(NAMES) << len(NAMES)
    return ",".join(known + ([hex(rest)] if rest else []))
