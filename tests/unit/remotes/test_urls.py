from __future__ import annotations

import pytest

from azekura.errors import BadAnswer, InvalidRequest
from azekura.remotes.urls import Url, split_userinfo


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("https://Example.ORG", "https://example.org/"),
        ("https://example.org:443/a/b?c=d#e", "https://example.org/a/b?c=d"),
        ("http://[::1]:80/x", "http://[::1]/x"),
        ("https://[fe80::1%25eth0]:8443/", None),
        ("https://example.org/ä", "https://example.org/%C3%A4"),
        ("https://example.org/a%20b", "https://example.org/a%20b"),
    ],
)
def test_a_good_url_has_one_form(text: str, full: str | None) -> None:
    if full is None:
        assert Url.parse(text).origin.port == 8443
    else:
        assert Url.parse(text).full == full
        assert Url.parse(full) == Url.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.org",
        "//example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "unix:///run/x",
        "https://",
        "https:///x",
        "https://a:b@example.org/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://example.org:8a/",
        "https://exa mple.org/",
        "https://example.org\\@evil.org/",
        "https://example.org/\r\nHost: evil",
        "https://example.org/\x00",
        "https://exämple.org/",
        "https://[::1/",
        "https://[zz]/",
        "https://-x/",
        "https://example.org/" + "x" * 5000,
    ],
)
def test_an_odd_url_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        Url.parse(text)


def test_a_query_is_never_shown() -> None:
    url = Url.parse("https://example.org/a?secret=x")
    assert url.shown == "https://example.org/a"
    assert url.target == "/a?secret=x"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("a/b c.json", "/base/a/b%20c.json"),
        ("/a", "/base/a"),
        ("a%3Ab:c", "/base/a%3Ab:c"),
        ("a?b#c", "/base/a%3Fb%23c"),
        ("..a/b..", "/base/..a/b.."),
    ],
)
def test_files_lie_below_their_server(path: str, target: str) -> None:
    assert Url.parse("https://example.org/base/").below(path).target == target


@pytest.mark.parametrize("path", ["..", "a/../b", "%2e%2e/b", "https://x/", "a\\b", "a\nb", "", "/", "a%00"])
def test_nothing_lies_above_its_server(path: str) -> None:
    with pytest.raises(BadAnswer):
        Url.parse("https://example.org/base/").below(path)


@pytest.mark.parametrize(
    ("location", "full"),
    [
        ("/x", "https://example.org/x"),
        ("x?y#z", "https://example.org/a/x?y"),
        ("//other.org/x", "https://other.org/x"),
        ("http://other.org:8080/", "http://other.org:8080/"),
        ("../../../x", "https://example.org/x"),
    ],
)
def test_a_redirect_is_relative_to_where_it_came_from(location: str, full: str) -> None:
    assert Url.parse("https://example.org/a/b").join(location).full == full


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://user:p%40ss@host/x@y", ("https://host/x@y", "user", "p@ss")),
        ("https://u@host", ("https://host", "u", "")),
        ("https://a@b:c@host:1/", ("https://host:1/", "a@b", "c")),
        ("https://host/a@b", ("https://host/a@b", "", "")),
        ("https://host?a@b", ("https://host?a@b", "", "")),
        ("host", ("host", "", "")),
    ],
)
def test_userinfo_is_split_off(text: str, parts: tuple[str, str, str]) -> None:
    assert split_userinfo(text) == parts
