"""Instructions for names, what follows their dots, and calls.

A name that stands for nothing ends its whole chain: ``nosuch.x(1/0)`` is nil, its arguments are never evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from azekura.templates import conversions
from azekura.templates.failure import Fault, quoted
from azekura.templates.program import Instruction
from azekura.templates.values import Block, Byte, Cycle, Device, Function, Items, Loop, Macro, SafeText, Table, Value

if TYPE_CHECKING:
    from azekura.templates.machine import Machine

# Methods of LXD's own types that its templates can call, and these can't
_FOREIGN_METHODS = frozenset(
    {
        b"Clone",
        b"CloneNative",
        b"Contains",
        b"Update",
        b"Validate",
        b"NICType",
        b"Reversed",
        b"ApplyDeviceInitialValues",
    }
)
_DEVICE_TYPES = ("config.Devices", "config.Device")


@dataclass(slots=True)
class Reference:
    """A name with all that follows its dots: as errors show it, and where its code ends."""

    path: bytes
    end: int = -1


@dataclass(slots=True)
class Part(Instruction):
    """A part of a variable."""

    reference: Reference
    called: bool = False  # a call follows; without one, naming a function calls it too

    def arrive(self, machine: Machine, value: Value) -> None:
        """Put what this part stands for on the stack; nothing ends the chain."""
        if value is None:
            machine.stack.append(None)
            machine.address = self.reference.end
        elif self.called or not isinstance(value, Function | Macro):
            machine.stack.append(value)
        else:
            _check_arity(value, 0, self.reference)
            _call(machine, value, [], self.reference)


@dataclass(slots=True)
class LoadName(Part):
    """The first part: a variable."""

    name: bytes = b""

    def run(self, machine: Machine) -> None:
        self.arrive(machine, machine.look_up(self.name))


@dataclass(slots=True)
class Attribute(Part):
    """``.name``"""

    name: bytes = b""

    def run(self, machine: Machine) -> None:
        value = machine.stack.pop()
        match value:
            case Table():
                self.arrive(machine, _entry(value, self.name))
            case Device():
                self.arrive(machine, _device_field(value, self.name))
            case Loop():
                self.arrive(machine, _loop_field(value, self.name))
            case Block():
                self.arrive(machine, _block_field(self.name))
            case Cycle():
                self.arrive(machine, value.text if self.name == b"String" else None)
            case _:
                path = quoted(self.reference.path)
                raise Fault(f"Can't access a field by name on type {conversions.kind(value)} (variable {path})")


@dataclass(slots=True)
class Element(Part):
    """``.5``"""

    index: int = 0

    def run(self, machine: Machine) -> None:
        value = machine.stack.pop()
        text = conversions.text_of(value)
        if text is not None:
            self.arrive(machine, Byte(text[self.index]) if self.index < len(text) else None)
        elif isinstance(value, Items):
            self.arrive(machine, value.members[self.index] if self.index < len(value.members) else None)
        else:
            path = quoted(self.reference.path)
            raise Fault(f"Can't access an index on type {conversions.kind(value)} (variable {path})")


@dataclass(slots=True)
class PrepareCall(Instruction):
    """Make sure, before the arguments are evaluated, that what is on the stack takes that many."""

    reference: Reference
    count: int = 0

    def run(self, machine: Machine) -> None:
        value = machine.stack[-1]
        if not isinstance(value, Function | Macro):
            raise Fault(f"'{quoted(self.reference.path)}' is not a function (it is {conversions.kind(value)})")
        _check_arity(value, self.count, self.reference)


@dataclass(slots=True)
class Call(Instruction):
    """Call what lies below the arguments."""

    reference: Reference
    count: int

    def run(self, machine: Machine) -> None:
        arguments = machine.take_many(self.count)
        callee = machine.stack.pop()
        if isinstance(callee, Function | Macro):  # PrepareCall has made sure
            _call(machine, callee, arguments, self.reference)


def _call(machine: Machine, callee: Function | Macro, arguments: list[Value], reference: Reference) -> None:
    machine.invoke(callee, arguments)
    if isinstance(callee, Function) and machine.stack[-1] is None:
        machine.address = reference.end


def _check_arity(callee: Function | Macro, count: int, reference: Reference) -> None:
    if isinstance(callee, Function) and count != callee.arity:
        raise Fault(
            f"Function input argument count ({callee.arity}) of '{quoted(reference.path)}' "
            f"must be equal to the calling argument count ({count})."
        )


def _entry(table: Table, name: bytes) -> Value:
    if table.go_type in _DEVICE_TYPES and name in _FOREIGN_METHODS:
        raise Fault(f"'{quoted(name)}' of devices is not supported in templates")
    if table.go_type == "config.Devices" and name == b"Sorted":
        return Function(0, lambda _: start_order(table))
    return table.entries.get(name)


def start_order(devices: Table) -> Items:
    """The devices in the order in which LXD starts them: network first, then disks by path, then the rest by type."""
    named = [Device(name, config) for name, config in devices.entries.items() if isinstance(config, Table)]

    def option(device: Device, key: bytes) -> bytes:
        return conversions.as_text(device.config.entries.get(key))

    named.sort(key=lambda device: device.name)
    named.sort(key=lambda device: option(device, b"path") if option(device, b"type") == b"disk" else b"")
    named.sort(key=lambda device: option(device, b"type"), reverse=True)
    named.sort(key=lambda device: {b"nic": 0, b"disk": 1}.get(option(device, b"type"), 2))
    return Items(tuple(named), "config.DevicesSortable")


def _loop_field(loop: Loop, name: bytes) -> Value:
    match name:
        case b"Counter":
            return loop.counter
        case b"Counter0":
            return loop.counter0
        case b"Revcounter":
            return loop.revcounter
        case b"Revcounter0":
            return loop.revcounter0
        case b"First":
            return loop.first
        case b"Last":
            return loop.last
        case b"Parentloop":
            return loop.parent
        case _:
            return None


def _device_field(device: Device, name: bytes) -> Value:
    if name == b"Name":
        return device.name
    return device.config if name == b"Config" else None


def _block_field(name: bytes) -> Value:
    if name in (b"ctx", b"wrappers"):
        raise Fault(f"'{quoted(name)}' of a block is not supported in templates")
    return Function(0, lambda _: SafeText()) if name == b"Super" else None
