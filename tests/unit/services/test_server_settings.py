"""Settings: checked, changed as a whole or not at all, and secrets never shown."""

from __future__ import annotations

import pytest

from azekura.errors import InvalidRequest
from azekura.services.depot import Depot
from azekura.services.settings import LONGEST_SPAN, SETTINGS, Settings, parse_address, password_matches


@pytest.fixture
def settings(depot: Depot) -> Settings:
    return Settings(depot.catalog)


def test_what_is_not_set_has_its_default(settings: Settings) -> None:
    assert settings.shown() == {}
    for key, setting in SETTINGS.items():
        assert settings.get(key) == setting.default
        if setting.default:
            setting.check(setting.default)


def test_a_change_says_what_really_changed(settings: Settings) -> None:
    assert settings.change({"user.a": "1", "user.b": ""}, replace=False) == {"user.a": "1"}
    assert settings.change({"user.a": "1"}, replace=False) == {}
    assert settings.change({"user.c": "3"}, replace=True) == {"user.c": "3", "user.a": ""}
    assert settings.shown() == {"user.c": "3"}


def test_one_bad_value_leaves_all_as_it_was(settings: Settings) -> None:
    settings.change({"user.a": "1"}, replace=False)
    with pytest.raises(InvalidRequest, match=r"cannot set 'images\.remote_cache_expiry' to 'soon'"):
        settings.change({"user.a": "2", "images.remote_cache_expiry": "soon"}, replace=True)
    assert settings.shown() == {"user.a": "1"}


def test_a_secret_is_shown_as_true_and_kept_when_that_comes_back(settings: Settings) -> None:
    settings.change({"core.trust_password": "sesame"}, replace=False)
    assert settings.shown() == {"core.trust_password": "true"}
    assert "sesame" not in settings.get("core.trust_password")
    before = settings.get("core.trust_password")
    assert settings.change({"core.trust_password": "true", "user.a": "1"}, replace=True) == {"user.a": "1"}
    assert settings.get("core.trust_password") == before
    assert password_matches(before, "sesame")
    settings.change({"core.trust_password": ""}, replace=False)
    assert "core.trust_password" not in settings.shown()


def test_a_change_can_be_taken_back(settings: Settings) -> None:
    settings.change({"core.trust_password": "sesame", "user.a": "1"}, replace=False)
    before = settings.stored()
    changed = settings.change({"core.trust_password": "other", "user.a": "", "user.b": "2"}, replace=False)
    settings.restore({key: before.get(key) for key in changed})
    assert settings.stored() == before


@pytest.mark.parametrize("key", ["images.remote_cache_expiry", "images.undelete_hours", "images.auto_update_interval"])
def test_spans_stay_within_what_a_date_can_be_moved_by(settings: Settings, key: str) -> None:
    for value in (str(LONGEST_SPAN + 1), str(-LONGEST_SPAN - 1), "9" * 30, "1_000", "²", " 1", "1.0", "0x10"):
        with pytest.raises(InvalidRequest):
            settings.change({key: value}, replace=False)
    for value in (str(LONGEST_SPAN), "0", "-1", "+5"):
        settings.change({key: value}, replace=False)
        assert settings.number(key) == int(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[::]:8443", ("::", 8443)),
        ("[::1]", ("::1", 8443)),
        ("::1", ("::1", 8443)),
        ("10.0.0.1", ("10.0.0.1", 8443)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
        (":0", ("", 0)),
        ("host:443", ("host", 443)),
    ],
)
def test_addresses_are_read(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["[::1", "[::1]x", "host:99999", "host:-1", "host:x", "1:2:3:x", "host:٣"])
def test_addresses_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_address(text)
