"""Who is let in: passwords, tokens, certificates and their dates."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.fakes.depot import TurnableClock
from tests.fakes.tls_identity import make_identity

from azekura.errors import AlreadyExists, Forbidden, InvalidRequest, NotFound, TooLarge
from azekura.services.depot import Depot
from azekura.services.settings import Settings, hash_password, password_matches
from azekura.services.trust import Trust, encode_join_token, fingerprint_of, parse_certificate


@pytest.fixture
def trust(depot: Depot) -> Trust:
    return Trust(depot)


@pytest.fixture
def certificate(tmp_path: Path, clock: TurnableClock) -> x509.Certificate:
    """Valid for two days around now, to which the clock is set."""
    certificate = x509.load_pem_x509_certificate(make_identity(tmp_path, "alice").certificate.read_bytes())
    clock.now = certificate.not_valid_before_utc + timedelta(hours=1)
    return certificate


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


# -- the password


def test_a_password_is_kept_as_a_salted_hash() -> None:
    one, other = hash_password("sesame"), hash_password("sesame")
    assert one != other
    assert "sesame" not in one
    assert password_matches(one, "sesame")
    assert password_matches(other, "sesame")
    assert not password_matches(one, "Sesame")
    assert not password_matches(one, "")
    assert not password_matches("", "")
    assert not password_matches("", "sesame")


def test_the_right_password_opens_and_a_wrong_one_does_not(depot: Depot, trust: Trust) -> None:
    Settings(depot.catalog).change({"core.trust_password": "sesame"}, replace=False)
    trust.check_password("sesame", "10.0.0.1")
    with pytest.raises(Forbidden, match="not authorized"):
        trust.check_password("wrong", "10.0.0.1")


def test_without_a_password_none_opens(trust: Trust) -> None:
    for word in ("", "x", "true"):
        with pytest.raises(Forbidden):
            trust.check_password(word, "10.0.0.1")


def test_wrong_passwords_make_their_address_wait_and_no_other(depot: Depot) -> None:
    now = [1000.0]
    trust = Trust(depot, seconds=lambda: now[0])
    Settings(depot.catalog).change({"core.trust_password": "sesame"}, replace=False)
    for _ in range(5):
        with pytest.raises(Forbidden):
            trust.check_password("wrong", "10.0.0.1")
    with pytest.raises(Forbidden, match="not authorized") as refused:
        trust.check_password("sesame", "10.0.0.1")
    assert refused.value.hint == "too many wrong passwords, try again in a minute"
    trust.check_password("sesame", "10.0.0.2")
    now[0] += 61
    trust.check_password("sesame", "10.0.0.1")


def test_wrong_passwords_of_many_addresses_are_forgotten(depot: Depot) -> None:
    now = [1000.0]
    trust = Trust(depot, seconds=lambda: now[0])
    for number in range(300):
        now[0] += 1
        with pytest.raises(Forbidden):
            trust.check_password("wrong", f"10.0.1.{number}")
    assert len(trust._failures) <= 61


# -- tokens


def test_a_join_token_is_taken_once(trust: Trust) -> None:
    token, secret = trust.issue_join_token("laptop", restricted=True, projects=())
    taken = trust.take_join_token(secret)
    assert taken is not None
    assert taken.id == token.id
    assert taken.name == "laptop"
    assert taken.restricted
    assert trust.take_join_token(secret) is None


def test_a_join_token_ends_when_the_setting_says(depot: Depot, trust: Trust) -> None:
    Settings(depot.catalog).change({"core.remote_token_expiry": "1w 2H"}, replace=False)
    token, _ = trust.issue_join_token("laptop", restricted=False, projects=())
    assert token.expires_at == token.created_at + timedelta(days=7, hours=2)


def test_a_join_token_in_lxds_form_is_taken(trust: Trust) -> None:
    _, secret = trust.issue_join_token("laptop", restricted=False, projects=())
    text = encode_join_token("laptop", secret, "f" * 64, ["10.0.0.1:8443"], "2030-01-02T00:00:00Z")
    assert trust.take_join_token(f" {text}\n") is not None


def test_a_join_token_is_encoded_as_lxds_clients_read_it() -> None:
    text = encode_join_token("laptop", "secret", "f" * 64, ["10.0.0.1:8443"], "2030-01-02T00:00:00Z")
    assert json.loads(base64.b64decode(text, validate=True)) == {
        "client_name": "laptop",
        "fingerprint": "f" * 64,
        "addresses": ["10.0.0.1:8443"],
        "secret": "secret",
        "expires_at": "2030-01-02T00:00:00Z",
    }


def test_a_join_token_lasts_a_day(trust: Trust, clock: TurnableClock) -> None:
    _, early = trust.issue_join_token("a", restricted=False, projects=())
    _, late = trust.issue_join_token("b", restricted=False, projects=())
    clock.turn(hours=23, minutes=59)
    assert trust.take_join_token(early) is not None
    clock.turn(minutes=1)
    assert trust.take_join_token(late) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "{}",
        "e30=",
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b'{"secret": {}}').decode(),
        "é",
        "\ud800",
        "=" * 9,
    ],
)
def test_what_is_no_token_opens_nothing(trust: Trust, text: str) -> None:
    trust.issue_join_token("a", restricted=False, projects=())
    assert trust.take_join_token(text) is None
    assert trust.reader(text) is None


def test_a_revoked_token_opens_nothing(trust: Trust) -> None:
    token, secret = trust.issue_join_token("a", restricted=False, projects=())
    trust.revoke(token.id)
    assert trust.take_join_token(secret) is None
    with pytest.raises(NotFound):
        trust.revoke(token.id)


def test_a_read_token_reads_until_it_expires_and_never_joins(trust: Trust, clock: TurnableClock) -> None:
    _, secret = trust.issue_read_token("ci", "debian/*", clock() + timedelta(hours=1))
    found = trust.reader(secret)
    assert found is not None
    assert found.scope == "debian/*"
    assert trust.reader(secret) is not None
    clock.turn(hours=1)
    assert trust.reader(secret) is None


def test_a_token_serves_its_own_purpose_only(trust: Trust) -> None:
    _, read = trust.issue_read_token("ci", "*", None)
    _, join = trust.issue_join_token("a", restricted=False, projects=())
    assert trust.reader(join) is None
    assert trust.take_join_token(read) is None
    assert trust.reader(read) is not None, "a read token offered as a join token is not used up"
    assert trust.take_join_token(join) is not None


def test_of_a_token_only_the_hash_is_kept(depot: Depot, trust: Trust) -> None:
    _, secret = trust.issue_read_token("ci", "*", None)
    for path in depot.folder.root.glob("azekura.db*"):
        assert secret.encode() not in path.read_bytes()


def test_a_read_token_needs_a_scope(trust: Trust) -> None:
    with pytest.raises(InvalidRequest, match="needs a scope"):
        trust.issue_read_token("ci", "", None)


# -- certificates


def test_a_trusted_certificate_is_known_by_its_bytes(trust: Trust, certificate: x509.Certificate) -> None:
    assert trust.identify(der(certificate)) is None
    added = trust.add(certificate, "")
    assert added.name == "alice"
    assert added.fingerprint == fingerprint_of(der(certificate))
    assert trust.identify(der(certificate)) == added
    with pytest.raises(AlreadyExists, match="Certificate already in trust store"):
        trust.add(certificate, "other")
    trust.remove(added.fingerprint[:12])
    assert trust.identify(der(certificate)) is None


def test_a_certificate_outside_its_dates_is_a_strangers(
    trust: Trust, certificate: x509.Certificate, clock: TurnableClock
) -> None:
    trust.add(certificate, "alice")
    clock.now = certificate.not_valid_after_utc + timedelta(seconds=1)
    assert trust.identify(der(certificate)) is None
    clock.now = certificate.not_valid_before_utc - timedelta(seconds=1)
    assert trust.identify(der(certificate)) is None
    clock.now = certificate.not_valid_before_utc
    assert trust.identify(der(certificate)) is not None


def test_a_certificate_is_read_as_pem_and_as_base64(certificate: x509.Certificate) -> None:
    pem = certificate.public_bytes(Encoding.PEM).decode()
    assert parse_certificate(f"\n{pem}\n") == certificate
    assert parse_certificate(base64.b64encode(der(certificate)).decode()) == certificate


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: "", InvalidRequest),
        (lambda: "rubbish", InvalidRequest),
        (lambda: "-----BEGIN CERTIFICATE-----", InvalidRequest),
        (lambda: "\ud800", InvalidRequest),
        (lambda: "-----BEGIN é\ud800", InvalidRequest),
        (lambda: "A" * 70_000, TooLarge),
    ],
)
def test_what_is_no_certificate_is_refused(make: Callable[[], str], error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_certificate(make())
