"""Go's formats, numbers and letters, as templates see them."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azekura.templates import go_float, go_format, go_time, numbers, runes
from azekura.templates.filters import links
from azekura.templates.filters.html import remove_tags
from azekura.templates.tags.capture import spaceless
from azekura.templates.values import Device, Items, Table, Value


def sprintf(layout: str, *operands: Value) -> str:
    return go_format.sprintf(layout.encode(), list(operands), lambda _: None).decode()


@pytest.mark.parametrize(
    ("layout", "operand", "expected"),
    [
        ("%08.3f|", -3.14159, "-003.142|"),
        ("%+.2e", 12345.678, "+1.23e+04"),
        ("%g %[1]G", 1e-7, "1e-07 1E-07"),
        ("%v", 1234567.0, "1.234567e+06"),
        ("%v", 123456.0, "123456"),
        ("%v", 0.0001, "0.0001"),
        ("%6.2f|%-8[1]f|", 1.5, "  1.50|1.500000|"),
        ("%#g", 1.0, "1.00000"),
        ("%#v", 1.0, "1"),
        ("%x", 1.5, "0x1.8p+00"),
        ("%.1x", 1.96875, "0x1.0p+01"),
        ("%b", 1.0, "4503599627370496p-52"),
        ("%5v|", math.inf, " +Inf|"),
        ("%05v|", math.nan, "  NaN|"),
        ("%x", -255, "-ff"),
        ("%#b", 5, "0b101"),
        ("%O", 8, "0o10"),
        ("%+.3d", 7, "+007"),
        ("%-5d|", 7, "7    |"),
        ("%.0d|", 0, "|"),
        ("%c", 0x1F600, "\U0001f600"),
        ("%c", -1, "\ufffd"),
        ("%#U", 0x65E5, "U+65E5 '日'"),
        ("%s", 5, "%!s(int=5)"),
        ("%5t|", True, " true|"),
        ("%!", 5, "%!!(int=5)"),
        ("%d %d", 5, "5 %!d(MISSING)"),
        ("%[2]d", 5, "%!d(BADINDEX)"),
        ("%[x]d", 5, "%!d(BADINDEX)"),
        ("%.[1]*[1]d", 3, "003"),
        ("%99999999d", 5, "%!(NOVERB)%!(EXTRA int=5)"),
        ("%.", 5, "%!.(int=5)"),
        ("%.*d", 5, "%!d(MISSING)"),
        ("%é", 5, "%!é(int=5)"),
    ],
)
def test_numbers_print_as_gos_sprintf_prints_them(layout: str, operand: Value, expected: str) -> None:
    assert sprintf(layout, operand) == expected


@pytest.mark.parametrize(
    ("layout", "operand", "expected"),
    [
        ("%5s|%-5[1]s|%.1[1]s|", b"\xc3\xa9t", "   ét|ét   |é|"),
        ("%-5s|", b"\xc3\xa9t", "ét   |"),
        ("%.1s", b"\xc3\xa9t", "é"),
        ("%05s", b"x", "0000x"),
        ("%q", b'a"\\\n\xff\x01', '"a\\"\\\\\\n\\xff\\x01"'),
        ("%+q", "日\U0001f600".encode(), '"\\u65e5\\U0001f600"'),
        ("%#q", b"a`", '"a`"'),
        ("%#q", b"ab", "`ab`"),
        ("%# x", b"ab", "0x61 0x62"),
        ("%.1X", b"kl", "6B"),
        ("%d", b"x", "%!d(string=x)"),
        ("%d", None, "%!d(<nil>)"),
        ("%5v|", None, "<nil>|"),
        ("%#v", b"x", '"x"'),
        ("%T", Items(()), "[]string"),
    ],
)
def test_text_prints_as_gos_sprintf_prints_it(layout: str, operand: Value, expected: str) -> None:
    assert sprintf(layout, operand) == expected


def test_maps_lists_and_devices_print_as_gos_sprintf_prints_them() -> None:
    config = Table({b"type": b"nic", b"name": b"eth0"}, "config.Device")
    devices = Items((Device(b"eth0", config),), "config.DevicesSortable")
    assert sprintf("%v", devices) == "[{eth0 map[name:eth0 type:nic]}]"
    assert sprintf("%+v", devices) == "[{Name:eth0 Config:map[name:eth0 type:nic]}]"
    shown = 'config.DevicesSortable{config.DeviceNamed{Name:"eth0", Config:config.Device{"name":"eth0", "type":"nic"}}}'
    assert sprintf("%#v", devices) == shown
    assert sprintf("%3s|", Items((b"a", b"b"))) == "[  a   b]|"
    assert sprintf("%w", Items((b"a",))) == "%!w([]string=[a])"
    assert sprintf("%d", Items((b"a",))) == "[%!d(string=a)]"


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_shortest_notations_mean_the_same_number(number: float) -> None:
    for verb in "gefG":
        assert float(go_float.render(number, verb, -1)) == number
    assert float.fromhex(go_float.render(number, "x", -1)) == number
    mantissa, exponent = go_float.render(number, "b", -1).split("p")
    assert math.ldexp(int(mantissa), int(exponent)) == number


@settings(deadline=None)
@given(st.binary(max_size=40), st.sampled_from([b"x", 5, -1, 1.5, None, True, Items((b"a",)), Table({b"k": b"v"})]))
def test_any_layout_is_formatted(layout: bytes, operand: Value) -> None:
    go_format.sprintf(b"%" + layout, [operand], lambda _: None)


@settings(deadline=None)
@given(st.text(alphabet="%[]*.0123456789+-# vdsqxXTtcUeEfgGbopO\u00e9", max_size=30), st.sampled_from([b"x", 5, 1.5]))
def test_any_directive_is_formatted(layout: str, operand: Value) -> None:
    go_format.sprintf(layout.encode(), [operand], lambda _: None)


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("January Jan 1 01 Monday Mon 2 _2 02 __2 002", "March Mar 3 03 Saturday Sat 4  4 04  63 063"),
        ("15 3 03 4 04 5 05 PM pm 2006 06", "17 5 05 6 06 7 07 PM pm 2023 23"),
        ("Janet Months MST", "Janet Months CET"),
        (".000 .999999999 ,0000000000 .0001", ".089 .089 ,089000000 .0003"),
        ("Z07:00 Z0700 -07 -07:00:00 -0700", "+01:00 +0100 +01 +01:00:00 +0100"),
        ("_2006", "_2023"),
        ("07 % Y", "07 % Y"),
    ],
)
def test_time_layouts_are_gos(layout: str, expected: str) -> None:
    moment = datetime(2023, 3, 4, 17, 6, 7, 89000, tzinfo=timezone(timedelta(hours=1), "CET"))
    assert go_time.render(moment, layout.encode()).decode() == expected


@pytest.mark.parametrize(
    ("base", "exponent", "expected"),
    [
        (0.0, -1.0, math.inf),
        (-0.0, -3.0, -math.inf),
        (-8.0, 1 / 3, math.nan),
        (-1.0, math.inf, 1.0),
        (0.5, math.inf, 0.0),
        (2.0, 5000.0, math.inf),
        (-2.0, 5001.0, -math.inf),
        (2.0, -1074.0, 5e-324),
        (1.0, math.nan, 1.0),
        (math.inf, -1.0, 0.0),
        (-math.inf, 3.0, -math.inf),
        (3.0, 1e300, math.inf),
    ],
)
def test_powers_at_the_edges_are_c99s(base: float, exponent: float, expected: float) -> None:
    result = numbers.power(base, exponent)
    assert result == expected or (math.isnan(result) and math.isnan(expected))


@settings(deadline=None)
@given(st.floats(), st.floats())
def test_powers_are_those_of_the_host_but_for_the_last_digits(base: float, exponent: float) -> None:
    try:
        expected = math.pow(base, exponent)
    except (OverflowError, ValueError):
        return
    result = numbers.power(base, exponent)
    assert math.isnan(expected) == math.isnan(result)
    if not math.isnan(expected):
        assert result == expected or math.isclose(result, expected, rel_tol=1e-9, abs_tol=1e-300)


@pytest.mark.parametrize(
    "text", [b"1__0", b"_1", b"1_", b"1_.5", b"1._5", b"1e_5", b"0x1", b" 1", b"1 ", b"+nan", b"0b1"]
)
def test_what_gos_syntax_does_not_know_counts_as_nothing(text: bytes) -> None:
    assert numbers.parse_float(text) == 0


def test_integers_wrap_and_divide_as_in_go() -> None:
    assert numbers.wrap(1 << 63) == -(1 << 63)
    assert numbers.quotient(-(1 << 63), -1) == -(1 << 63)
    assert numbers.remainder(-(1 << 63), -1) == 0
    assert numbers.divide(-1.0, 0.0) == -math.inf
    assert numbers.divide(1.0, -0.0) == -math.inf
    assert math.isnan(numbers.divide(0.0, 0.0))


def test_letters_change_case_one_for_one() -> None:
    assert runes.upper("ßŉﬁᾳǆ".encode()).decode() == "ßŉﬁᾼǄ"
    assert runes.lower("İΑΣ".encode()).decode() == "iας".replace("ς", "σ")
    assert runes.title(b"a_b c-d e'f") == b"A_b C-D E'F"
    assert runes.upper_first(b"\xffa") == "\ufffda".encode()


@settings(deadline=None)
@given(st.binary())
def test_cutting_into_characters_loses_nothing(text: bytes) -> None:
    assert b"".join(runes.pieces(text)) == text
    assert len(runes.pieces(text)) == runes.count(text) == len(runes.decode(text))


# The patterns that LXD's engine uses. They need time quadratic in a text's length, ours don't.
_JUNCTION = re.compile(rb"(<.*?>)([\t\n\v\f\r ]+)(<.*?>)")
_ADDRESS = re.compile(rb"(?:https?://|www\.|(?:^|[ ])[0-9A-Za-z_\-]+\.(?:com|net|org|info|biz|de)).*?(?:[ ]+|\Z)")
_MAIL = re.compile(rb"\w+@\w+\.\w{2,4}")


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"<", b">", b" ", b"\n", b"a"]), max_size=20).map(b"".join))
def test_spaceless_removes_what_repeated_replacing_removes(text: bytes) -> None:
    expected, before = text, b""
    while expected != before:
        expected, before = _JUNCTION.sub(rb"\1\3", expected), expected
    assert spaceless(text) == expected
    assert remove_tags(text) == re.sub(rb"<[^>]*?>", b"", text)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [b"http://", b"www.", b" ", b"a.com", b"\n", b"x", b"b.de", b"-", b"@", b".", b"_1", b"museum"]
        ),
        max_size=12,
    ).map(b"".join)
)
def test_links_are_found_where_the_patterns_find_them(text: bytes) -> None:
    addresses = list(links._addresses(text))
    assert addresses == [match.span() for match in _ADDRESS.finditer(text)]
    mails = _MAIL.sub(lambda match: b'<a href="mailto:%b">%b</a>' % (match[0], match[0]), text)
    assert links._link_mail(text, -1) == mails
