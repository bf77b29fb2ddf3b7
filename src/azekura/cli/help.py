"""The help of commands and groups, in the layout of LXD's client."""

from __future__ import annotations

from azekura.cli.command import GLOBAL_FLAGS, OPTIONAL, ROOT_FLAGS, SWITCH, Command, Flag
from azekura.cli.tree import HIDDEN, ROOT, Group, load


def _indent(text: str, blanks: int = 2) -> str:
    return "\n".join(" " * blanks + line if line else "" for line in text.split("\n"))


def _flags(flags: tuple[Flag, ...]) -> str:
    rows = []
    for flag in sorted(flags, key=lambda flag: flag.name):
        name = f"-{flag.short}, --{flag.name}" if flag.short else f"    --{flag.name}"
        if flag.kind == OPTIONAL:
            name += f'[="{flag.bare}"]'
        words = flag.words
        if flag.default and flag.kind != SWITCH:
            words += (
                f" (default {flag.default})" if flag.default.lstrip("-").isdigit() else f' (default "{flag.default}")'
            )
        rows.append((name, words))
    width = max(len(name) for name, _ in rows)
    return "".join(f"  {name.ljust(width)}   {words}\n" for name, words in rows)


def _other_names(path: str) -> list[str]:
    group: str | Group = ROOT
    names: list[str] = []
    for word in path.split():
        if not isinstance(group, Group):
            break
        names = next((candidates for candidates in group.names() if candidates[0] == word), [])
        found = group.child(word)
        group = found[1] if found else ROOT
    return names if len(names) > 1 else []


def command_help(path: str, command: Command) -> str:
    """Description and usage."""
    text = f"Description:\n  {command.summary}\n"
    if command.description:
        text += f"\n{_indent(command.description)}\n"
    return f"{text}\n{command_usage(path, command)}"


def command_usage(path: str, command: Command) -> str:
    words = f"lxc {path} {command.usage}".rstrip()
    text = f"Usage:\n  {words if '[flags]' in words else words + ' [flags]'}\n"
    names = _other_names(path)
    if names:
        text += f"\nAliases:\n  {', '.join(names)}\n"
    if command.examples:
        shown = "\n\n".join(
            f"  {line}\n      {meaning}" if meaning else f"  {line}" for line, meaning in command.examples
        )
        text += f"\nExamples:\n{shown}\n"
    if command.flags:
        text += f"\nFlags:\n{_flags(command.flags)}"
    own = {flag.name for flag in command.flags}
    return f"{text}\nGlobal Flags:\n{_flags(tuple(flag for flag in GLOBAL_FLAGS if flag.name not in own))}"


def summaries(group: Group, *, everything: bool, root: bool) -> list[tuple[str, str]]:
    """Each child's name and what it is for."""
    found = []
    for names in group.names():
        name = names[0]
        child = group.children[" ".join(names)]
        if root and name in HIDDEN and not everything:
            continue
        if isinstance(child, Group) and child.hidden and not everything:
            continue
        summary = child.summary if isinstance(child, Group) else load(child, name).summary
        found.append((name, summary))
    return sorted(found)


def group_help(path: str, group: Group, *, everything: bool = False, below: bool = False) -> str:
    text = f"Description:\n  {group.summary}\n"
    if group.description:
        text += f"\n{_indent(group.description)}\n"
    return f"{text}\n{group_usage(path, group, everything=everything, below=below)}"


def group_usage(path: str, group: Group, *, everything: bool = False, below: bool = False) -> str:
    name = f"lxc {path}".rstrip()
    text = "Usage:\n" + (f"  {name} [flags]\n" if path else "") + f"  {name} [command]\n"
    rows = _all_below(path, group) if below else summaries(group, everything=everything, root=not path)
    if not path and not below:
        rows = sorted([*rows, ("help", "Help about any command")])
    width = max(11, *(len(row[0]) for row in rows))
    text += "\nAvailable Commands:\n" + "".join(f"  {name.ljust(width)} {summary}\n" for name, summary in rows)
    text += f"\n{'Global Flags' if path else 'Flags'}:\n{_flags(GLOBAL_FLAGS if path else ROOT_FLAGS)}"
    return f'{text}\nUse "lxc {path + " " if path else ""}[command] --help" for more information about a command.\n'


def _all_below(path: str, group: Group) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, summary in summaries(group, everything=True, root=False):
        full = f"{path} {name}".strip()
        rows.append((full, summary))
        found = group.child(name)
        if found is not None and isinstance(found[1], Group):
            rows.extend(_all_below(full, found[1]))
    return rows
