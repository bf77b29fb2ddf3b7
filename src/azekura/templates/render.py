"""Rendering and checking templates."""

from __future__ import annotations

import random

from azekura.templates.context import TemplateContext, public_names
from azekura.templates.failure import Fault, Position, TemplateFailed, quoted
from azekura.templates.limits import Limits
from azekura.templates.machine import Machine
from azekura.templates.parser import TemplateParser


def render(name: str, source: bytes, context: TemplateContext, limits: Limits = Limits()) -> bytes:  # noqa: B008  frozen
    """Render a template.

    Nothing outside of ``context`` can be reached from a template: no file, no Python object, no clock.

    Args:
        name: the template's file name, for messages alone.
        source: the template; bytes that aren't UTF-8 pass through.

    Raises:
        TemplateFailed: the template is wrong or goes beyond ``limits``.
    """
    try:
        program = TemplateParser(source, limits).parse()
        public = public_names(context)
        for macro, position in program.macros.items():
            if macro in public:
                text = quoted(macro)
                raise Fault(f"context key name '{text}' clashes with macro '{text}'", position)
        chance = context.random or random.SystemRandom()
        return Machine(program, public, limits, context.now, chance).run()
    except Fault as fault:
        raise _failed(name, fault) from fault


def check(name: str, source: bytes) -> None:
    """Parse a template without rendering it.

    Raises:
        TemplateFailed: the template is wrong.
    """
    try:
        TemplateParser(source, Limits()).parse()
    except Fault as fault:
        raise _failed(name, fault) from fault


def _failed(name: str, fault: Fault) -> TemplateFailed:
    line, column = fault.position or Position(1, 1)
    return TemplateFailed(name, line, column, fault.reason)
