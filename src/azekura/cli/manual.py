"""All commands on one page, for docs/cli.md: made of the commands' own words, so that it can't lag behind."""

from __future__ import annotations

from azekura.cli.command import GLOBAL_FLAGS, Command
from azekura.cli.help import command_help
from azekura.cli.tree import ROOT, Group, load

INTRODUCTION = """# Commands

`lxc` has LXD's commands with LXD's words and exit codes, and some of its own, marked with a star below. `[<remote>:]`
in front of a name chooses another server than the default one. Errors go to standard error as one sentence, with exit
code 1. `lxd` is the daemon: `lxd --help` lists `init`, `waitready`, `activateifneeded`, `shutdown` and `check`.

Every command takes these flags too:

"""
OWN = frozenset(
    (
        "config token create|config token list|config token revoke|image alias set|image alias history|"
        "image alias rollback|image usage|image prune|image pin|image unpin|image undelete|image inspect|"
        "image outdated|remote set-credentials|remote unset-credentials"
    ).split("|")
)


def manual() -> str:
    """The page, in Markdown."""
    flags = "".join(f"* `--{flag.name}`: {flag.words}\n" for flag in GLOBAL_FLAGS)
    return INTRODUCTION + flags + "".join(_section(path, command) for path, command in _commands("", ROOT))


def _commands(path: str, group: Group) -> list[tuple[str, Command]]:
    """Every command below ``group``, with its whole name, sorted by that."""
    found: list[tuple[str, Command]] = []
    for names in group.names():
        name = names[0]
        child = group.children[" ".join(names)]
        full = f"{path} {name}".strip()
        if isinstance(child, Group):
            found += [] if child.hidden else _commands(full, child)
        else:
            found.append((full, load(child, name)))
    return sorted(found, key=lambda one: one[0])


def _section(path: str, command: Command) -> str:
    text = command_help(path, command).partition("\nGlobal Flags:")[0].rstrip()
    star = " *" if path in OWN else ""
    return f"\n## lxc {path}{star}\n```\n{text}\n```\n"
