"""All commands: which names there are, and which module holds each. Only the module of the command run is imported.

A module's ``COMMANDS`` maps the last word of a command to its :class:`azekura.cli.command.Command`.
"""

from __future__ import annotations

from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.command import Command


class Group:
    """A command that has commands below it. Keys of ``children`` are a name, then its other names."""

    __slots__ = ("children", "description", "hidden", "summary")

    def __init__(
        self, summary: str, children: dict[str, str | Group], *, description: str = "", hidden: bool = False
    ) -> None:
        self.summary = summary
        self.children = children
        self.description = description
        self.hidden = hidden

    def names(self) -> list[list[str]]:
        return [key.split() for key in self.children]

    def child(self, word: str) -> tuple[str, str | Group] | None:
        """The child called ``word`` as (its first name, module or group)."""
        if word in self.children:
            return word, self.children[word]
        for key, value in self.children.items():
            names = key.split()
            if word in names:
                return names[0], value
        return None


def load(module: str, name: str) -> Command:
    """The command called ``name`` (its first name) in a module of this package."""
    import sys

    full = f"azekura.cli.{module}"
    __import__(full)
    command: Command = sys.modules[full].COMMANDS[name]
    return command


def _group(module: str, names: str) -> dict[str, str | Group]:
    return {name.replace(",", " "): module for name in names.split()}


_PROFILE: dict[str, str | Group] = {
    **_group("profile.membership", "add assign,apply remove"),
    "copy cp": "profile.copy",
    **_group("profile.record", "create delete,rm rename,mv list,ls show"),
    "device": Group("Devices of profiles", _group("profile.device", "add get list,ls remove,rm set show unset")),
    "edit": "profile.edit",
    **_group("profile.settings", "get set unset"),
}

ROOT = Group(
    "Client of LXD's image system",
    {
        "alias": Group("Your own shorthands for commands", _group("alias", "add list,ls remove,rm rename,mv")),
        "config": Group(
            "Settings of instances and of the server",
            {
                "device": Group(
                    "Devices of instances", _group("config.device", "add get list,ls override remove,rm set show unset")
                ),
                "edit": "config.edit",
                "get": "config.get",
                "metadata": Group(
                    "Metadata of instances, from which images are published", _group("config.metadata", "edit show")
                ),
                "profile": Group("Sets of settings, as in lxc profile", _PROFILE, hidden=True),
                "set": "config.set",
                "show": "config.show",
                "template": Group(
                    "File templates of instances", _group("config.template", "create delete,rm edit list show")
                ),
                "token": Group(
                    "Tokens with which programs read images", _group("config.token", "create list,ls revoke,rm")
                ),
                "trust": Group(
                    "Clients that the server trusts",
                    _group("config.trust", "add edit list,ls list-tokens remove,rm revoke-token show"),
                ),
                "unset": "config.set",
            },
        ),
        "cluster": "absent",
        "console": "console",
        "copy cp": "copy",
        "delete rm": "delete",
        "exec": "exec",
        "export": "absent",
        "file": Group("Files in instances", _group("file", "delete,rm edit pull push") | {"mount": "absent"}),
        "image": Group(
            "Images: what instances are made of",
            {
                "alias": Group(
                    "Names of images",
                    _group("image.alias", "create delete,rm history list,ls rename,mv rollback set"),
                ),
                "copy cp": "image.copy",
                "delete rm": "image.delete",
                "edit": "image.edit",
                "export": "image.export",
                "get-property": "image.property",
                "import": "image.upload",
                "info": "image.info",
                "inspect": "image.inspect",
                "list ls": "image.list",
                "outdated": "image.outdated",
                "pin": "image.pin",
                "prune": "image.prune",
                "refresh": "image.refresh",
                "set-property": "image.property",
                "show": "image.show",
                "undelete": "image.undelete",
                "unpin": "image.pin",
                "unset-property": "image.property",
                "usage": "image.usage",
            },
            description=(
                "An image is known by the sha256 of its file (of a split image: of the metadata file followed by the\n"
                "root file system). It is referred to by that fingerprint, by the beginning of it, or by an alias."
            ),
        ),
        "import": "absent",
        "info": "info",
        "init": "launch",
        "launch": "launch",
        "list ls": "list",
        "manpage": "absent",
        "monitor": "monitor",
        "move mv": "move",
        "network": Group("Networks that instances are attached to", {"list ls": "network"}),
        "operation": Group(
            "What the server does in the background", _group("operation", "delete,cancel,rm list,ls show")
        ),
        "pause": "action",
        "profile": Group(
            "Sets of settings and devices that instances share",
            _PROFILE,
        ),
        "project": Group(
            "Projects of a server",
            _group("project", "create delete,rm edit get info list,ls rename,mv set show switch unset"),
        ),
        "publish": "publish",
        "query": "query",
        "remote": Group(
            "Servers you have a name for",
            {
                "add": "remote.add",
                **_group("remote.record", "get-default list,ls remove,rm rename,mv"),
                "set-credentials": "remote.credentials",
                **_group("remote.record", "set-url switch,set-default"),
                "unset-credentials": "remote.credentials",
            },
        ),
        "rename": "move",
        "restart": "action",
        "restore": "snapshot",
        "snapshot": "snapshot",
        "start": "action",
        "stop": "action",
        "storage": Group(
            "Storage pools",
            _group("storage", "create delete,rm edit get info list,ls set show unset")
            | {"volume": "absent", "bucket": "absent"},
        ),
        "version": "version",
        "warning": "absent",
    },
    description=(
        "Images, and the system containers made of them, on this machine or another.\n"
        "Every command explains itself with --help."
    ),
)

# shown with --all only
HIDDEN = frozenset(("init", "manpage", "monitor", "pause", "query", "cluster", "export", "import", "warning"))


def similar(word: str, names: list[str]) -> list[str]:
    """Names a user may have meant: at most two letters off, or beginning with what was typed."""
    return [
        name for name in names if distance(word.lower(), name.lower()) <= 2 or name.lower().startswith(word.lower())
    ]


def distance(one: str, other: str) -> int:
    """Levenshtein's."""
    previous = list(range(len(other) + 1))
    for row, left in enumerate(one, 1):
        current = [row]
        for column, right in enumerate(other, 1):
            current.append(min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (left != right)))
        previous = current
    return previous[-1]


def unknown(word: str, path: str, group: Group) -> InvalidRequest:
    """What to say of a word that is no command; at the root with proposals, as LXD's client makes them."""
    message = f'unknown command "{word}" for "lxc{" " + path if path else ""}"'
    if not path:
        found = similar(word, [names[0] for names in group.names() if names[0] not in HIDDEN])
        if found:
            message += "\n\nDid you mean this?\n" + "".join(f"\t{name}\n" for name in found)
    return InvalidRequest(message)
