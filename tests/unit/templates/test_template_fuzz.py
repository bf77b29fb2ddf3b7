"""Whatever a template holds: it renders or raises TemplateFailed, within its budgets."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.templates.contexts import make_context

from azekura.templates import Limits, TemplateFailed, check, render
from azekura.templates.filters import FILTERS
from azekura.templates.tags import TAGS

LIMITS = Limits(steps=5_000, output_bytes=4_096, value_bytes=4_096, nesting=20, call_depth=20, source_bytes=1 << 16)
LITERALS = [
    "1",
    "0",
    "2.5",
    '"a,b"',
    '"<b>x</b> y"',
    '""',
    "true",
    "nosuch",
    "9223372036854775807",
    "1000000",
    '"%5d%q"',
]
NAMES = [
    "container",
    "config",
    "devices.Sorted",
    "devices",
    "forloop",
    "x",
    "m",
    "block",
    "properties",
    "trigger",
    "path",
]
WORDS = [
    *(
        "{{",
        "}}",
        "{%",
        "%}",
        "{{-",
        "-}}",
        "{%-",
        "-%}",
        "{#",
        "#}",
        "{",
        "}",
        "\n",
        " ",
        "-",
        "(",
        ")",
        ",",
        ".",
        "|",
        ":",
    ),
    *(
        "+",
        "*",
        "/",
        "%",
        "^",
        "==",
        "!=",
        "<",
        ">=",
        "=",
        "!",
        "&&",
        "in",
        "and",
        "or",
        "not",
        "as",
        "export",
        "\\",
        "é",
    ),
    *(
        "reversed",
        "sorted",
        "silent",
        "random",
        "fake",
        "on",
        "off",
        "empty",
        "else",
        "elif",
        "w",
        "p",
        "{% verbatim %}",
    ),
    *LITERALS,
    *NAMES,
    *(name.decode() for name in TAGS),
    *("end" + name.decode() for name in TAGS),
    *(name.decode() for name in FILTERS),
]


def survive(source: bytes) -> None:
    context = make_context(config={"user.a": "1\n"}, devices={"root": {"type": "disk"}})
    try:
        assert len(render("f", source, context, LIMITS)) <= LIMITS.output_bytes
    except TemplateFailed as error:
        failed = error
    else:
        return
    assert failed.reason
    assert 1 <= failed.line <= source.count(b"\n") + 1
    assert failed.column >= 1


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_survived(source: bytes) -> None:
    survive(source)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join))
def test_any_row_of_words_is_survived(source: str) -> None:
    survive(source.encode())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=15).map(" ".join))
def test_any_expression_is_survived(words: str) -> None:
    survive(b"{{ " + words.encode() + b" }}")


_value = st.sampled_from([*LITERALS, *NAMES, 'config_get("user.a", 1)', "m(1)", "forloop.Counter"])
_argument = _value.filter(lambda value: not value.startswith("-"))
_filtered = st.builds(
    lambda value, chain: value + "".join(chain),
    _value,
    st.lists(
        st.builds(
            lambda name, argument: f"|{name.decode()}" + (f":{argument}" if argument else ""),
            st.sampled_from(sorted(FILTERS)),
            st.none() | _argument,
        ),
        max_size=3,
    ),
)
_expression = st.recursive(
    _filtered,
    lambda inner: (
        st.builds("({})".format, inner)
        | st.builds("m({}, {})".format, inner, inner)
        | st.builds(
            "({}) {} ({})".format,
            inner,
            st.sampled_from(["+", "-", "*", "/", "%", "^", "==", "!=", "<", ">=", "in", "and", "or"]),
            inner,
        )
    ),
    max_leaves=8,
)
_document = st.recursive(
    st.builds("{{{{ {} }}}}".format, _expression)
    | st.sampled_from([" text\n", "{% lorem 2 w %}", "{# c #}", "{% now '2006' %}"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map("".join),
        st.builds("{{%- if {} %}}{}{{% elif 1 %}}{{% else %}}{}{{% endif -%}}".format, _expression, inner, inner),
        st.builds("{{% for x in {} %}}{}{{% empty %}}{}{{% endfor %}}".format, _expression, inner, inner),
        st.builds("{{% for k, x in {} reversed sorted %}}{}{{% endfor %}}".format, _expression, inner),
        st.builds("{{% macro m(x, y={}) %}}{}{{% endmacro %}}".format, _expression, inner),
        st.builds("{{% with x={} %}}{}{{% endwith %}}".format, _expression, inner),
        st.builds("{{% set x = {} %}}{}".format, _expression, inner),
        st.builds(
            "{{% filter {} %}}{}{{% endfilter %}}".format, st.sampled_from([n.decode() for n in sorted(FILTERS)]), inner
        ),
        st.builds("{{% cycle {} x as x %}}{{% cycle x %}}{}".format, _expression, inner),
        st.builds("{{% ifchanged {} %}}{}{{% else %}}-{{% endifchanged %}}".format, _expression, inner),
        st.builds("{{% autoescape on %}}{{% firstof {} x %}}{}{{% endautoescape %}}".format, _expression, inner),
        st.builds("{{% spaceless %}}{}{{% widthratio x 2 {} %}}{{% endspaceless %}}".format, inner, _expression),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(_document)
def test_any_well_formed_template_is_survived(source: str) -> None:
    check("f", source.encode())
    survive(source.encode())
