"""Reading and writing ``config.yml``.

The file is YAML, but nearly always in the plain form in which LXD and we write it: that is read here line by line,
because loading a YAML library would take longer than everything else ``lxc image list`` does. Anything unusual
(quotes, comments, lists, anchors) goes to PyYAML.
"""

from __future__ import annotations

from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIZE_LIMIT = 1 << 20  # characters
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@[]%+ ")
_NOT_TEXT = frozenset(("", "~", "null", "yes", "no", "on", "off", "y", "n"))


def parse(text: str) -> dict[str, Any]:
    """
    Raises:
        InvalidRequest: not YAML, or not a map.
    """
    if len(text) > SIZE_LIMIT:
        raise InvalidRequest("the file is too large")
    plain = parse_plain(text)
    return _parse_yaml(text) if plain is None else plain


def parse_plain(text: str) -> dict[str, Any] | None:
    """The value of a file of nested ``key: value`` lines, two blanks a level; None for anything more."""
    root: dict[str, Any] = {}
    levels = [root]
    may_open = False
    for line in text.splitlines():
        content = line.lstrip(" ")
        indent = len(line) - len(content)
        level = indent // 2
        if not content or indent % 2 or level >= len(levels) or (may_open and level < len(levels) - 1):
            return None
        key, colon, value = content.partition(":")
        if not colon or not _is_plain_key(key) or key in levels[level]:
            return None
        del levels[level + 1 :]
        may_open = not value
        if not value:
            child: dict[str, Any] = {}
            levels[level][key] = child
            levels.append(child)
        elif value == " {}":
            levels[level][key] = {}
        elif value in (" true", " false"):
            levels[level][key] = value == " true"
        elif value[0] == " " and _is_plain_value(value[1:]):
            levels[level][key] = value[1:]
        else:
            return None
    return None if may_open else root


def _is_plain_key(key: str) -> bool:
    return bool(key) and _PLAIN.issuperset(key) and key[0].isalpha() and " " not in key and key.lower() not in _NOT_TEXT


def _is_plain_value(value: str) -> bool:
    # a letter first: no number, date, flow collection or indicator begins with one
    return (
        value[:1].isalpha()
        and value[0].isascii()
        and _PLAIN.issuperset(value)
        and ": " not in value
        and value == value.strip()
        and value[-1] != ":"
        and value.lower() not in _NOT_TEXT
        and value.lower() not in ("true", "false")
    )


def _parse_yaml(text: str) -> dict[str, Any]:
    import yaml

    try:
        # the user's own file, with nothing but plain values in it: the safe loader
        value = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise InvalidRequest(f"not valid YAML: {exc}") from exc
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest("not a map of settings")
    return value


def dump(record: dict[str, Any]) -> str:
    """``record`` as YAML, in its own order of keys."""
    import yaml

    text: str = yaml.dump(record, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)
    return text
