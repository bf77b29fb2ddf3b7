"""Lists, YAML, JSON, dates and sizes as LXD's client prints them; the expected texts were taken from it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from azekura.cli.natural import natural_key, sort_rows
from azekura.cli.output import (
    byte_size,
    decimal_size,
    is_set,
    json_line,
    megabytes,
    printable,
    seconds_of,
    short_date,
    upload_date,
)
from azekura.cli.table import render
from azekura.cli.yaml_output import dump
from azekura.errors import InvalidRequest

HEADER = ["NAME", "image.os", "X_Y"]
ROWS = [["c1", "Debian", "1"], ["longer", "", "2\n3"]]


def test_table_centres_titles_and_rules_every_row() -> None:
    assert render("table", HEADER, ROWS, None) == (
        "+--------+----------+-----+\n"
        "|  NAME  | IMAGE OS | X Y |\n"
        "+--------+----------+-----+\n"
        "| c1     | Debian   | 1   |\n"
        "+--------+----------+-----+\n"
        "| longer |          | 2   |\n"
        "|        |          | 3   |\n"
        "+--------+----------+-----+\n"
    )


def test_compact_has_gutters_and_no_borders() -> None:
    assert render("compact", HEADER, ROWS, None) == (
        "   NAME   IMAGE OS  X Y  \n  c1      Debian    1    \n  longer            2    \n                    3    \n"
    )


def test_empty_table_shows_its_header() -> None:
    assert render("table", ["A"], [], None) == "+---+\n| A |\n+---+\n"


def test_csv_quotes_what_needs_it() -> None:
    rows = [["a,b", 'say "x"', " lead", "l1\nl2", "", "plain"]]
    assert render("csv", HEADER, rows, None) == '"a,b","say ""x"""," lead","l1\nl2",,plain\n'


def test_json_is_one_line_with_markup_escaped() -> None:
    assert render("json", HEADER, [], [{"a": "<b> & ü"}]) == '[{"a":"\\u003cb\\u003e \\u0026 ü"}]\n'
    assert json_line([]) == "[]\n"


def test_unknown_format_is_told() -> None:
    with pytest.raises(InvalidRequest, match='Invalid format "foo"'):
        render("foo", HEADER, ROWS, None)


def test_wide_characters_keep_columns_straight() -> None:
    lines = render("table", ["N"], [["校倉"], ["ab"]], None).splitlines()
    assert lines[3] == "| 校倉 |"
    assert lines[5] == "| ab   |"


def test_control_characters_reach_no_terminal() -> None:
    assert "\x1b" not in render("table", ["N"], [["\x1b]0;title\x07\x9b31m"]], None).replace("\n", "")
    assert printable("a\x1b[31m\nb\x7f") == "a\\x1b[31m\nb\\x7f"


def test_rows_are_sorted_naturally_with_empty_cells_last() -> None:
    rows = [["c10"], [""], ["c9"], ["C1"], ["c9a"], ["1"]]
    sort_rows(rows)
    assert [row[0] for row in rows] == ["1", "C1", "c9", "c9a", "c10", ""]


@given(st.lists(st.text(max_size=8), max_size=6))
def test_natural_order_does_not_depend_on_the_order_before(texts: list[str]) -> None:
    keys = [natural_key(text) for text in texts]
    backwards = list(reversed(keys))
    assert sorted(keys) == sorted(backwards)


def test_yaml_quotes_what_would_not_read_back_as_text() -> None:
    assert dump(
        {
            "expires_at": "1970-01-01T00:00:00Z",
            "properties": {
                "bool": "yes",
                "colon": "a: b",
                "date": "2020-01-01",
                "empty": "",
                "expires_at": "2020-01-01",
                "float": "1.10",
                "lines": "a\nb\n",
                "octal": "0755",
                "plain": "Debian 12 (bookworm)",
                "y": "n",
            },
            "public": False,
            "size": 12,
            "profiles": None,
            "list": ["default"],
            "nothing": None,
        }
    ) == (
        "expires_at: 1970-01-01T00:00:00Z\n"
        "properties:\n"
        '  bool: "yes"\n'
        "  colon: 'a: b'\n"
        '  date: "2020-01-01"\n'
        '  empty: ""\n'
        '  expires_at: "2020-01-01"\n'
        '  float: "1.10"\n'
        "  lines: |\n"
        "    a\n"
        "    b\n"
        '  octal: "0755"\n'
        "  plain: Debian 12 (bookworm)\n"
        '  "y": "n"\n'
        "public: false\n"
        "size: 12\n"
        "profiles: []\n"
        "list:\n"
        "- default\n"
        "nothing: null\n"
    )


_SAFE = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Co", "Cn", "Zl", "Zp")), max_size=30)


@given(st.dictionaries(_SAFE, _SAFE, max_size=4))
def test_yaml_of_properties_always_reads_back(properties: dict[str, str]) -> None:
    assert yaml.safe_load(dump({"properties": properties})) == {"properties": properties}


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2026-11-24T04:46:10.5Z", "Nov 24, 2026 at 4:46am (UTC)"),
        ("2026-01-02T00:05:00Z", "Jan 2, 2026 at 12:05am (UTC)"),
        ("2026-01-02T12:05:00Z", "Jan 2, 2026 at 12:05pm (UTC)"),
        ("2026-01-02T23:05:00+02:00", "Jan 2, 2026 at 9:05pm (UTC)"),
    ],
)
def test_upload_date_is_twelve_hourly_in_utc(stamp: str, expected: str) -> None:
    assert upload_date(stamp) == expected


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001 - made aware below
def test_seconds_agree_with_the_calendar(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC, microsecond=0)
    assert seconds_of(aware.isoformat().replace("+00:00", "Z")) == int(aware.timestamp())


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "", None, "soon"])
def test_no_date_is_no_date(stamp: str | None) -> None:
    assert not is_set(stamp)


def test_sizes_have_lxds_units() -> None:
    assert megabytes(1032007) == "0.98MB"
    assert byte_size(1023) == "1023B"
    assert byte_size(872448) == "852.00KiB"
    assert byte_size(1 << 40) == "1.00TiB"
    assert decimal_size(999) == "999B"
    assert decimal_size(1_400_000) == "1.40MB"
    assert short_date("2026-11-24T04:33:59Z") == "2026/11/24 04:33 UTC"
