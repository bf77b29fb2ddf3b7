"""Templates that would stop LXD's daemon, or keep it busy for ever."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest
from tests.unit.templates.contexts import rendered

from azekura.templates import TemplateFailed

STEPS, SIZE = "more than the 1000000 steps", "larger than the 1048576 bytes"
MANY = 10_000
CONFIG = {
    "www": "www." * 250_000,
    "lines": "www." * 250_000 + "\n",
    "at": "a@" * 500_000,
    "word": "x" * 1_000_000,
    "open": "<" * 1_000_000,
    "junctions": "> <" * 330_000,
    "tags": "<b>" * 330_000,
    "commas": "," * 1_000_000,
    "letters": "é\n" * 330_000,
    "digits": "1" * 1_000_000,
}


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    """No case may take long, whatever it holds: seconds of this thread's own time."""
    started = time.thread_time()
    yield
    assert time.thread_time() - started < 20


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "more than 1000 deep"),
        ("{% macro m(a=m()) %}{% endmacro %}{{ m() }}", "more than 1000 deep"),
        (
            "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
            "more than 1000 deep",
        ),
        ("{% macro m(n) %}{% if n > 0 %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}", STEPS),
        ('{{ "x"|ljust:1000000000000 }}', SIZE),
        ('{{ "x"|center:9223372036854775807 }}', SIZE),
        ("{{ 1.5|floatformat:100000000 }}", SIZE),
        ("{{ 1|stringformat:properties.f }}", SIZE),
        ('{% set a = "xxxxxxxx" %}' + "{% set a = a|add:a %}" * 60, SIZE),
        ('{% set s = "x"|ljust:1000 %}{{ "x"|ljust:100000|make_list|join:s }}', SIZE),
        ("{% lorem 1000000000000 %}", SIZE),
        (('{% for x in "' + "x" * 200 + '" %}') * 6 + "{% endfor %}" * 6, STEPS),
        ("{{ " + "(" * MANY + "1" + ")" * MANY + " }}", "nested more than 1000 deep"),
        ("{{ " + "a(" * MANY + "1" + ")" * MANY + " }}", "nested more than 1000 deep"),
        ("{{ a" + "|cut:a(1" * MANY + ")" * MANY + " }}", "nested more than 1000 deep"),
        ("{% if true %}" * MANY, "nested more than 1000 deep"),
        ("{% macro m() %}" * 2_000 + "{% endmacro %}" * 2_000, "nested more than 1000 deep"),
        ("{{" * MANY, "Expected either"),
        ('{{ config_get("word", "")|removetags:config_get("commas", "") }}', STEPS),
        ('{{ config_get("www", "")|urlize }}', SIZE),
        ('{{ config_get("letters", "")|escapejs }}', SIZE),
        ('{% set w = config_get("word", "") %}{% for x in w %}{% if "xy" in w %}{% endif %}{% endfor %}', STEPS),
        ('{% set w = config_get("digits", "") %}{% for x in w %}{% if w * w %}{% endif %}{% endfor %}', STEPS),
        ('{% set w = config_get("letters", "") %}{% for x in w %}{{ w|first }}{% endfor %}', STEPS),
        (
            '{% set w = config_get("word", "") %}{% for x in w %}{% ifequal w w %}{% endifequal %}{% endfor %}',
            STEPS,
        ),
    ],
)
def test_excess_is_refused(source: str, reason: str) -> None:
    with pytest.raises(TemplateFailed, match=reason):
        rendered(source, config=CONFIG, properties={"f": "%1000000d%[1]d" * 2 + "%[1]v" + "x" * 1_000_000})


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("{{ " + "1 and " * MANY + "1 }}", 4),
        ("{{ " + "1^" * MANY + "1 }}", 8),
        ("{{ " + "1+" * MANY + "1 }}", 5),
        ("{{ a" + ".a" * MANY + " }}", 0),
        ("{{ a" + "|upper" * MANY + " }}", 0),
        ("{{ " + "(" * 1_000 + "1" + ")" * 1_000 + " }}", 1),
        ("{% if true %}" * 1_000 + "x" + "{% endif %}" * 1_000, 1),
        ("{##}" * 250_000, 0),
        ("{{ '" + '\\"' * 400_000 + "' }}", 400_000),
        ("{% now '" + "2006" * 200_000 + "' %}", 800_000),
        ("{{ 0." + "1" * 900_000 + " }}", 8),
        ('{{ config_get("digits", "") + 1 }}', 1),
        ('{{ config_get("at", "")|urlize|length }}', 7),
        ('{{ config_get("word", "")|urlize|length }}', 7),
        ('{{ config_get("open", "")|striptags|length }}', 7),
        ('{% spaceless %}{{ config_get("open", "") }}{% endspaceless %}', 1_000_000),
        ('{% spaceless %}{{ config_get("junctions", "") }}{% endspaceless %}', 660_002),
        ('{{ config_get("junctions", "")|wordwrap:1|length }}', 6),
        ('{{ config_get("letters", "")|title|length }}', 6),
        ("{% with a=1 %}" * 900 + "{% for x in 'xxx' %}{{ path }}{% endfor %}" + "{% endwith %}" * 900, 18),
    ],
)
def test_the_unusual_is_rendered(source: str, size: int) -> None:
    assert len(rendered(source, config=CONFIG)) == size


def test_depth_does_not_depend_on_the_hosts_stack() -> None:
    """The same template is rendered with little of Python's stack left."""

    def deeper(levels: int) -> bytes:
        if levels:
            return deeper(levels - 1)
        return rendered("{% if ((((((((((1)))))))))) %}" * 500 + "x" + "{% endif %}" * 500)

    used = 0
    frame = sys._getframe()
    while frame.f_back is not None:
        frame, used = frame.f_back, used + 1
    assert deeper(sys.getrecursionlimit() - used - 60) == b"x"
