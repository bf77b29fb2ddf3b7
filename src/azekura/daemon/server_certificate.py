"""The server's certificate: made at the first start, replaceable by putting other files in its place."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from azekura.errors import HostError

YEARS = 10


def load_or_create(certificate: Path, key: Path) -> tuple[str, str]:
    """The certificate's PEM and fingerprint (sha256 of its DER form, hex); both files are made if neither is there.

    Raises:
        HostError: the files can't be read or written, or one of them is missing.
    """
    try:
        if certificate.exists() != key.exists():
            raise HostError(f"Of {certificate} and {key} one is missing: put it back, or remove the other one as well")
        if not certificate.exists():
            _create(certificate, key)
        pem = certificate.read_text()
        first = x509.load_pem_x509_certificate(pem.encode())
    except OSError as exc:
        raise HostError(f"Can't use the server's certificate {certificate}: {exc.strerror}") from exc
    except ValueError as exc:
        raise HostError(f"{certificate} is not a certificate in PEM form: {exc}") from exc
    return first.public_bytes(Encoding.PEM).decode(), hashlib.sha256(first.public_bytes(Encoding.DER)).hexdigest()


def _create(certificate: Path, key: Path) -> None:
    host = socket.gethostname()[:64] or "localhost"
    private = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "azekura"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"root@{host}"[:64]),
        ]
    )
    alternatives: list[x509.GeneralName] = []
    for label in dict.fromkeys((host, "localhost")):
        with contextlib.suppress(ValueError):
            alternatives.append(x509.DNSName(label))
    alternatives += [x509.IPAddress(ipaddress.ip_address(one)) for one in sorted(_addresses())]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_encipherment=True,
                content_commitment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(private, hashes.SHA384())
    )
    _write(key, private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()), 0o600)
    _write(certificate, made.public_bytes(Encoding.PEM), 0o644)


def _addresses() -> set[str]:
    """The host's own addresses, for the certificate's alternative names."""
    found = {"127.0.0.1", "::1"}
    for line in _read("/proc/net/if_inet6").splitlines():
        digits = line.split()[0]
        address = ipaddress.IPv6Address(bytes.fromhex(digits))
        if not address.is_link_local:
            found.add(str(address))
    with contextlib.suppress(OSError):
        for _, _, _, _, target in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET):
            found.add(str(target[0]))
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _write(path: Path, content: bytes, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
