"""Reading the command line as LXD's client does (its library is pflag): flags anywhere before ``--``, ``-xVALUE``,
``-abc``, ``--name value``, ``--name=value``; the same words for what can't be read."""

from __future__ import annotations

from azekura.cli.command import INTEGER, OPTIONAL, SWITCH, UNSIGNED, Flag
from azekura.errors import InvalidRequest

_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")


class Options:
    """The flags' values, by their long names."""

    __slots__ = ("_flags", "_given")

    def __init__(self, flags: tuple[Flag, ...]) -> None:
        self._flags = {flag.name: flag for flag in flags}
        self._given: dict[str, list[str]] = {}

    def add(self, flag: Flag, value: str, spelled: str) -> None:
        """
        Raises:
            InvalidRequest: not a value of the flag's kind.
        """
        problem = ""
        if flag.kind == SWITCH:
            if value not in _TRUE + _FALSE:
                problem = f'strconv.ParseBool: parsing "{value}": invalid syntax'
        elif flag.kind in (INTEGER, UNSIGNED):
            what = "ParseInt" if flag.kind == INTEGER else "ParseUint"
            sign = value[:1] in ("-", "+") and flag.kind == INTEGER
            if not value[sign:].isascii() or not value[sign:].isdigit():
                problem = f'strconv.{what}: parsing "{value}": invalid syntax'
            elif int(value) >= 1 << (32 if flag.kind == UNSIGNED else 63):
                problem = f'strconv.{what}: parsing "{value}": value out of range'
        if problem:
            raise InvalidRequest(f'invalid argument "{value}" for "{spelled}" flag: {problem}')
        self._given.setdefault(flag.name, []).append(value)

    def given(self, name: str) -> bool:
        return name in self._given

    def text(self, name: str) -> str:
        values = self._given.get(name)
        return values[-1] if values else self._flags[name].default

    def texts(self, name: str) -> list[str]:
        return list(self._given.get(name, ()))

    def switch(self, name: str) -> bool:
        values = self._given.get(name)
        return values is not None and values[-1] in _TRUE

    def number(self, name: str) -> int:
        return int(self.text(name) or 0)

    def set(self, name: str, value: str) -> None:
        """Give a flag a value from elsewhere than the command line."""
        self._given[name] = [value]


def find(flags: tuple[Flag, ...], name: str) -> Flag | None:
    for flag in flags:
        if flag.name == name:
            return flag
    return None


def parse(arguments: list[str], flags: tuple[Flag, ...]) -> tuple[Options, list[str]]:
    """The flags' values and the remaining arguments.

    Raises:
        InvalidRequest: unknown flags, missing and malformed values.
    """
    options = Options(flags)
    rest: list[str] = []
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        position += 1
        if argument == "--":
            rest.extend(arguments[position:])
            break
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            flag = find(flags, name)
            if flag is None:
                raise InvalidRequest(f"unknown flag: --{name}")
            spelled = f"-{flag.short}, --{name}" if flag.short else f"--{name}"
            if not equals:
                if flag.kind in (SWITCH, OPTIONAL):
                    value = flag.bare or "true"
                elif position < len(arguments):
                    value = arguments[position]
                    position += 1
                else:
                    raise InvalidRequest(f"flag needs an argument: --{name}")
            options.add(flag, value, spelled)
        elif argument.startswith("-") and argument != "-":
            position += _short(argument, arguments, position, flags, options)
        else:
            rest.append(argument)
    return options, rest


def _short(argument: str, arguments: list[str], position: int, flags: tuple[Flag, ...], options: Options) -> int:
    """Read ``-abc``; returns how many of the following arguments it took as a value."""
    letters = argument[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = next((candidate for candidate in flags if candidate.short == letter), None)
        if flag is None:
            raise InvalidRequest(f"unknown shorthand flag: '{letter}' in {argument}")
        spelled = f"-{letter}, --{flag.name}"
        if letters.startswith("="):
            options.add(flag, letters[1:], spelled)
            return 0
        if flag.kind in (SWITCH, OPTIONAL):
            options.add(flag, flag.bare or "true", spelled)
        elif letters:
            options.add(flag, letters, spelled)
            return 0
        elif position < len(arguments):
            options.add(flag, arguments[position], spelled)
            return 1
        else:
            raise InvalidRequest(f"flag needs an argument: '{letter}' in {argument}")
    return 0


def takes_value(argument: str, flags: tuple[Flag, ...]) -> bool:
    """Whether the flag ``argument`` swallows the next one, while the command is still being looked for.

    A flag that isn't known yet belongs to a command further on; it is taken to have a value, as LXD's client does.
    """
    if "=" in argument:
        return False
    if argument.startswith("--"):
        flag = find(flags, argument[2:])
    else:
        flag = next((candidate for candidate in flags if candidate.short == argument[1:2]), None)
        if len(argument) != 2:
            return False
    return flag is None or flag.kind not in (SWITCH, OPTIONAL)
