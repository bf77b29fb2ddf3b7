"""The client's own certificate and key: made when first needed, kept in the settings folder."""

from __future__ import annotations

import getpass
import os
import socket
import sys

from azekura.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.client.config import Config

VALID_DAYS = 3650


def ensure(config: Config) -> None:
    """Make ``client.crt`` and ``client.key`` if they aren't there.

    Raises:
        HostError: they can't be written.
    """
    if os.path.exists(f"{config.folder}/client.crt") and os.path.exists(f"{config.folder}/client.key"):
        return
    sys.stderr.write("Generating a client certificate. This may take a minute...\n")
    certificate, key = generate()
    try:
        os.makedirs(config.folder, mode=0o750, exist_ok=True)
        for name, content, mode in (("client.key", key, 0o600), ("client.crt", certificate, 0o644)):
            path = f"{config.folder}/{name}"
            with open(os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
                file.write(content)
            os.rename(f"{path}.new", path)
    except OSError as exc:
        raise HostError(f"Can't save the client certificate in {config.folder}: {exc.strerror or exc}") from exc


def generate() -> tuple[bytes, bytes]:
    """A self-signed certificate for this user, and its key, both PEM; ECDSA on P-384 as LXD makes them."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP384R1())
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "UNKNOWN"
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "azekura"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{user}@{socket.gethostname()}"[:64]),
        ]
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA384())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
