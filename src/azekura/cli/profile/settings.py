"""``lxc profile get``, ``set`` and ``unset``."""

from __future__ import annotations

from azekura.cli.command import MANY, Command
from azekura.cli.owners import PROFILES
from azekura.cli.settings import merge, pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def get(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    record, _ = PROFILES.fetch(server, name)
    print((record.get("config") or {}).get(call.arguments[1], ""))


def _change(call: Invocation, changes: dict[str, str]) -> None:
    server, name = call.locate(call.arguments[0])
    record, etag = PROFILES.fetch(server, name)
    merge(record["config"], changes)
    PROFILES.save(server, name, record, etag)


def set_keys(call: Invocation) -> None:
    _change(call, pairs(call.arguments[1:]))


def unset_key(call: Invocation) -> None:
    _change(call, {call.arguments[1]: ""})


_PROFILE = "[<remote>:]<profile>"
COMMANDS = {
    "get": Command("Show a setting of a profile", get, usage=f"{_PROFILE} <key>", minimum=2, maximum=2),
    "set": Command(
        "Set settings of a profile", set_keys, usage=f"{_PROFILE} <key>=<value>...", minimum=2, maximum=MANY
    ),
    "unset": Command("Take a setting of a profile away", unset_key, usage=f"{_PROFILE} <key>", minimum=2, maximum=2),
}
