"""The command line as LXD's client reads it."""

from __future__ import annotations

import pytest

from azekura.cli.command import INTEGER, OPTIONAL, TEXT, TEXTS, UNSIGNED, Flag
from azekura.cli.flags import parse, takes_value
from azekura.errors import InvalidRequest

FLAGS = (
    Flag("all", "", short="a"),
    Flag("format", "", short="f", kind=TEXT, default="table"),
    Flag("config", "", short="c", kind=TEXTS),
    Flag("timeout", "", kind=INTEGER, default="-1"),
    Flag("user", "", kind=UNSIGNED, default="0"),
    Flag("console", "", kind=OPTIONAL, bare="console"),
    Flag("quiet", "", short="q"),
)


@pytest.mark.parametrize(
    ("words", "form", "rest"),
    [
        (["x", "-f", "csv", "y"], "csv", ["x", "y"]),
        (["-fcsv"], "csv", []),
        (["-f=csv"], "csv", []),
        (["--format=csv", "x"], "csv", ["x"]),
        (["--format", "csv"], "csv", []),
        (["--format="], "", []),
        (["-aqf", "csv"], "csv", []),
        (["-aqfcsv"], "csv", []),
        (["--", "-f", "csv"], "table", ["-f", "csv"]),
        (["-", "x"], "table", ["-", "x"]),
        (["-f", "a", "-f", "b"], "b", []),
    ],
)
def test_values_are_found_wherever_they_stand(words: list[str], form: str, rest: list[str]) -> None:
    options, found = parse(words, FLAGS)
    assert (options.text("format"), found) == (form, rest)


def test_kinds_have_their_values() -> None:
    options, rest = parse(["-a", "--config", "a=b", "-c", "c=d", "--timeout", "-5", "--console", "x"], FLAGS)
    assert options.switch("all")
    assert not options.switch("quiet")
    assert options.texts("config") == ["a=b", "c=d"]
    assert options.number("timeout") == -5
    assert options.text("console") == "console"
    assert options.given("console")
    assert rest == ["x"]
    assert parse(["--console=vga"], FLAGS)[0].text("console") == "vga"
    assert not parse(["--all=false"], FLAGS)[0].switch("all")
    assert parse([], FLAGS)[0].number("timeout") == -1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nosuch"], "unknown flag: --nosuch"),
        (["--nosuch=1"], "unknown flag: --nosuch"),
        (["-z"], "unknown shorthand flag: 'z' in -z"),
        (["-az"], "unknown shorthand flag: 'z' in -az"),
        (["--format"], "flag needs an argument: --format"),
        (["-f"], "flag needs an argument: 'f' in -f"),
        (["-af"], "flag needs an argument: 'f' in -af"),
        (
            ["--all=maybe"],
            'invalid argument "maybe" for "-a, --all" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
        (
            ["--timeout", "x"],
            'invalid argument "x" for "--timeout" flag: strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (["--user", "-1"], 'invalid argument "-1" for "--user" flag: strconv.ParseUint: parsing "-1": invalid syntax'),
        (
            ["--user", "4294967296"],
            (
                'invalid argument "4294967296" for "--user" flag: '
                'strconv.ParseUint: parsing "4294967296": value out of range'
            ),
        ),
    ],
)
def test_mistakes_are_told_in_pflags_words(words: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(words, FLAGS)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("word", "expected"),
    [("-q", False), ("-f", True), ("-fcsv", False), ("--format", True), ("--format=x", False), ("--unknown", True)],
)
def test_flag_before_the_command_may_swallow_a_word(word: str, *, expected: bool) -> None:
    assert takes_value(word, FLAGS) is expected
