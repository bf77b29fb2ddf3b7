"""``lxc remote add``: find a server, check who it is, and become trusted by it."""

from __future__ import annotations

import os
import sys

from azekura.cli.command import TEXT, Command, Flag
from azekura.client.config import Remote
from azekura.errors import AlreadyExists, ConnectionFailed, Forbidden, HostError, InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record
    from azekura.client.server import Server

DEFAULT_PORT = 8443


def run(call: Invocation) -> None:
    options = call.options
    name, address = call.arguments[0], call.arguments[-1]
    token = decode_token(options.text("token") or address)
    if len(call.arguments) == 1:
        name = str(token["client_name"]) if token and not options.text("token") else _host_of(address)
    if ":" in name:
        raise InvalidRequest("Remote names may not contain colons")
    if "/" in name or name in ("", ".", ".."):
        raise InvalidRequest(f'Invalid remote name "{name}"')
    if name in call.config.remotes:
        known = call.config.remotes[name]
        raise AlreadyExists("remote", name, message=f"Remote {name} exists as <{known.addr}>")
    if token and not options.text("token"):
        _add_by_token(call, name, address, token)
        return
    protocol = options.text("protocol") or "lxd"
    if protocol not in ("lxd", "simplestreams"):
        raise InvalidRequest(f"Invalid protocol: {protocol}")
    if protocol == "simplestreams":
        if not address.startswith("https://"):
            raise InvalidRequest("Only https URLs are supported for simplestreams")
        call.config.remotes[name] = Remote(address, protocol=protocol, public=True)
        call.config.save()
        return
    url = normalise(address)
    if url.startswith("unix:"):
        call.config.remotes[name] = Remote(url)
        call.config.save()
        return
    password = options.text("token") or options.text("password")
    expected = str(token.get("fingerprint", "")) if token else ""
    _add(call, name, url, password=password, has_password=bool(password), expected=expected)


def normalise(address: str) -> str:
    """``host`` → ``https://host:8443``.

    Raises:
        InvalidRequest: another scheme than https and unix.
    """
    if address.startswith("unix:"):
        return address
    if address.startswith("/"):
        return f"unix://{address}"
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "https", address
    if scheme != "https":
        raise InvalidRequest(f'Invalid URL scheme "{scheme}" in "{address}"')
    host, slash, path = rest.partition("/")
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"
    if ":" not in host.rpartition("]")[2]:
        host = f"{host}:{DEFAULT_PORT}"
    return f"https://{host}{slash}{path}".rstrip("/")


def _host_of(address: str) -> str:
    host = address.partition("://")[2] or address
    host = host.partition("/")[0]
    return host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]


def decode_token(text: str) -> Record | None:
    """What a token says; None for what is none."""
    import json
    from base64 import b64decode

    try:
        token = json.loads(b64decode(text, validate=True))
    except ValueError:
        return None
    wanted = ("fingerprint", "addresses", "secret")
    return token if isinstance(token, dict) and all(token.get(key) for key in wanted) else None


def _add_by_token(call: Invocation, name: str, text: str, token: Record) -> None:
    """A token names the server's addresses and its certificate's fingerprint: nothing needs to be asked."""
    failures = []
    for address in token["addresses"]:
        try:
            _add(
                call,
                name,
                normalise(str(address)),
                password=text,
                has_password=True,
                expected=str(token["fingerprint"]),
            )
        except ConnectionFailed as exc:
            failures.append(f"{address}: {exc}")
            continue
        return
    raise ConnectionFailed("None of the addresses in the token can be reached:\n - " + "\n - ".join(failures))


def _add(call: Invocation, name: str, url: str, *, password: str, has_password: bool, expected: str) -> None:
    from azekura.cli.remote.identity import ensure

    options = call.options
    public = options.switch("public")
    config = call.config
    if not public:
        ensure(config)
    pem = _certificate_to_trust(call, url, expected)
    if pem is not None:
        _keep_certificate(config.folder, name, pem)
    config.remotes[name] = Remote(url, protocol="lxd", public=public, project=options.text("project"))
    try:
        server = call.server(name)
        if public:
            server.info  # noqa: B018 - asks the server
        else:
            become_trusted(name, server, password, has_password=has_password)
            if options.text("project"):
                server.get(f"projects/{options.text('project')}")
    except BaseException:
        if pem is not None:
            os.unlink(f"{config.folder}/servercerts/{name}.crt")
        del config.remotes[name]
        raise
    config.save()


def _certificate_to_trust(call: Invocation, url: str, expected: str) -> str | None:
    """The server's certificate (PEM), if it is to be trusted by itself; None where authorities vouch for it.

    Raises:
        Forbidden: the user says no, or it isn't the one that was announced.
    """
    from azekura.client.server import Server
    from azekura.client.tls import fingerprint_of_pem, server_certificate

    host = _host_of(url)
    port = int(url.rpartition(":")[2].partition("/")[0])
    pem = server_certificate(host, port)
    fingerprint = fingerprint_of_pem(pem)
    if expected:
        if fingerprint != expected:
            raise Forbidden(
                f"Certificate fingerprint mismatch between certificate token and server {url}: "
                f"{fingerprint} instead of {expected}"
            )
        return pem
    try:
        Server(url).info  # noqa: B018 - asks the server, under the system's authorities
    except ConnectionFailed:
        pass
    else:
        return None
    if not call.options.switch("accept-certificate"):
        print(f"Certificate fingerprint: {fingerprint}")
        answer = _ask("ok (y/n/[fingerprint])? ").strip().lower()
        is_prefix = len(answer) >= 4 and fingerprint.startswith(answer)
        if answer not in ("y", "yes") and not is_prefix:
            raise Forbidden("Server certificate NACKed by user")
    return pem


def _ask(question: str) -> str:
    sys.stdout.write(question)
    sys.stdout.flush()
    return sys.stdin.readline()


def _keep_certificate(folder: str, name: str, pem: str) -> None:
    try:
        os.makedirs(f"{folder}/servercerts", mode=0o750, exist_ok=True)
        with open(f"{folder}/servercerts/{name}.crt", "w", encoding="ascii") as file:
            file.write(pem)
    except OSError as exc:
        raise HostError(f"Could not create server cert dir: {exc.strerror or exc}") from exc


def become_trusted(name: str, server: Server, password: str, *, has_password: bool) -> None:
    """Have the server trust our certificate by ``password`` (or token), asked for unless there is one.

    Raises:
        Forbidden: it doesn't.
    """
    if server.info.get("auth") == "trusted":
        return
    if not has_password:
        if sys.stdin.isatty():
            import getpass

            password = getpass.getpass(f"Admin password (or token) for {name}: ", stream=sys.stdout)
        else:
            password = _ask(f"Admin password (or token) for {name}: ").rstrip("\n")
            print()
    asked: Record = {"password": password, "type": "client"}
    if decode_token(password):
        asked["trust_token"] = password  # where Incus and LXD since 5.21 look for it; LXD 5.0 reads "password" only
    server.post("certificates", asked)
    if server.get("/1.0").get("auth") != "trusted":
        raise Forbidden("Server doesn't trust us after authentication")
    print(f"Client certificate now trusted by server: {name}")


COMMANDS = {
    "add": Command(
        "Give a server a name",
        run,
        usage="[<remote>] <IP|FQDN|URL|token>",
        minimum=1,
        maximum=2,
        flags=(
            Flag("accept-certificate", "Trust the server's certificate unseen"),
            Flag("auth-type", "How we prove who we are (tls)", kind=TEXT),
            Flag("domain", "(not used)", kind=TEXT),
            Flag("password", "Password by which the server trusts us", kind=TEXT),
            Flag("project", "Project to work in there", kind=TEXT),
            Flag("protocol", "lxd or simplestreams", kind=TEXT),
            Flag("public", "A server of public images: we stay unknown to it"),
            Flag("token", "Token by which the server trusts us", kind=TEXT),
        ),
        description=(
            "Without a scheme, https and port 8443 are meant. The certificate's fingerprint is shown, to be compared\n"
            "with the one the server shows (lxc info), and kept: a server that shows another one later is refused."
        ),
    )
}
