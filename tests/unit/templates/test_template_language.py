"""What the corpus doesn't show: our own rules, and corners of the language."""

from __future__ import annotations

import pytest
from tests.unit.templates.contexts import rendered

from azekura.errors import InvalidRequest
from azekura.templates import Limits, TemplateFailed, check


def test_a_failure_names_template_line_column_and_reason() -> None:
    with pytest.raises(TemplateFailed) as caught:
        rendered("a\nb {{ 'x'|nosuch }}")
    failed = caught.value
    assert str(failed) == "Template \"x.tpl\" line 2: Filter 'nosuch' does not exist."
    assert (failed.template, failed.line, failed.column) == ("x.tpl", 2, 10)
    assert failed.reason == "Filter 'nosuch' does not exist."
    assert isinstance(failed, InvalidRequest)


def test_a_failure_shows_no_control_characters_of_the_template() -> None:
    with pytest.raises(TemplateFailed) as caught:
        rendered("{{ true|yesno:properties.x }}", properties={"x": "\x1b[31m\n" + "y" * 1000})
    assert caught.value.reason.isprintable()
    assert len(caught.value.reason) < 250


def test_check_finds_faults_without_rendering() -> None:
    check("ok.tpl", b"{{ 1/0 }}")
    with pytest.raises(TemplateFailed, match="Tag 'endif' not found"):
        check("bad.tpl", b"{% endif %}")


def test_a_template_cannot_reach_python_objects() -> None:
    for path in ("__class__", "__class__.__mro__", "entries", "go_type"):
        assert rendered(f"[{{{{ container.{path} }}}}]") == b"[]"
        assert rendered(f"[{{{{ devices.{path} }}}}]") == b"[]"
    with pytest.raises(TemplateFailed, match="Can't access a field by name on type string"):
        rendered("{{ container.name.__class__ }}")
    with pytest.raises(TemplateFailed, match="argument count"):
        rendered("{{ config_get.__globals__ }}")


def test_arguments_of_nothing_are_never_evaluated() -> None:
    assert rendered("[{{ nosuch.a(1/0).b(2) }}]") == b"[]"


def test_brackets_after_a_call_add_arguments_to_it() -> None:
    assert rendered('{{ config_get("a")("b") }}{{ config_get("a", "c")() }}') == b"bc"


def test_a_call_can_stand_in_the_argument_of_a_filter() -> None:
    source = '{{ "a-b"|cut:config_get("k", "-")|upper + 1 }}{{ ""|default:config_get("k", (1 + 2) * 3)|add:1 }}'
    assert rendered(source) == b"110"
    assert rendered('{% filter cut:config_get("k", "-")|upper %}a-b{% endfilter %}') == b"AB"


def test_filter_chain_of_the_tag_takes_no_operators() -> None:
    with pytest.raises(TemplateFailed, match="Malformed filter-tag arguments"):
        rendered('{% filter cut:config_get("k", "-") + 1 %}a{% endfilter %}')


def test_default_of_config_get_keeps_its_type_and_its_newlines() -> None:
    config = {"user.a": "x\r\n\n"}
    assert rendered('{{ config_get("user.a", "") }}|', config=config) == b"x|"
    assert rendered('{{ config_get("k", instance).name }}') == b"c1"
    assert rendered('{{ config_get("k", properties.p) }}|', properties={"p": "x\n"}) == b"x\n|"


def test_capfirst_prints_lists_and_maps_but_not_numbers() -> None:
    assert rendered(
        '{{ container|capfirst }}{{ "a"|make_list|capfirst }}{{ 5|capfirst }}{{ properties|capfirst }}'
    ) == (b"<map[string]string Value><[]string Value>")


def test_trigger_equals_its_text() -> None:
    source = '{% if trigger == "create" %}y{% else %}n{% endif %}'
    assert rendered(source, trigger="create") == b"y"
    assert rendered(source, trigger="create", exact_trigger=True) == b"n"


def test_letters_of_an_exact_trigger_keep_its_type() -> None:
    assert rendered('{% for c in trigger %}{{ c == "s" }}{% endfor %}', trigger="s", exact_trigger=True) == b"False"


def test_devices_come_in_the_order_in_which_they_start() -> None:
    devices = {
        "z": {"type": "nic"},
        "b": {"type": "disk", "path": "/b"},
        "root": {"type": "disk", "path": "/"},
        "a": {"type": "nic"},
        "p": {"type": "proxy"},
        "g": {"type": "gpu"},
        "q": {"type": "proxy"},
    }
    assert rendered("{% for d in devices.Sorted %}{{ d.Name }} {% endfor %}", devices=devices) == b"a z root b p q g "


def test_now_is_the_contexts_time() -> None:
    assert rendered('{% now "2006-01-02 15:04:05.000000 MST" %}') == b"2023-11-05 09:08:07.123456 UTC"


def test_random_comes_from_the_contexts_source() -> None:
    assert rendered('{{ "abcdef"|random }}{% lorem 2 w random %}') == rendered(
        '{{ "abcdef"|random }}{% lorem 2 w random %}'
    )


def test_an_error_in_a_macro_points_into_it() -> None:
    with pytest.raises(TemplateFailed, match="line 2: integer divide by zero"):
        rendered("{% macro m(x) %}\n{{ 1/x }}{% endmacro %}\n\n{{ m(0) }}")


def test_arguments_after_endcomment_are_refused() -> None:
    with pytest.raises(TemplateFailed, match="Arguments not allowed here"):
        rendered("{% comment %}x{% endcomment note %}")


def test_an_exported_macro_must_not_take_a_name_of_the_context() -> None:
    with pytest.raises(TemplateFailed, match="line 2: context key name 'devices' clashes with macro 'devices'"):
        rendered("\n{% macro devices() export %}{% endmacro %}")


def test_a_cycle_that_names_itself_ends() -> None:
    assert rendered('{% cycle c "a" as c %}{% cycle c %}{% cycle c as c %}{{ c }}') == b"aaa"


def test_invalid_utf8_passes_through_text_and_values() -> None:
    assert rendered(b"\xff{{ '\xfe' }}\x80") == b"\xff\xfe\x80"
    assert rendered(b"{{ '\xe6\x97x'|lower }}") == "\ufffd\ufffdx".encode()
    assert rendered("{{ config_get('k', '') }}", config={"k": "\udcff"}) == b"\xff"


def test_steps_are_limited() -> None:
    with pytest.raises(TemplateFailed, match="more than the 100 steps"):
        rendered('{% for a in "0123456789" %}{% for b in "0123456789" %}{% endfor %}{% endfor %}', Limits(steps=100))


def test_output_is_limited() -> None:
    assert rendered("x" * 100, Limits(output_bytes=100)) == b"x" * 100
    with pytest.raises(TemplateFailed, match="larger than the 100 bytes"):
        rendered("x" * 100 + "{{ 1 }}", Limits(output_bytes=100))


def test_values_are_limited() -> None:
    assert rendered('{{ "x"|ljust:100|length }}', Limits(value_bytes=100)) == b"100"
    for source in ('{{ "x"|ljust:101 }}', "{% macro m() %}" + "x" * 101 + "{% endmacro %}{{ m() }}"):
        with pytest.raises(TemplateFailed, match="larger than the 100 bytes"):
            rendered(source, Limits(value_bytes=100))


def test_nesting_is_limited() -> None:
    assert rendered("{{ ((1)) }}{% if 1 %}{% if 1 %}2{% endif %}{% endif %}", Limits(nesting=2)) == b"12"
    with pytest.raises(TemplateFailed, match="Brackets are nested more than 2 deep"):
        rendered("{{ (((1))) }}", Limits(nesting=2))
    with pytest.raises(TemplateFailed, match="Tags are nested more than 2 deep"):
        rendered("{% if 1 %}" * 3 + "{% endif %}" * 3, Limits(nesting=2))


def test_calls_are_limited() -> None:
    source = "{% macro m(n) %}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(4) }}"
    assert rendered(source, Limits(call_depth=5)) == b""
    with pytest.raises(TemplateFailed, match="Macros call each other more than 4 deep"):
        rendered(source, Limits(call_depth=4))


def test_the_source_is_limited() -> None:
    with pytest.raises(TemplateFailed, match="larger than the 10 bytes"):
        rendered("x" * 11, Limits(source_bytes=10))
