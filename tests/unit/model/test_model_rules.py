"""Names, fingerprints and architectures."""

from __future__ import annotations

import pytest

from azekura.errors import AzekuraError, InvalidRequest, NoSpace, NotFound
from azekura.model.architecture import ALIASES, PERSONALITIES, canonical, runnable
from azekura.model.fingerprint import Fingerprint, is_prefix
from azekura.model.reference import Reference, check_alias_name, check_instance_name


@pytest.mark.parametrize(
    ("text", "remote", "name"),
    [("c1", "", "c1"), ("r:c1", "r", "c1"), ("r:", "r", ""), (":c1", "", "c1"), ("a:b:c", "a", "b:c"), ("", "", "")],
)
def test_a_reference_is_split_at_the_first_colon(text: str, remote: str, name: str) -> None:
    assert Reference.parse(text) == Reference(remote, name)


def test_every_name_of_an_architecture_leads_to_the_canonical_one() -> None:
    for name, aliases in ALIASES.items():
        assert canonical(name) == name
        assert {canonical(alias) for alias in aliases} <= {name}
    assert canonical("amd64") == "x86_64"
    assert set(PERSONALITIES) <= set(ALIASES)
    assert runnable()


@pytest.mark.parametrize("name", ["", "vax", "X86_64", "x86_64 ", "amd64\n"])
def test_an_unknown_architecture_is_refused_in_lxds_words(name: str) -> None:
    with pytest.raises(InvalidRequest, match="Architecture isn't supported"):
        canonical(name)


@pytest.mark.parametrize(
    "text", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "٣" * 64, "a" * 64 + "\n", " " + "a" * 63]
)
def test_a_fingerprint_is_64_lower_case_hex_digits(text: str) -> None:
    with pytest.raises(InvalidRequest, match="Invalid image fingerprint"):
        Fingerprint.parse(text)


def test_a_fingerprint_shows_twelve_digits_in_lists() -> None:
    one = Fingerprint.parse("0123456789abcdef" * 4)
    assert one.short == "0123456789ab"
    assert str(one) == "0123456789abcdef" * 4
    assert is_prefix(one.short)
    assert not is_prefix("")
    assert not is_prefix("%")


@pytest.mark.parametrize("name", ["a", "c1", "A-b-9", "x" * 63])
def test_instance_names_may_be(name: str) -> None:
    assert check_instance_name(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "mandatory"),
        ("x" * 64, "1-63 characters"),
        ("a_b", "alphanumeric and hyphen"),
        ("a/b", "alphanumeric and hyphen"),
        ("é", "alphanumeric and hyphen"),
        ("a\n", "alphanumeric and hyphen"),
        ("1a", "start with a number"),
        ("-a", 'start with "-"'),
        ("a-", 'end with "-"'),
    ],
)
def test_instance_names_may_not_be(name: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        check_instance_name(name)


@pytest.mark.parametrize("name", ["a", "ubuntu/22.04/amd64", "é", "with blank", "x" * 256, "50%", "a:b", ".a", "a.."])
def test_alias_names_may_be(name: str) -> None:
    assert check_alias_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "x" * 257, "a//b", "/a", "a/", ".", "..", "a/../b", " a", "a ", "a\tb", "a\0", "\ud800"]
)
def test_alias_names_may_not_be(name: str) -> None:
    with pytest.raises(InvalidRequest):
        check_alias_name(name)


def test_errors_speak_one_sentence_and_keep_their_parts() -> None:
    missing = NotFound("image alias", "x")
    assert (str(missing), missing.kind, missing.name, missing.status) == (
        "Image alias not found",
        "image alias",
        "x",
        404,
    )
    full = NoSpace(path="/p", needed=10, available=3)
    assert str(full) == "No space left on /p: 10 bytes needed, 3 bytes available"
    assert str(NoSpace(path="/p")) == "No space left on /p: none left"
    assert InvalidRequest("a", issues=("a", "b")).issues == ("a", "b")
    assert InvalidRequest("a").issues == ("a",)
    assert AzekuraError("x", hint="y").hint == "y"
