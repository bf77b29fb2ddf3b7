"""YAML as LXD's client prints it (its library is Go's yaml.v2): keys in the order given, plain text where it reads back
as text, double quotes where it would read back as something else, literal blocks for several lines."""

from __future__ import annotations

import re
from typing import Any

import yaml

# what yaml.v2 reads as something else than text
_OTHER = re.compile(
    r"""(?:~|null|Null|NULL|<<|true|True|TRUE|false|False|FALSE|[yYnN]|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF
    |[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?
    |[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)
    |[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?)""",
    re.VERBOSE,
)
# fields that are times in LXD's API: never quoted, though they are text to us
_TIMES = frozenset(
    ("created_at", "expires_at", "last_used_at", "uploaded_at", "updated_at", "timestamp", "first_seen_at")
)
# what Go's encoder writes for a list or a map that is null
_LISTS = frozenset(("profiles", "aliases", "snapshots", "backups", "used_by", "locations", "projects"))
_MAPS = frozenset(("properties", "config", "devices", "templates", "expanded_config", "expanded_devices"))
# below these keys every key is a user's own
_USERS = frozenset(("config", "devices", "properties", "expanded_config", "expanded_devices"))


def _text(text: str, *, is_time: bool = False) -> yaml.ScalarNode:
    style = None
    if not is_time and (not text or _OTHER.fullmatch(text)):
        style = '"'
    elif "\n" in text:
        style = "|"
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style=style)


def _node(dumper: yaml.SafeDumper, value: Any, *, users: bool, key: str = "") -> yaml.Node:
    if isinstance(value, dict):
        pairs = []
        for name, item in value.items():
            if item is None and not users:
                item = [] if name in _LISTS else {} if name in _MAPS else None
            item_node = _node(dumper, item, users=users or name in _USERS, key="" if users else str(name))
            pairs.append((_text(str(name)), item_node))
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=not pairs)
    if isinstance(value, (list, tuple)):
        items = [_node(dumper, item, users=users) for item in value]
        return yaml.SequenceNode("tag:yaml.org,2002:seq", items, flow_style=not items)
    if isinstance(value, str):
        return _text(value, is_time=key in _TIMES)
    return dumper.represent_data(value)


class _PlainDumper(yaml.SafeDumper):
    """Everything is text to the emitter: which text needs quotes is decided above."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is yaml.ScalarNode:
            return "tag:yaml.org,2002:str"
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]


def dump(value: Any, *, plain_text: bool = False) -> str:
    """``value`` as a YAML document. ``plain_text``: a time is text as any other, whatever its field is called."""
    import io

    stream = io.StringIO()
    dumper = _PlainDumper(stream, allow_unicode=True, width=80)
    dumper.open()
    node = _node(dumper, value, users=plain_text)
    _untag(node)
    dumper.serialize(node)
    dumper.close()
    return stream.getvalue()


def _untag(node: yaml.Node) -> None:
    """Numbers, booleans and null as plain scalars."""
    if isinstance(node, yaml.ScalarNode):
        node.tag = "tag:yaml.org,2002:str"
    elif isinstance(node, yaml.MappingNode):
        for key, item in node.value:
            _untag(key)
            _untag(item)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _untag(item)
