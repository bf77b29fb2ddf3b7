"""Go's ``fmt.Sprintf``, as the filters ``stringformat`` and ``rjust`` need it.

Source: documentation of Go's package ``fmt``; checked against LXD 5.0.2. Mistakes in a format are no errors, they show
in the output: ``%!d(string=x)``, ``%!(EXTRA int=5)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from azekura.templates import go_float, go_quote, runes
from azekura.templates.conversions import as_text, go_type
from azekura.templates.values import Byte, Device, Items, Table, TypedText, Value

_FLAGS = re.compile(rb"[#0+\- ]*")
_NUMBER = re.compile(rb"[0-9]*")
_LARGEST = 1_000_000  # Go's own limit of widths and precisions, roughly


def sprintf(layout: bytes, operands: list[Value], fits: Callable[[int], None]) -> bytes:
    """Format ``operands``. ``fits`` is asked before anything is made longer."""
    return _Formatter(layout, operands, fits).run()


@dataclass(frozen=True, slots=True)
class _Spec:
    """The flags, width and precision between ``%`` and the verb."""

    sharp: bool = False
    zero: bool = False
    plus: bool = False
    minus: bool = False
    space: bool = False
    width: int | None = None
    precision: int | None = None
    go_syntax: bool = False  # %#v
    field_names: bool = False  # %+v

    @classmethod
    def of(cls, flags: bytes) -> _Spec:
        minus = b"-" in flags
        return cls(
            sharp=b"#" in flags, zero=b"0" in flags and not minus, plus=b"+" in flags, minus=minus, space=b" " in flags
        )

    def for_value(self) -> _Spec:
        """As the verb ``v`` takes it."""
        return replace(self, sharp=False, go_syntax=self.sharp, plus=False, field_names=self.plus)


class _Formatter:
    def __init__(self, layout: bytes, operands: list[Value], fits: Callable[[int], None]) -> None:
        self._layout = layout
        self._operands = operands
        self._fits = fits
        self._result = bytearray()
        self._at = 0
        self._operand = 0
        self._reordered = False
        self._good_index = True

    def run(self) -> bytes:
        layout = self._layout
        while self._at < len(layout):
            percent = layout.find(b"%", self._at)
            percent = len(layout) if percent < 0 else percent
            self._write(layout[self._at : percent])
            self._at = percent + 1
            if percent < len(layout):
                self._directive()
        if not self._reordered and self._operand < len(self._operands):
            extra = [self._extra(value) for value in self._operands[self._operand :]]
            self._write(b"%!(EXTRA " + b", ".join(extra) + b")")
        return bytes(self._result)

    def _extra(self, value: Value) -> bytes:
        if value is None:
            return b"<nil>"
        return go_type(value).encode() + b"=" + _Printer(_Spec(), self._fits).show(value, "v")

    def _write(self, text: bytes) -> None:
        self._fits(len(self._result) + len(text))
        self._result += text

    def _directive(self) -> None:
        self._good_index = True
        flags = _FLAGS.match(self._layout, self._at)
        spec = _Spec.of(flags.group() if flags else b"")
        self._at = flags.end() if flags else self._at
        indexed = self._index()
        spec, indexed = self._width(spec, indexed)
        if self._peek() == b"." and self._at + 1 < len(self._layout):  # at the very end it is a verb
            spec, indexed = self._precision(spec, indexed)
        if not indexed:
            self._index()
        if self._at >= len(self._layout):
            self._write(b"%!(NOVERB)")
            return
        verb = runes.decode(self._layout[self._at : self._at + 4])[0]
        self._at += 1 if verb == runes.REPLACEMENT else len(verb.encode())
        self._verb(verb, spec)

    def _verb(self, verb: str, spec: _Spec) -> None:
        if verb == "%":
            self._write(b"%")
        elif not self._good_index:
            self._write(b"%!" + verb.encode() + b"(BADINDEX)")
        elif self._operand >= len(self._operands):
            self._write(b"%!" + verb.encode() + b"(MISSING)")
        else:
            value = self._operands[self._operand]
            self._operand += 1
            self._write(_Printer(spec.for_value() if verb == "v" else spec, self._fits).show(value, verb))

    def _peek(self) -> bytes:
        return self._layout[self._at : self._at + 1]

    def _number(self) -> int | None:
        """A number, if there is one. One too large takes the rest of the layout with it, as in Go."""
        match = _NUMBER.match(self._layout, self._at)
        digits = match.group() if match else b""
        if len(digits.lstrip(b"0")) > 8 or int(digits or b"0") // 10 > _LARGEST:  # Go looks before each digit
            self._at = len(self._layout)
            return None
        self._at += len(digits)
        return int(digits) if digits else None

    def _index(self) -> bool:
        """An explicit operand: ``[n]``."""
        if self._peek() != b"[":
            return False
        self._reordered = True
        end = self._layout.find(b"]", self._at)
        if end < 0 or len(self._layout) - self._at < 3:
            self._at += 1
            self._good_index = False
            return False
        digits = self._layout[self._at + 1 : end]
        self._at = end + 1
        well_formed = digits.isdigit() and len(digits.lstrip(b"0")) <= 8
        number = int(digits) - 1 if well_formed else -1
        if 0 <= number < len(self._operands):
            self._operand = number
            return True
        self._good_index = False
        return well_formed

    def _star(self) -> int | None:
        """A number that is an operand."""
        self._at += 1
        if self._operand >= len(self._operands):
            return None
        value = self._operands[self._operand]
        self._operand += 1
        is_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST
        return int(value) if is_number and isinstance(value, int) else None

    def _width(self, spec: _Spec, indexed: bool) -> tuple[_Spec, bool]:
        if self._peek() == b"*":
            width = self._star()
            if width is None:
                self._write(b"%!(BADWIDTH)")
            elif width < 0:
                spec = replace(spec, minus=True, zero=False)
            return replace(spec, width=None if width is None else abs(width)), False
        width = self._number()
        if indexed and width is not None:
            self._good_index = False
        return replace(spec, width=width), indexed

    def _precision(self, spec: _Spec, indexed: bool) -> tuple[_Spec, bool]:
        self._at += 1
        if indexed:
            self._good_index = False
        indexed = self._index()
        if self._peek() == b"*":
            precision = self._star()
            if precision is None or precision < 0:
                self._write(b"%!(BADPREC)")
                precision = None
            return replace(spec, precision=precision), False
        return replace(spec, precision=self._number() or 0), indexed


class _Printer:
    """Prints one operand by one directive."""

    def __init__(self, spec: _Spec, fits: Callable[[int], None]) -> None:
        self._spec = spec
        self._fits = fits

    def show(self, value: Value, verb: str) -> bytes:
        if verb == "T":
            return self._pad(self._cut(go_type(value).encode()))
        match value:
            case None:
                return self._pad(b"<nil>") if verb == "v" else self._bad(value, verb)
            case bool():
                return self._pad(b"true" if value else b"false") if verb in "tv" else self._bad(value, verb)
            case int():
                return self._integer(value, verb)
            case float():
                return self._float(value, verb)
            case bytes():
                return self._text(value, value, verb)
            case TypedText():
                return self._text(value, value.text, verb)
            case Table() | Items() | Device():
                return self._compound(value, verb)
            case _:
                return self._text(value, as_text(value), verb)

    def _bad(self, value: Value, verb: str) -> bytes:
        if value is None:
            return b"%!" + verb.encode() + b"(<nil>)"
        return b"%!" + verb.encode() + b"(" + go_type(value).encode() + b"=" + self.show(value, "v") + b")"

    def _pad(self, text: bytes, *, zero: bool | None = None) -> bytes:
        spec = self._spec
        missing = 0 if spec.width is None else spec.width - runes.count(text)
        if missing <= 0:
            return text
        self._fits(len(text) + missing)
        if spec.minus:
            return text + b" " * missing
        return (b"0" if (spec.zero if zero is None else zero) else b" ") * missing + text

    def _cut(self, text: bytes) -> bytes:
        precision = self._spec.precision
        return text if precision is None or precision >= len(text) else b"".join(runes.pieces(text)[:precision])

    # text

    def _text(self, value: Value, text: bytes, verb: str) -> bytes:
        spec = self._spec
        match verb:
            case "x":
                return self._hex(text)
            case "X":
                return self._hex(text).upper()
            case "v" if not spec.go_syntax:
                return self._pad(self._cut(text))
            case "s":
                return self._pad(self._cut(text))
            case "v" | "q":
                text = self._cut(text)
                self._fits(10 * len(text))
                if spec.sharp and go_quote.can_backquote(text):
                    return self._pad(b"`" + text + b"`")
                return self._pad(go_quote.quote(text, '"', ascii_only=spec.plus))
            case _:
                return self._bad(value, verb)

    def _hex(self, text: bytes) -> bytes:
        spec = self._spec
        if spec.precision is not None:
            text = text[: spec.precision]
        self._fits(5 * len(text))
        prefix = b"0x" if spec.sharp and text else b""
        between = b" " + prefix if spec.space else b""
        return self._pad(prefix + between.join(b"%02x" % byte for byte in text))

    # numbers

    def _integer(self, value: int, verb: str) -> bytes:
        spec = self._spec
        match verb:
            case "v" if spec.go_syntax and isinstance(value, Byte):
                return self._pad(b"0x%x" % value)
            case "v" | "d":
                return self._digits(value, b"%d" % abs(value), b"")
            case "b":
                return self._digits(value, f"{abs(value):b}".encode(), b"0b" if spec.sharp else b"")
            case "o":
                return self._digits(value, b"%o" % abs(value), b"0" if spec.sharp else b"")
            case "O":
                return self._digits(value, b"%o" % abs(value), b"0o")
            case "x":
                return self._digits(value, b"%x" % abs(value), b"0x" if spec.sharp else b"")
            case "X":
                return self._digits(value, b"%X" % abs(value), b"0X" if spec.sharp else b"")
            case "c":
                return self._pad(_character(value).encode())
            case "q":
                return self._pad(go_quote.quote(_character(value).encode(), "'", ascii_only=spec.plus))
            case "U":
                return self._unicode(value)
            case _:
                return self._bad(value, verb)

    def _digits(self, value: int, digits: bytes, prefix: bytes) -> bytes:
        spec = self._spec
        sign = b"-" if value < 0 else b"+" if spec.plus else b" " if spec.space else b""
        if spec.precision is not None:
            if spec.precision == 0 and value == 0:
                return b" " * (spec.width or 0)
            wanted = spec.precision
        else:
            wanted = spec.width - len(sign) if spec.zero and spec.width is not None else 0
        self._fits(wanted)
        digits = digits.rjust(wanted, b"0")
        if prefix == b"0" and digits.startswith(b"0"):
            prefix = b""
        return self._pad(sign + prefix + digits, zero=False)

    def _unicode(self, value: int) -> bytes:
        code = value % (1 << 64)
        digits = max(4, self._spec.precision or 0)
        self._fits(digits)
        text = f"U+{code:0{digits}X}"
        if self._spec.sharp and code <= 0x10FFFF and chr(code).isprintable():
            text += f" '{chr(code)}'"
        return self._pad(text.encode(), zero=False)

    def _float(self, value: float, verb: str) -> bytes:
        spec = self._spec
        if verb not in tuple("vbgGxXfFeE"):
            return self._bad(value, verb)
        precision = spec.precision if spec.precision is not None else 6 if verb in "fFeE" else -1
        self._fits(precision)
        text = go_float.render(value, {"v": "g", "F": "f"}.get(verb, verb), precision)
        sign, number = (text[0], text[1:]) if text[0] in "+-" else ("+", text)
        if spec.space and sign == "+" and not spec.plus:
            sign = " "
        if number in ("Inf", "NaN"):
            bare = number == "NaN" and not spec.space and not spec.plus
            return self._pad((number if bare else sign + number).encode(), zero=False)
        if spec.sharp and verb != "b":
            number = _with_point(number, verb, precision)
        if not spec.plus and sign == "+":
            return self._pad(number.encode())
        if spec.zero and spec.width is not None:
            number = number.rjust(spec.width - 1, "0")
        return self._pad((sign + number).encode())

    # maps, lists and devices

    def _compound(self, value: Table | Items | Device, verb: str) -> bytes:
        if verb in ("p", "w"):  # an address to Go, and nothing
            return self._bad(value, verb)
        go = self._spec.go_syntax
        named = go or self._spec.field_names
        match value:
            case Table():
                members = [(self.show(key, verb) + b":", value.entries[key]) for key in sorted(value.entries)]
                opening, closing = (b"{", b"}") if go else (b"map[", b"]")
            case Items():
                members = [(b"", member) for member in value.members]
                opening, closing = (b"{", b"}") if go else (b"[", b"]")
            case Device():
                fields: list[tuple[bytes, Value]] = [(b"Name:", value.name), (b"Config:", value.config)]
                members = [(name if named else b"", member) for name, member in fields]
                opening, closing = b"{", b"}"
        name = go_type(value).encode() if go else b""
        shown = []
        total = 0
        for before, member in members:
            text = before + self.show(member, verb)
            total += len(text) + 2
            self._fits(total)
            shown.append(text)
        return name + opening + (b", " if go else b" ").join(shown) + closing


def _character(code: int) -> str:
    return chr(code) if 0 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else runes.REPLACEMENT


def _with_point(number: str, verb: str, precision: int) -> str:
    """The sharp flag: always a decimal point, and for ``g`` all digits of the precision."""
    marks = "pP" if verb in "xX" else "eE"
    cut = next((i for i, char in enumerate(number) if char in marks), len(number))
    number, tail = number[:cut], number[cut:]
    missing = 0
    if verb in "vgGx":
        missing = 6 if precision == -1 else precision
        missing -= len(number.replace(".", "").lstrip("0"))
    if "." not in number:
        missing -= number == "0"
        number += "."
    return number + "0" * max(missing, 0) + tail
