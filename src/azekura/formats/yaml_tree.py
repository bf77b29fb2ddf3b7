"""YAML from strangers, as a tree of scalars that keep their spelling.

The tree is built from the parser's events, not by PyYAML's composer: depth, size and number of nodes are bounded
before anything is built, aliases (the billion laughs), duplicate keys, second documents and tags that construct
something are refused, and ``12``, ``yes``, ``0x10`` or ``2023-01-01`` stay the text they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azekura.errors import InvalidRequest, TooLarge

if TYPE_CHECKING:
    import yaml

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_SCALAR_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp"))
_DEPTH = 32
_NODES = 50_000


@dataclass(frozen=True, slots=True)
class Scalar:
    """``plain``: written without quotes, so that YAML would give it a type."""

    text: str
    plain: bool
    line: int

    @property
    def null(self) -> bool:
        return self.plain and self.text in _NULLS


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    items: dict[str, Node]
    line: int


Node = Scalar | Sequence | Mapping


def load(data: bytes, what: str, limit: int) -> Node:
    """Parse one document. ``what`` names the file in messages; ``limit`` is the most bytes it may have.

    Raises:
        TooLarge: over ``limit``, too deep, too many nodes.
        InvalidRequest: not UTF-8, not YAML, or one of the things refused above.
    """
    import yaml

    if len(data) > limit:
        raise TooLarge(f"{what} is larger than {limit} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InvalidRequest(f"{what} isn't UTF-8 text (byte {exc.start})") from exc
    try:
        events: Iterator[yaml.Event] = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return _Builder(events, what).document()
    except yaml.MarkedYAMLError as exc:
        if exc.problem and "nesting" in exc.problem:  # libyaml from 0.2.6 on has a limit of its own
            raise TooLarge(f"{what} is nested too deeply") from exc
        line = f" (line {exc.problem_mark.line + 1})" if exc.problem_mark else ""
        raise InvalidRequest(f"{what} isn't valid YAML: {exc.problem}{line}") from exc
    except yaml.YAMLError as exc:
        raise InvalidRequest(f"{what} isn't valid YAML: {str(exc).splitlines()[0]}") from exc


class _Builder:
    def __init__(self, events: Iterator[yaml.Event], what: str) -> None:
        import yaml

        self._yaml = yaml
        self._events = events
        self._what = what
        self._nodes = 0

    def document(self) -> Node:
        yaml = self._yaml
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise self._refuse(event, "a second document")
                root = self._node(next(self._events), 0)
        return root or Scalar("", True, 1)

    def _node(self, event: yaml.Event, depth: int) -> Node:
        yaml = self._yaml
        self._nodes += 1
        if depth > _DEPTH or self._nodes > _NODES:
            raise TooLarge(f"{self._what} is {'nested too deeply' if depth > _DEPTH else 'made of too many values'}")
        if isinstance(event, yaml.AliasEvent):
            raise self._refuse(event, f"an alias (*{event.anchor[:40]})")
        tag = getattr(event, "tag", None)
        if isinstance(event, yaml.ScalarEvent):
            if tag is not None and tag != "!" and tag not in _SCALAR_TAGS:
                raise self._refuse(event, f"the tag {tag[:80]}")
            plain = event.style is None or event.style == ""
            return Scalar(event.value, plain and tag in (None, "tag:yaml.org,2002:null"), _line(event))
        if isinstance(event, yaml.SequenceStartEvent):
            if tag not in (None, "!", "tag:yaml.org,2002:seq"):
                raise self._refuse(event, f"the tag {tag[:80]}")
            items = []
            while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
                items.append(self._node(item, depth + 1))
            return Sequence(tuple(items), _line(event))
        if isinstance(event, yaml.MappingStartEvent):
            if tag not in (None, "!", "tag:yaml.org,2002:map"):
                raise self._refuse(event, f"the tag {tag[:80]}")
            return self._mapping(event, depth)
        raise self._refuse(event, "something unexpected")

    def _mapping(self, start: yaml.Event, depth: int) -> Mapping:
        yaml = self._yaml
        items: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, Scalar):
                raise self._refuse(event, "a list or map as key")
            if key.plain and key.text == "<<":
                raise self._refuse(event, "a merge key (<<)")
            if key.text in items:
                raise self._refuse(event, f'the key "{key.text[:80]}" twice')
            items[key.text] = self._node(next(self._events), depth + 1)
        return Mapping(items, _line(start))

    def _refuse(self, event: yaml.Event, thing: str) -> InvalidRequest:
        return InvalidRequest(f"{self._what} has {thing} in line {_line(event)}, which isn't accepted")


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark is not None else 0
