"""The user's own commands (``lxc alias``) and the built-in ``shell``: replaced by what they stand for, before anything
else looks at the command line."""

from __future__ import annotations

from azekura.errors import InvalidRequest

BUILT_IN = {"shell": "exec @ARGS@ -- su -l"}


def expand(arguments: list[str], aliases: dict[str, str]) -> list[str]:
    """``arguments`` with the longest shorthand that they begin with replaced. In its words ``@ARGS@`` stands for the
    arguments that follow, ``@ARG1@``, ``@ARG2@`` … for one of them; without any, they are put at the end.

    Raises:
        InvalidRequest: it needs more arguments than there are.
    """
    if not arguments or not (aliases or arguments[0] in BUILT_IN):
        return arguments
    for table in (aliases, BUILT_IN):
        best: list[str] = []
        meaning = ""
        for name, words in table.items():
            parts = name.split()
            if len(parts) > len(best) and arguments[: len(parts)] == parts:
                best, meaning = parts, words
        if best:
            return _fill(_words(meaning), arguments[len(best) :])
    return arguments


def _words(text: str) -> list[str]:
    """Split as LXD does: at blanks, but not within double or single quotes."""
    if '"' not in text and "'" not in text:
        return text.split()
    from shlex import split

    try:
        return split(text)
    except ValueError as exc:
        raise InvalidRequest(f"Bad alias: {exc}: {text}") from exc


def _fill(words: list[str], rest: list[str]) -> list[str]:
    used = [number for number in range(1, 100) if any(f"@ARG{number}@" in word for word in words)]
    if used and max(used) > len(rest):
        raise InvalidRequest(f"Found alias references an argument outside the given number: @ARG{max(used)}@")
    left = [argument for number, argument in enumerate(rest, 1) if number not in used]
    filled: list[str] = []
    placed = False
    for word in words:
        if word == "@ARGS@":
            filled.extend(left)
            placed = True
            continue
        for number in used:
            word = word.replace(f"@ARG{number}@", rest[number - 1])
        filled.append(word)
    return filled if placed else filled + left
