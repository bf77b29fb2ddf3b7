"""The template dialect of LXD's images (pongo2): :func:`render` and :func:`check`. No file access exists here.

A template is lexed, parsed into a flat program (:mod:`.parser`, :mod:`.expressions`, :mod:`.tags`) and run by a machine
(:mod:`.machine`) on a closed set of values (:mod:`.values`), within :class:`Limits`.
"""

from azekura.templates.context import TemplateContext
from azekura.templates.failure import TemplateFailed
from azekura.templates.limits import Limits
from azekura.templates.render import check, render

__all__ = ["Limits", "TemplateContext", "TemplateFailed", "check", "render"]
