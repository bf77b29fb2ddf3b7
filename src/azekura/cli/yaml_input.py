"""Reading the YAML a user edited into a record of known fields: text stays as it was typed (``1.10`` is no number), and
what doesn't fit is told with its line, in the words of LXD's client (Go's yaml.v2)."""

from __future__ import annotations

from typing import Any

import yaml

from azekura.errors import InvalidRequest

# kinds of fields
TEXT, BOOLEAN, TEXTS, TEXT_MAP, MAPS = "string", "bool", "[]string", "map[string]string", "map[string]map[string]string"
TIME = "time.Time"

_TRUE = ("y", "yes", "on", "true")
_FALSE = ("n", "no", "off", "false")


def load(text: str, fields: dict[str, str]) -> dict[str, Any]:
    """The fields that are given; others are ignored, as by LXD.

    Raises:
        InvalidRequest: not YAML, or not what the fields take; every such field is named.
    """
    root = compose(text)
    issues: list[str] = []
    record: dict[str, Any] = {}
    if root is None or _is_null(root):
        return record
    if not isinstance(root, yaml.MappingNode):
        issues.append(_issue(root, "api.record"))
    else:
        for key, node in root.value:
            kind = fields.get(str(key.value))
            if kind is not None and not _is_null(node):
                record[str(key.value)] = _convert(node, kind, issues)
    if issues:
        raise InvalidRequest("yaml: unmarshal errors:\n" + "\n".join(f"  {issue}" for issue in issues))
    return record


def compose(text: str) -> yaml.Node | None:
    """
    Raises:
        InvalidRequest: not YAML.
    """
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as exc:
        marks = [mark.line for mark in (exc.problem_mark, exc.context_mark) if mark is not None]
        # as Go's library counts: the first line has no number, the scanner's are one further than the parser's
        line = next((number for number in marks if number), 0)
        if line and isinstance(exc, yaml.scanner.ScannerError):
            line += 1
        where = f"line {line}: " if line else ""
        raise InvalidRequest(f"yaml: {where}{exc.problem or 'unknown problem parsing YAML content'}") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise InvalidRequest(f"yaml: {str(exc).splitlines()[0] if str(exc) else 'too deep'}") from exc
    return node


def plain(node: yaml.Node) -> Any:
    """The value of a node with all scalars as text."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [plain(value) for value in node.value]
    return "" if _is_null(node) else str(node.value)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _issue(node: yaml.Node, kind: str) -> str:
    tag = str(node.tag).replace("tag:yaml.org,2002:", "!!")
    shown = ""
    if isinstance(node, yaml.ScalarNode):
        value = str(node.value)
        shown = f" `{value[:7] + '...' if len(value) > 10 else value}`"
    return f"line {node.start_mark.line + 1}: cannot unmarshal {tag}{shown} into {kind}"


def _convert(node: yaml.Node, kind: str, issues: list[str]) -> Any:
    if kind in (TEXT, TIME):
        if isinstance(node, yaml.ScalarNode):
            return _time(node, issues) if kind == TIME else str(node.value)
    elif kind == BOOLEAN:
        if isinstance(node, yaml.ScalarNode) and node.value.lower() in _TRUE + _FALSE:
            return node.value.lower() in _TRUE
    elif kind == TEXTS:
        if isinstance(node, yaml.SequenceNode):
            return [_convert(item, TEXT, issues) for item in node.value]
    elif isinstance(node, yaml.MappingNode):
        below = TEXT if kind == TEXT_MAP else TEXT_MAP
        return {
            str(key.value): ({} if below == TEXT_MAP else "") if _is_null(value) else _convert(value, below, issues)
            for key, value in node.value
        }
    issues.append(_issue(node, kind))
    return None


def _time(node: yaml.ScalarNode, issues: list[str]) -> str:
    from datetime import datetime

    text = str(node.value).strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        issues.append(_issue(node, TIME))
        return ""
    if "T" in text and (text.endswith("Z") or moment.tzinfo is not None):
        return text
    return moment.isoformat() + ("Z" if moment.tzinfo is None else "")
