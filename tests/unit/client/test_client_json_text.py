"""Our reading and writing of JSON agrees with the json package's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azekura.client.json_text import dumps, loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_json_writes_is_read_alike(value: object) -> None:
    assert loads(json.dumps(value, indent=1).encode()) == value
    assert loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")) == value


@given(VALUES)
def test_what_is_written_is_what_json_writes(value: object) -> None:
    assert dumps(value) == json.dumps(value, separators=(",", ":"))
    assert dumps(value, ascii_only=False) == json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@given(st.binary(max_size=12) | st.text('{}[]",:0123456789.eE+- \n\\ntrueflsNaN', max_size=12).map(str.encode))
def test_the_same_texts_are_refused(body: bytes) -> None:
    try:
        expected = json.loads(body.decode("utf-8", "surrogatepass"))
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - the words are the caller's
            loads(body)
    else:
        assert repr(loads(body)) == repr(expected)


def test_too_deep_a_nesting_ends_in_an_error() -> None:
    with pytest.raises(RecursionError):
        loads(b"[" * 100_000)


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError, match="object is not JSON"):
        dumps({"a": object()})
