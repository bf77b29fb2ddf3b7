"""What a confined child found, as JSON on its way to the parent, which believes no more of it than it must."""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping
from typing import Any

from azekura.errors import AzekuraError, HostError, InvalidRequest, NoSpace, StorageFailed, TooLarge, Unsupported
from azekura.formats.metadata_yaml import template_name_fault
from azekura.formats.scanned import RootfsSummary, ScannedImage, ScannedRootfs
from azekura.model.architecture import canonical
from azekura.model.image import ImageType
from azekura.model.metadata import ImageMetadata, TemplateRule

_ERRORS: dict[str, type[AzekuraError]] = {
    one.__name__: one for one in (InvalidRequest, TooLarge, Unsupported, StorageFailed, HostError)
}
_ISSUES = 100
_TEXT = 2000  # characters of a message


def encode(result: ScannedImage | ScannedRootfs) -> bytes:
    """The result of a scan."""
    tree: dict[str, Any] = {"type": str(result.type), "rootfs": _rootfs_to_tree(result.rootfs)}
    if isinstance(result, ScannedImage):
        metadata = result.metadata
        tree["yaml"] = _to_base64(result.metadata_yaml)
        tree["files"] = {name: _to_base64(data) for name, data in result.templates.items()}
        tree["metadata"] = {
            "architecture": metadata.architecture,
            "created": metadata.creation_date,
            "expires": metadata.expiry_date,
            "properties": dict(metadata.properties),
            "templates": [
                [rule.path, rule.template, list(rule.when), rule.create_only, dict(rule.properties)]
                for rule in metadata.templates
            ],
        }
    return json.dumps(tree).encode()


def encode_error(error: AzekuraError) -> bytes:
    """An error of ours; unknown kinds become their nearest known ancestor."""
    tree: dict[str, Any] = {"message": error.message[:_TEXT], "hint": error.hint and error.hint[:_TEXT]}
    if isinstance(error, NoSpace):
        tree["error"] = "NoSpace"
        tree["path"] = error.path
    else:
        tree["error"] = next((one.__name__ for one in type(error).__mro__ if one.__name__ in _ERRORS), "HostError")
    if isinstance(error, InvalidRequest):
        tree["issues"] = [issue[:_TEXT] for issue in error.issues[:_ISSUES]]
    return json.dumps(tree).encode()


def decode(data: bytes) -> ScannedImage | ScannedRootfs:
    """The result, or the error raised.

    Raises:
        AzekuraError: what the child raised.
        ValueError: no answer of ours.
    """
    try:
        tree = json.loads(data)
        if "error" in tree:
            raise _error(tree)
        kind = ImageType(tree["type"])
        rootfs = _rootfs_from_tree(tree["rootfs"])
        if "metadata" not in tree:
            return ScannedRootfs(rootfs, kind)
        files = {_template_name(name): binascii.a2b_base64(text) for name, text in tree["files"].items()}
        return ScannedImage(_metadata(tree["metadata"]), binascii.a2b_base64(tree["yaml"]), files, rootfs, kind)
    except (KeyError, TypeError, IndexError, AttributeError, RecursionError) as exc:
        raise ValueError(f"{type(exc).__name__}: {exc}") from exc


def _error(tree: Mapping[str, Any]) -> AzekuraError:
    name, message, hint = tree["error"], _text(tree["message"]), tree.get("hint")
    hint = _text(hint) if hint else None
    if name == "NoSpace":
        return NoSpace(path=_text(tree["path"]))
    if name == "InvalidRequest":
        return InvalidRequest(message, hint=hint, issues=tuple(_text(issue) for issue in tree["issues"]))
    return _ERRORS[name](message, hint=hint)


def _rootfs_to_tree(rootfs: RootfsSummary) -> dict[str, Any]:
    return {name: getattr(rootfs, name) for name in RootfsSummary.__slots__}


def _rootfs_from_tree(tree: Mapping[str, Any]) -> RootfsSummary:
    return RootfsSummary(
        entries=_number(tree["entries"]),
        unpacked_bytes=_number(tree["unpacked_bytes"]),
        setuid=_texts(tree["setuid"]),
        capabilities=_texts(tree["capabilities"]),
        devices=_texts(tree["devices"]),
        has_init=tree["has_init"] is True,
        highest_id=_number(tree["highest_id"]),
        dropped_xattrs=_number(tree["dropped_xattrs"]),
    )


def _metadata(tree: Mapping[str, Any]) -> ImageMetadata:
    return ImageMetadata(
        canonical(_text(tree["architecture"])),
        _number(tree["created"]),
        _number(tree["expires"]),
        _strings(tree["properties"]),
        tuple(
            TemplateRule(_text(path), _template_name(name), _texts(when), create_only is True, _strings(properties))
            for path, name, when, create_only, properties in tree["templates"]
        ),
    )


def _to_base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _template_name(name: object) -> str:
    text = _text(name)
    if template_name_fault(text):
        raise ValueError("a template's name")
    return text


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("list expected")
    return tuple(_text(item) for item in value)


def _strings(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError("map expected")
    return {_text(key): _text(item) for key, item in value.items()}


def _number(value: object) -> int:
    if type(value) is not int:
        raise TypeError("number expected")
    return value
