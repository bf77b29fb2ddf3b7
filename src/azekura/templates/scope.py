"""The variables that a template has set."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azekura.templates.values import Value


class Scope:
    """Names and their values; what an inner scope sets is gone with it, what it doesn't have comes from the outer one.

    ``autoescape`` belongs to the scope, since a macro takes it from where it was defined.
    """

    __slots__ = ("autoescape", "names", "outer")

    def __init__(self, outer: Scope | None = None) -> None:
        self.outer = outer
        self.names: dict[bytes, Value] = {}
        self.autoescape: bool = outer.autoescape if outer else True

    def holder(self, name: bytes) -> dict[bytes, Value] | None:
        """The names, of this or an outer scope, among which ``name`` is set; None if it is set nowhere."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names
            scope = scope.outer
        return None
