"""``lxc info --resources``: what a server's hardware is, in LXD's layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from azekura.cli.output import byte_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.client.envelope import Record


def resources_text(found: Record) -> str:
    """The text for ``GET /1.0/resources``."""
    return "".join(f"{line}\n" for line in _lines(found))


def _lines(found: Record) -> Iterator[str]:
    cpu = found.get("cpu") or {}
    sockets = cpu.get("sockets") or []
    if len(sockets) == 1:
        yield f"CPU ({cpu.get('architecture', '')}):"
        yield from _indented(_socket(sockets[0]), "  ")
    elif sockets:
        yield f"CPUs ({cpu.get('architecture', '')}):"
        for socket in sockets:
            yield f"  Socket {socket.get('socket', 0)}:"
            yield from _indented(_socket(socket), "    ")
    yield ""
    yield "Memory:"
    memory = found.get("memory") or {}
    yield from _indented(_huge_pages(memory), "  ")
    nodes = memory.get("nodes") or []
    if len(nodes) > 1:
        yield "  NUMA nodes:"
        for node in nodes:
            yield f"    Node {node.get('numa_node', 0)}:"
            yield from _indented([*_huge_pages(node), *_space(node.get("total", 0), node.get("used", 0))], "      ")
    yield from _indented(_space(memory.get("total", 0), memory.get("used", 0)), "  ")
    yield from _section("GPU", "Card", (found.get("gpu") or {}).get("cards") or [], _gpu)
    yield from _section("NIC", "Card", (found.get("network") or {}).get("cards") or [], _nic)
    yield from _section("Disk", "Disk", (found.get("storage") or {}).get("disks") or [], _disk)


def _section(title: str, one: str, parts: list[Record], lines: Callable[[Record], Iterator[str]]) -> Iterator[str]:
    if len(parts) == 1:
        yield ""
        yield f"{title}:"
        yield from _indented(lines(parts[0]), "  ")
    elif parts:
        yield ""
        yield f"{title}s:"
        for number, part in enumerate(parts):
            yield f"  {one} {number}:"
            yield from _indented(lines(part), "    ")


def _indented(lines: Iterator[str] | list[str], by: str) -> Iterator[str]:
    return (by + line for line in lines)


def _bool(value: object) -> str:
    return "true" if value else "false"


def _space(total: int, used: int) -> Iterator[str]:
    yield f"Free: {byte_size(total - used)}"
    yield f"Used: {byte_size(used)}"
    yield f"Total: {byte_size(total)}"


def _huge_pages(memory: Record) -> Iterator[str]:
    if memory.get("hugepages_total"):
        yield "Hugepages:"
        yield from _indented(_space(memory["hugepages_total"], memory.get("hugepages_used", 0)), "  ")


def _socket(socket: Record) -> Iterator[str]:
    for key in ("vendor", "name"):
        if socket.get(key):
            yield f"{key.capitalize()}: {socket[key]}"
    if socket.get("cache"):
        yield "Caches:"
        for cache in socket["cache"]:
            yield f"  - Level {cache['level']} (type: {cache['type']}): {byte_size(cache['size'], 0)}"
    yield "Cores:"
    for core in socket.get("cores") or []:
        yield f"  - Core {core.get('core', 0)}"
        yield f"    Frequency: {core.get('frequency', 0)}Mhz"
        yield "    Threads:"
        for thread in core.get("threads") or []:
            yield (
                f"      - {thread.get('thread', 0)} (id: {thread.get('id', 0)}, online: {_bool(thread.get('online'))},"
                f" NUMA node: {thread.get('numa_node', 0)})"
            )
    if socket.get("frequency"):
        least, most = socket.get("frequency_minimum"), socket.get("frequency_turbo")
        yield f"Frequency: {socket['frequency']}Mhz" + (f" (min: {least}Mhz, max: {most}Mhz)" if least and most else "")


def _pci(card: Record) -> Iterator[str]:
    yield f"NUMA node: {card.get('numa_node', 0)}"
    for key in ("vendor", "product"):
        if card.get(key):
            yield f"{key.capitalize()}: {card[key]} ({card.get(f'{key}_id', '')})"
    if card.get("pci_address"):
        yield f"PCI address: {card['pci_address']}"
    if card.get("driver"):
        yield f"Driver: {card['driver']} ({card.get('driver_version', '')})"


def _virtual_functions(card: Record) -> Iterator[str]:
    if card.get("sriov"):
        yield "SR-IOV information:"
        yield f"  Current number of VFs: {card['sriov'].get('current_vfs', 0)}"
        yield f"  Maximum number of VFs: {card['sriov'].get('maximum_vfs', 0)}"


def _gpu(card: Record) -> Iterator[str]:
    yield from _pci(card)
    if drm := card.get("drm"):
        yield "DRM:"
        yield f"  ID: {drm.get('id', 0)}"
        for key in ("card", "control", "render"):
            if drm.get(f"{key}_name"):
                yield f"  {key.capitalize()}: {drm[f'{key}_name']} ({drm.get(f'{key}_device', '')})"
    yield from _virtual_functions(card)


def _nic(card: Record) -> Iterator[str]:
    yield from _pci(card)
    if card.get("ports"):
        yield "Ports:"
    for port in card.get("ports") or []:
        yield f"  - Port {port.get('port', 0)} ({port.get('protocol', '')})"
        yield f"    ID: {port.get('id', '')}"
        for key, title in (("address", "Address"), ("supported_modes", "Supported modes")):
            if port.get(key):
                yield f"    {title}: {port[key] if isinstance(port[key], str) else ', '.join(port[key])}"
        if port.get("supported_ports"):
            yield f"    Supported ports: {', '.join(port['supported_ports'])}"
        for key, title in (("port_type", "Port type"), ("transceiver_type", "Transceiver type")):
            if port.get(key):
                yield f"    {title}: {port[key]}"
        yield f"    Auto negotiation: {_bool(port.get('auto_negotiation'))}"
        yield f"    Link detected: {_bool(port.get('link_detected'))}"
        if port.get("link_speed"):
            yield f"    Link speed: {port['link_speed']}Mbit/s ({port.get('link_duplex', '')} duplex)"
    yield from _virtual_functions(card)


def _disk(disk: Record) -> Iterator[str]:
    yield f"NUMA node: {disk.get('numa_node', 0)}"
    yield f"ID: {disk.get('id', '')}"
    yield f"Device: {disk.get('device', '')}"
    for key in ("model", "type"):
        if disk.get(key):
            yield f"{key.capitalize()}: {disk[key]}"
    yield f"Size: {byte_size(disk.get('size', 0))}"
    if disk.get("wwn"):
        yield f"WWN: {disk['wwn']}"
    yield f"Read-Only: {_bool(disk.get('read_only'))}"
    yield f"Removable: {_bool(disk.get('removable'))}"
    if disk.get("partitions"):
        yield "Partitions:"
    for part in disk.get("partitions") or []:
        yield f"  - Partition {part.get('partition', 0)}"
        yield f"    ID: {part.get('id', '')}"
        yield f"    Device: {part.get('device', '')}"
        yield f"    Read-Only: {_bool(part.get('read_only'))}"
        yield f"    Size: {byte_size(part.get('size', 0))}"
