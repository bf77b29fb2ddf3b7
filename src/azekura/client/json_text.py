"""JSON without the ``json`` package, which imports ``re``, ``enum`` and half the standard library behind them: a third
of what ``lxc image list`` does beyond starting Python.

CPython's own accelerator does the work, the same that ``json`` uses; where there is none, ``json`` does.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

try:
    import _json as accelerator
except ImportError:  # another Python
    accelerator = None  # type: ignore[assignment]

_BLANKS = " \t\n\r"


class _Rules:
    """What ``json.JSONDecoder`` is told by default."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.__getitem__
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner's own, emptied by it


def loads(body: bytes) -> Any:
    """The value that ``body`` (UTF-8) spells.

    Raises:
        ValueError: not JSON.
        RecursionError: nested too deep.
    """
    if accelerator is None:
        import json

        return json.loads(body)
    text = body.decode("utf-8", "surrogatepass")
    try:
        value, end = _scan(text, len(text) - len(text.lstrip(_BLANKS)))
    except StopIteration as exc:
        raise ValueError(f"no JSON value at character {exc.value}") from None
    if text[end:].strip(_BLANKS):
        raise ValueError(f"more than one JSON value: another follows at character {end}")
    return value


def dumps(value: Any, *, ascii_only: bool = True) -> str:
    """``value`` as JSON without blanks.

    Raises:
        TypeError: something that JSON can't say.
    """
    if accelerator is None:
        import json

        return json.dumps(value, separators=(",", ":"), ensure_ascii=ascii_only)
    return "".join((_encode_ascii if ascii_only else _encode)(value, 0))


def _refuse(value: object) -> None:
    raise TypeError(f"{type(value).__name__} is not JSON")


def _encoder(text: Any) -> Any:
    return accelerator.make_encoder(None, _refuse, text, None, ":", ",", False, False, True)


if accelerator is not None:
    _rules: Any = _Rules  # it only looks at the attributes; the declared type is another
    _scan: Any = accelerator.make_scanner(_rules)
    _encode_ascii: Any = _encoder(accelerator.encode_basestring_ascii)
    _encode: Any = _encoder(accelerator.encode_basestring)
