"""``metadata.yaml`` ⇄ :class:`~azekura.model.metadata.ImageMetadata` (format: LXD's image-handling document)."""

from __future__ import annotations

import re
from typing import Any

from azekura.errors import AzekuraError, InvalidRequest
from azekura.formats.limits import DEFAULT, Limits
from azekura.formats.yaml_tree import Mapping, Node, Scalar, Sequence, load
from azekura.model.architecture import canonical
from azekura.model.metadata import ImageMetadata, TemplateRule

FILE = "metadata.yaml"

_TRUE = frozenset("y Y yes Yes YES true True TRUE on On ON".split())
_FALSE = frozenset("n N no No NO false False FALSE off Off OFF".split())
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]+|0[bB][01_]+|[0-9][0-9_]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?[0-9]{1,18}(?:\.[0-9]{0,40})?(?:[eE]\+?[0-9]{1,2})?", re.ASCII)
_LAST_DATE = 253_402_300_799  # 9999-12-31T23:59:59Z
_NAME_BYTES = 255


def parse_metadata(data: bytes, limits: Limits = DEFAULT) -> ImageMetadata:
    """Parse and check ``metadata.yaml``. Unknown keys are ignored, as LXD does.

    Raises:
        TooLarge: over the limit, nested too deeply.
        InvalidRequest: not YAML, or wrong; ``issues`` has every fault found.
    """
    root = load(data, FILE, limits.metadata_bytes)
    if isinstance(root, Scalar) and root.null:
        raise InvalidRequest(f"{FILE} is empty")
    if not isinstance(root, Mapping):
        raise InvalidRequest(f"{FILE} must be a map of keys and values")
    return _Parser().metadata(root)


class _Parser:
    def __init__(self) -> None:
        self._issues: list[str] = []

    def metadata(self, root: Mapping) -> ImageMetadata:
        architecture = self._architecture(root.items.get("architecture"))
        created = self._date("creation_date", root.items.get("creation_date"))
        if created == 0:
            self._issues.append("Missing creation date")
        expires = self._date("expiry_date", root.items.get("expiry_date"))
        properties = self._strings("properties", root.items.get("properties"))
        templates = self._templates(root.items.get("templates"))
        if self._issues:
            more = f" (and {len(self._issues) - 1} more)" if len(self._issues) > 1 else ""
            raise InvalidRequest(self._issues[0] + more, issues=tuple(self._issues))
        return ImageMetadata(architecture, created or 0, expires or 0, properties, templates)

    def _architecture(self, node: Node | None) -> str:
        if node is None or (isinstance(node, Scalar) and not node.text):
            self._issues.append(f"{FILE} names no architecture")
        elif not isinstance(node, Scalar):
            self._wrong("architecture", node, "text")
        else:
            try:
                return canonical(node.text)
            except AzekuraError as exc:
                self._issues.append(exc.message)
        return ""

    def _date(self, key: str, node: Node | None) -> int | None:
        """Seconds since 1970; 0 if absent, None after a fault."""
        if node is None or (isinstance(node, Scalar) and node.null):
            return 0
        number = _number(node.text) if isinstance(node, Scalar) else None
        if number is None or not 0 <= number <= _LAST_DATE:
            self._wrong(key, node, "a number of seconds since 1970")
            return None
        return number

    def _strings(self, where: str, node: Node | None) -> dict[str, str]:
        if node is None or (isinstance(node, Scalar) and node.null):
            return {}
        if not isinstance(node, Mapping):
            self._wrong(where, node, "a map")
            return {}
        strings = {}
        for key, value in node.items.items():
            if not key or not key.isprintable():
                self._issues.append(f"{FILE}: {where} has an empty or unprintable name (line {value.line})")
            elif not isinstance(value, Scalar):
                self._wrong(f'{where}: the value of "{key[:80]}"', value, "text, not a list or map")
            else:
                strings[key] = "" if value.null else value.text
        return strings

    def _templates(self, node: Node | None) -> tuple[TemplateRule, ...]:
        if node is None or (isinstance(node, Scalar) and node.null):
            return ()
        if not isinstance(node, Mapping):
            self._wrong("templates", node, "a map")
            return ()
        rules = (self._template(path, value) for path, value in node.items.items())
        return tuple(rule for rule in rules if rule is not None)

    def _template(self, path: str, node: Node) -> TemplateRule | None:
        where = f'templates: "{path[:80]}"'
        reason = target_fault(path)
        if reason:
            self._issues.append(f"{FILE}: {where}: {reason} (line {node.line})")
        if not isinstance(node, Mapping):  # a null crashes LXD's template handler
            self._wrong(where, node, "a map with the keys when and template")
            return None
        template = node.items.get("template")
        name = template.text if isinstance(template, Scalar) and not template.null else ""
        if isinstance(template, Sequence | Mapping):
            self._wrong(f"{where}: template", template, "a file name")
        elif fault := template_name_fault(name):
            self._issues.append(f"{FILE}: {where}: {fault} (line {node.line})")
        return TemplateRule(
            path=path,
            template=name,
            when=self._when(where, node.items.get("when")),
            create_only=self._bool(f"{where}: create_only", node.items.get("create_only")),
            properties=self._strings(f"{where}: properties", node.items.get("properties")),
        )

    def _when(self, where: str, node: Node | None) -> tuple[str, ...]:
        if node is None or (isinstance(node, Scalar) and node.null):
            return ()
        if not isinstance(node, Sequence) or not all(isinstance(item, Scalar) for item in node.items):
            self._wrong(f"{where}: when", node, "a list of words")
            return ()
        return tuple(item.text for item in node.items if isinstance(item, Scalar))

    def _bool(self, where: str, node: Node | None) -> bool:
        if node is None or (isinstance(node, Scalar) and node.null):
            return False
        if not isinstance(node, Scalar) or not node.plain or node.text not in _TRUE | _FALSE:
            self._wrong(where, node, "true or false")
            return False
        return node.text in _TRUE

    def _wrong(self, where: str, node: Node, wanted: str) -> None:
        self._issues.append(f"{FILE}: {where} must be {wanted} (line {node.line})")


def template_name_fault(name: str) -> str:
    """Why ``name`` can't be the name of a file in ``templates/``; empty if it can (CVE-2026-23954)."""
    if not name:
        return "it names no template"
    if "/" in name or name in (".", "..") or "\0" in name:
        return f'"{name[:80]}" is not a plain file name: templates are read from the image\'s templates folder alone'
    if len(name.encode("utf-8", "surrogatepass")) > _NAME_BYTES:
        return "the template's name is too long"
    return ""


def target_fault(path: str) -> str:
    """Why nothing can be rendered to ``path`` inside a container; empty if it can."""
    depth = 0
    for part in path.split("/"):
        if part == "..":
            depth -= 1
            if depth < 0:
                return "Template is attempting access to path outside of container"
        elif part not in ("", "."):
            depth += 1
    if not depth:
        return "it names no file inside the container"
    if "\0" in path or len(path.encode("utf-8", "surrogatepass")) > 4095:
        return "the path is too long or has a NUL in it"
    return ""


def _number(text: str) -> int | None:
    """The integer that YAML 1.1 and Go's parser see in ``text``, if they see one."""
    if _INTEGER.fullmatch(text):
        digits = text.replace("_", "").lower()
        sign = -1 if digits[0] == "-" else 1
        digits = digits.lstrip("+-")
        if len(digits) > 40:
            return None
        if digits[:1] == "0" and digits[1:].isdigit():
            digits = "0o" + digits[1:]  # YAML 1.1's octal
        try:
            return sign * int(digits, 0)
        except ValueError:
            return None
    return int(float(text)) if _FLOAT.fullmatch(text) else None


def dump_metadata(metadata: ImageMetadata) -> bytes:
    """Write ``metadata.yaml``; equal metadata give equal bytes, and :func:`parse_metadata` gives them back."""
    import yaml

    tree: dict[str, Any] = {"architecture": metadata.architecture, "creation_date": metadata.creation_date}
    if metadata.expiry_date:
        tree["expiry_date"] = metadata.expiry_date
    tree["properties"] = dict(metadata.properties)
    if metadata.templates:
        tree["templates"] = {
            rule.path: {
                "when": list(rule.when),
                "create_only": rule.create_only,
                "template": rule.template,
                "properties": dict(rule.properties),
            }
            for rule in metadata.templates
        }
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(tree, Dumper=dumper, default_flow_style=False, allow_unicode=True, width=1 << 20)
    return text.encode("utf-8")
