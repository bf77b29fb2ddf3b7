"""Checks of what an administrator says about the way to servers images come from. Each raises ValueError."""

from __future__ import annotations

from azekura.client.proxy import Proxy
from azekura.errors import InvalidRequest
from azekura.remotes.signing import certificates
from azekura.remotes.urls import Url, split_userinfo


def check_host(host: str) -> None:
    """A host's name or address as URLs have it: lower case, without a port."""
    try:
        shown = f"[{host}]" if ":" in host else host
        if Url.parse(f"https://{shown}/").origin.host == host:
            return
    except InvalidRequest:
        pass
    raise ValueError("the part between images.server. and the last dot is no host's name in lower case")


def check_proxy(value: str) -> None:
    proxy = Proxy.parse(value)
    if proxy.user or proxy.password:
        scheme = "https" if value.startswith("https:") else "http"
        raise ValueError(
            "a setting is shown to every trusted client: give a proxy's password in the daemon's environment "
            f"(https_proxy={scheme}://USER:PASSWORD@HOST:PORT)"
        )


def check_openpgp(value: str) -> None:
    if not value.lstrip().startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----"):
        raise ValueError("it must be an armoured OpenPGP public key")
    certificates((value.encode(),))


def check_certificates(value: str) -> None:
    from cryptography import x509

    try:
        if not x509.load_pem_x509_certificates(value.encode()):
            raise ValueError
    except ValueError:
        raise ValueError("it must be one or several certificates in PEM form") from None


def check_mirrors(value: str) -> None:
    for address in value.split():
        if split_userinfo(address)[0] != address:
            raise ValueError("credentials don't belong in it: see lxc remote set-credentials")
        if Url.parse(address).origin.scheme != "https":
            raise ValueError(f"{address} is no https:// URL")
