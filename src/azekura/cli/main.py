"""``main``: from the command line to an exit code. The one place where errors become words on stderr."""

from __future__ import annotations

import sys

from azekura.cli.command import GLOBAL_FLAGS, MANY, ROOT_FLAGS, Command, Flag
from azekura.cli.flags import parse, takes_value
from azekura.cli.invocation import Invocation
from azekura.cli.tree import ROOT, Group, load, unknown
from azekura.errors import AzekuraError, InvalidRequest

USAGE_ERROR = 1
INTERRUPTED = 130
PIPE_CLOSED = 141


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Without ``arguments`` it is the program's own: then the process ends here."""
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except AzekuraError as exc:
        code = _fail(str(exc), exc.hint)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = PIPE_CLOSED
    except OSError as exc:
        # of the user's own files and terminal; servers' troubles were translated below
        name = f"{exc.filename}: " if isinstance(exc.filename, str) else ""
        code = _fail(f"{name}{exc.strerror or exc}", None)
    _detach_stdout()
    if arguments is None:
        # nothing is left to tidy up; the interpreter would take 3 ms for it
        import os

        sys.stderr.flush()
        os._exit(code)
    return code


def _fail(message: str, hint: str | None) -> int:
    _detach_stdout()
    sys.stderr.write(f"Error: {message}\n")
    if hint:
        sys.stderr.write(f"Hint: {hint}\n")
    return USAGE_ERROR


def _detach_stdout() -> None:
    """Write out what is left; whoever read it may be gone."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _run(arguments: list[str]) -> int:
    config = None
    if arguments and not arguments[0].startswith("-"):
        from azekura.client.config import Config

        config = Config.load()
        if (config.aliases and arguments[0] != "alias") or arguments[0] == "shell":
            from azekura.cli.shorthand import expand

            arguments = expand(arguments, config.aliases)
    path, found, rest = _find(arguments)
    if isinstance(found, Group):
        return _run_group(path, found, rest)
    options, values = parse(rest, (*found.flags, *_unshadowed(found)))
    if options.switch("version"):
        return _version()
    if options.switch("help"):
        from azekura.cli.help import command_help

        sys.stdout.write(command_help(path, found))
        return 0
    if not _arguments_fit(path, found, values):
        return 0
    if config is None:
        from azekura.client.config import Config

        config = Config.load()
    if options.switch("debug") or options.switch("verbose"):
        from azekura.client.server import Server

        Server.trace = _say
    if options.switch("force-local"):
        config.keep_local_only()
    if config.is_new:
        from azekura.cli.first_use import greet

        greet(config, path)
    code = found.run(Invocation(path, found, values, options, config))
    return code or 0


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def _unshadowed(command: Command) -> tuple[Flag, ...]:
    own = {flag.name for flag in command.flags}
    return tuple(flag for flag in GLOBAL_FLAGS if flag.name not in own)


def _find(arguments: list[str]) -> tuple[str, Command | Group, list[str]]:
    """The command that is meant, and the arguments without its name (flags may stand before and within it)."""
    group, path, rest = ROOT, "", list(arguments)
    position = 0
    while position < len(rest):
        word = rest[position]
        if word == "--":
            break
        if word.startswith("-"):
            position += 2 if takes_value(word, ROOT_FLAGS) else 1
            continue
        if not path and word == "help":
            return _help_topic([other for other in rest[position + 1 :] if not other.startswith("-")], rest)
        child = group.child(word)
        if child is None:
            # the flags are looked at first: what they swallowed may have been the command
            parse(rest, ROOT_FLAGS)
            raise unknown(word, path, group)
        name, value = child
        path = f"{path} {name}".strip()
        del rest[position]
        if isinstance(value, str):
            return path, load(value, name), rest
        group = value
    return path, group, rest


def _help_topic(words: list[str], rest: list[str]) -> tuple[str, Command | Group, list[str]]:
    group: Group = ROOT
    path = ""
    flags = [word for word in rest if word.startswith("-")]
    for word in words:
        child = group.child(word)
        if child is None:
            sys.stderr.write(f"Unknown help topic {'[' + ' '.join(f'`{word}`' for word in words) + ']'}\n")
            return "", ROOT, []
        path = f"{path} {child[0]}".strip()
        if isinstance(child[1], str):
            return path, load(child[1], child[0]), [*flags, "--help"]
        group = child[1]
    return path, group, [*flags, "--help"]


def _run_group(path: str, group: Group, rest: list[str]) -> int:
    from azekura.cli.help import group_help, group_usage

    options, values = parse(rest, ROOT_FLAGS if not path else GLOBAL_FLAGS)
    if options.switch("version"):
        return _version()
    everything = not path and options.switch("all")
    if options.switch("help") or not path:
        text = group_help(path, group, everything=everything, below=options.switch("sub-commands"))
        sys.stdout.write(text)
        return 0
    if values:
        raise unknown(values[0], path, group)
    sys.stderr.write(group_usage(path, group))
    return 0


def _arguments_fit(path: str, command: Command, values: list[str]) -> bool:
    """Whether the command can run; its help is shown when not.

    Raises:
        InvalidRequest: a wrong number of arguments. None at all is taken as a request for help.
    """
    if command.bare_usage and not values:
        return True
    if len(values) >= command.minimum and (command.maximum == MANY or len(values) <= command.maximum):
        return True
    from azekura.cli.help import command_help

    sys.stdout.write(command_help(path, command))
    if not values:
        return False
    raise InvalidRequest("Invalid number of arguments")


def _version() -> int:
    from azekura import LXD_VERSION

    print(LXD_VERSION)
    return 0


if __name__ == "__main__":
    main()
