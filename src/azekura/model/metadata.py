"""What ``metadata.yaml`` says about an image (format: LXD's image-handling document)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

TRIGGERS = ("create", "copy", "rename", "start")
_EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TemplateRule:
    """One entry under ``templates:``: which file is rendered to ``path`` inside the container, and when."""

    path: str
    template: str
    when: tuple[str, ...] = ()
    create_only: bool = False
    properties: Mapping[str, str] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True, slots=True)
class ImageMetadata:
    """The validated content of ``metadata.yaml``. Dates are seconds since 1970; 0 means never."""

    architecture: str  # canonical name
    creation_date: int
    expiry_date: int = 0
    properties: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    templates: tuple[TemplateRule, ...] = ()
