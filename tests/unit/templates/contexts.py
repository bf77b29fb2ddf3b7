"""Contexts to render test templates in."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime

from azekura.templates import Limits, TemplateContext, render


def make_context(
    *,
    config: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
    devices: Mapping[str, Mapping[str, str]] | None = None,
    trigger: str = "start",
    exact_trigger: bool = False,
) -> TemplateContext:
    """The context of a container named c1, with whatever matters to a test."""
    return TemplateContext(
        name="c1",
        architecture="x86_64",
        ephemeral=False,
        privileged=False,
        trigger=trigger,
        path="/etc/x",
        properties=properties or {},
        config=config or {},
        devices=devices or {},
        now=datetime(2023, 11, 5, 9, 8, 7, 123456, tzinfo=UTC),
        random=random.Random(1),
        exact_trigger=exact_trigger,
    )


def rendered(
    source: str | bytes,
    limits: Limits = Limits(),  # noqa: B008  frozen
    *,
    config: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
    devices: Mapping[str, Mapping[str, str]] | None = None,
    trigger: str = "start",
    exact_trigger: bool = False,
) -> bytes:
    """Render a template named x.tpl."""
    context = make_context(
        config=config, properties=properties, devices=devices, trigger=trigger, exact_trigger=exact_trigger
    )
    return render("x.tpl", source.encode() if isinstance(source, str) else source, context, limits)
