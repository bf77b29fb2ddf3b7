"""Parses expressions into instructions that leave one value on the stack.

The grammar, as LXD has it::

    expr   := rel [ (and | or | && | ||) expr ]                one level, groups to the right, gives a bool
    rel    := simple [ (== != <> < <= > >=) rel | in simple ]  groups to the right
    simple := [+ | -] [! | not] term { (+ | -) term }          sign and not bind to the first whole term
    term   := power { (* | / | %) power }
    power  := factor [ ^ power ]                               groups to the right
    factor := ( expr ) | value { | name [: value] }
    value  := number | string | true | false | name { .name | .digits | ( expr, … ) }

An operator-precedence parser with a stack of its own: brackets nest as deep as ``Limits.nesting`` says, no matter how
much of Python's stack is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from azekura.templates import numbers
from azekura.templates.cursor import TokenCursor
from azekura.templates.failure import Fault, Position, quoted
from azekura.templates.filters import FILTERS
from azekura.templates.filters.apply import ApplyFilter
from azekura.templates.lookup import Attribute, Call, Element, LoadName, Part, PrepareCall, Reference
from azekura.templates.operators import BINARY, Negate, Not, ShortCircuit, ToBool
from azekura.templates.program import Fail, Instruction, Program, Push
from azekura.templates.tokens import Kind, Token
from azekura.templates.values import Value

_LOGIC, _RELATION, _SUM, _SIGN, _PRODUCT, _POWER = range(1, 7)
_SYMBOLS = {
    b"&&": _LOGIC,
    b"||": _LOGIC,
    **dict.fromkeys((b"==", b"!=", b"<>", b"<", b"<=", b">", b">="), _RELATION),
    **dict.fromkeys((b"+", b"-"), _SUM),
    **dict.fromkeys((b"*", b"/", b"%"), _PRODUCT),
    b"^": _POWER,
}
_WORDS = {b"and": _LOGIC, b"or": _LOGIC, b"in": _RELATION}
_GROUPS_TO_THE_LEFT = (_SUM, _PRODUCT)


@dataclass(slots=True)
class _Operator:
    """Waits for its right side. ``instruction`` follows that; a short circuit has jumped over it.

    ``position`` is where errors point: for signs the value that follows, as in LXD.
    """

    rank: int
    token: Token
    instruction: Instruction
    position: Position


@dataclass(slots=True)
class _Variable:
    """A name whose parts are being read. ``filter``: it is the argument of that filter."""

    token: Token
    reference: Reference
    part: Part
    filter: Token | None
    call: PrepareCall | None = None


@dataclass(frozen=True, slots=True)
class _Group:
    """An open bracket."""


@dataclass(frozen=True, slots=True)
class _Arguments:
    """An open bracket of a call."""

    variable: _Variable


_Entry: TypeAlias = _Operator | _Group | _Arguments


class ExpressionParser:
    """Parses one expression after the other from a cursor into a program."""

    def __init__(self, cursor: TokenCursor, program: Program, nesting: int) -> None:
        self._cursor = cursor
        self._program = program
        self._nesting = nesting
        self._reset(in_tag=False)

    def _reset(self, *, in_tag: bool) -> None:
        self._stack: list[_Entry] = []
        self._depth = 0
        self._calls = 0  # open calls
        self._safe = False
        self._signs: list[_Operator] = []  # that no value has followed yet
        self._in_tag = in_tag

    def parse(self) -> bool:
        """Parse one expression, up to the token that can't belong to it; say whether it has the filter ``safe``.

        Raises:
            Fault: no valid expression.
        """
        self._reset(in_tag=False)
        self._begin()
        while not (self._operand() and self._end_of_expression()):
            pass
        return self._safe

    def _begin(self) -> None:
        """The beginning of ``simple``: the one place where a sign and ``not`` may stand."""
        sign = self._cursor.symbol(b"+", b"-")
        if sign is not None and sign.value == b"-":
            self._sign(sign, Negate())
        negation = self._cursor.symbol(b"!") or self._cursor.keyword(b"not")
        if negation is not None:
            self._sign(negation, Not())

    def _sign(self, token: Token, instruction: Instruction) -> None:
        operator = _Operator(_SIGN, token, instruction, token.position)
        self._stack.append(operator)
        self._signs.append(operator)

    def _open(self, entry: _Group | _Arguments) -> None:
        self._depth += 1
        if self._depth > self._nesting:
            raise self._cursor.fault(f"Brackets are nested more than {self._nesting} deep")
        self._stack.append(entry)
        if isinstance(entry, _Arguments):
            self._begin_argument()
        else:
            self._begin()

    def _begin_argument(self) -> None:
        if not self._cursor.remaining:
            raise self._cursor.fault("Unexpected EOF, expected function call argument list.")
        self._begin()

    def _operand(self) -> bool:
        """Read a factor; False if a bracket was opened instead, so that another operand is due."""
        if self._cursor.symbol(b"("):
            self._open(_Group())
            return False
        return self._value(None) and self._filters()

    def _end_of_expression(self) -> bool:
        """After an operand: an operator, the end of a bracket, or (True) the end of everything."""
        while self._stack or not self._in_tag:
            if self._operator():
                return False
            self._reduce(_LOGIC)
            if not self._stack:
                return True
            entry = self._stack[-1]
            if isinstance(entry, _Group):
                if not self._cursor.symbol(b")"):
                    raise self._cursor.fault("Closing bracket expected after expression")
                self._close()
            elif isinstance(entry, _Arguments) and not self._argument(entry.variable):
                return False
        return True

    def _close(self) -> None:
        self._stack.pop()
        self._depth -= 1

    # operators

    def _operator(self) -> bool:
        """Take a binary operator, if one follows that may stand here."""
        token = self._cursor.current
        if token is None:
            return False
        ranks = _SYMBOLS if token.kind is Kind.SYMBOL else _WORDS if token.kind is Kind.KEYWORD else {}
        rank = ranks.get(token.value)
        if rank is None or (rank == _RELATION and self._after_in()):
            return False
        self._cursor.take()
        self._reduce(rank if rank in _GROUPS_TO_THE_LEFT else rank + 1)
        if rank == _LOGIC:
            decides = token.value in (b"or", b"||")
            instruction: Instruction = self._program.emit(ShortCircuit(decides), token.position)
        else:
            instruction = BINARY[token.value]
        self._stack.append(_Operator(rank, token, instruction, token.position))
        if rank <= _RELATION:
            self._begin()
        return True

    def _after_in(self) -> bool:
        """Whether the relation before this place is ``in``, which has only a ``simple`` on its right."""
        for entry in reversed(self._stack):
            if not isinstance(entry, _Operator) or entry.rank < _RELATION:
                return False
            if entry.rank == _RELATION:
                return entry.token.is_keyword(b"in")
        return False

    def _reduce(self, rank: int) -> None:
        """Emit the operators of this bracket that bind at least as strongly as ``rank``."""
        while self._stack:
            entry = self._stack[-1]
            if not isinstance(entry, _Operator) or entry.rank < rank:
                return
            self._stack.pop()
            if isinstance(entry.instruction, ShortCircuit):
                self._program.emit(ToBool(), entry.position)
                entry.instruction.target = self._program.here
            else:
                self._program.emit(entry.instruction, entry.position)

    # values

    def _value(self, filter_name: Token | None) -> bool:
        """Read a literal or a variable; False if a call was opened, so that its first argument is due."""
        cursor = self._cursor
        token = cursor.current
        if token is None:
            raise cursor.fault("Unexpected EOF, expected a number, string, keyword or identifier.")
        for sign in self._signs:
            sign.position = token.position
        self._signs.clear()
        if token.kind is Kind.NAME:
            cursor.take()
            reference = Reference(token.value)
            part = self._program.emit(LoadName(reference, name=token.value), token.position)
            return self._parts(_Variable(token, reference, part, filter_name))
        if token.kind not in (Kind.NUMBER, Kind.STRING, Kind.KEYWORD):
            raise cursor.fault("Expected either a number, string, keyword or identifier.", token)
        cursor.take()
        self._program.emit(Push(self._literal(token)), token.position)
        return True

    def _literal(self, token: Token) -> Value:
        if token.kind is Kind.STRING:
            return token.value
        if token.kind is Kind.KEYWORD:
            if token.value not in (b"true", b"false"):
                raise self._cursor.fault("This keyword is not allowed here.")
            return token.value == b"true"
        if not self._cursor.symbol(b"."):
            return _integer(token)
        digits = self._cursor.expect(Kind.NUMBER, "Expected a number after the '.'.").value
        number = float(token.value + b"." + digits)
        if math.isinf(number):
            text = quoted(token.value + b"." + digits)
            raise Fault(f'strconv.ParseFloat: parsing "{text}": value out of range', token.position)
        return number

    def _parts(self, variable: _Variable) -> bool:
        """Read what follows a name; False if a call was opened."""
        cursor, reference = self._cursor, variable.reference
        while True:
            if cursor.symbol(b"("):
                if variable.call is None:
                    variable.part.called = True
                    variable.call = self._program.emit(PrepareCall(reference), variable.token.position)
                if not cursor.symbol(b")"):
                    self._calls += 1
                    self._open(_Arguments(variable))
                    return False
                continue
            if variable.call is not None:  # only now: f(a)(b) is one call with two arguments
                self._program.emit(Call(reference, variable.call.count), variable.token.position)
                variable.call = None
            if not cursor.symbol(b"."):
                reference.end = self._program.here
                return True
            self._part(variable)

    def _part(self, variable: _Variable) -> None:
        token = self._cursor.current
        if token is None:
            raise self._cursor.fault("Unexpected EOF, expected either IDENTIFIER or NUMBER after DOT.")
        reference = variable.reference
        if token.kind is Kind.NAME:
            part: Part = Attribute(reference, name=token.value)
            reference.path += b"." + token.value
        elif token.kind is Kind.NUMBER:
            index = _integer(token)
            part = Element(reference, index=index)
            reference.path += b".%d" % index
        else:
            raise self._cursor.fault("This token is not allowed within a variable name.", token)
        self._cursor.take()
        variable.part = self._program.emit(part, variable.token.position)

    def _argument(self, variable: _Variable) -> bool:
        """After an argument of a call: True once the whole operand is complete, False if an expression is due."""
        if variable.call is not None:
            variable.call.count += 1
        if not self._cursor.symbol(b")"):
            if not self._cursor.symbol(b","):
                raise self._cursor.fault("Missing comma or closing bracket after argument.")
            if not self._cursor.symbol(b")"):
                self._begin_argument()
                return False
        self._close()
        self._calls -= 1
        if not self._parts(variable):
            return False
        if variable.filter is not None:
            self._apply(variable.filter, has_argument=True)
        return self._filters()

    # filters

    def filters(self) -> None:
        """Parse the chain of filters of the tag ``filter``, to which the value on the stack is subject."""
        self._reset(in_tag=True)
        complete = self._filter() and self._filters()
        while not complete:
            complete = self._operand() and self._end_of_expression()

    def _filters(self) -> bool:
        """Read a chain of filters; False if a call in one's argument was opened."""
        while self._cursor.symbol(b"|"):
            if not self._filter():
                return False
        return True

    def _filter(self) -> bool:
        cursor = self._cursor
        if self._in_tag and not cursor.remaining:
            return True
        missing = "Expected a filter name (identifier)." if self._in_tag else "Filter name must be an identifier."
        name = cursor.expect(Kind.NAME, missing)
        if name.value not in FILTERS and not self._in_tag:
            raise cursor.fault(f"Filter '{quoted(name.value)}' does not exist.", name)
        if name.value == b"safe" and not self._calls:
            self._safe = True
        has_argument = cursor.symbol(b":") is not None
        if has_argument:
            token = cursor.current
            if token is not None and token.is_symbol(b"}}"):
                raise cursor.fault("Filter parameter required after ':'.")
            if not self._value(name):
                return False
        self._apply(name, has_argument=has_argument)
        return True

    def _apply(self, name: Token, *, has_argument: bool) -> None:
        found = FILTERS.get(name.value)
        if found is None:  # the tag finds out when it runs
            self._program.emit(Fail(f"Filter with name '{quoted(name.value)}' not found."), name.position)
        else:
            self._program.emit(ApplyFilter(found, has_argument), name.position)


def _integer(token: Token) -> int:
    number = numbers.parse_integer(token.value)
    if number is None:
        raise Fault(f'strconv.Atoi: parsing "{quoted(token.value)}": value out of range', token.position)
    return number
