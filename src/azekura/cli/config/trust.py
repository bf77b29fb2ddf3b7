"""``lxc config trust …``: certificates that the server trusts, and tokens by which clients become trusted."""

from __future__ import annotations

import os
import sys

from azekura.cli.command import FORMAT, TEXT, Command, Flag
from azekura.cli.files import open_to_read
from azekura.cli.natural import sort_rows
from azekura.cli.output import json_line, short_date
from azekura.cli.table import render
from azekura.client.address import quote
from azekura.errors import InvalidRequest, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record
    from azekura.client.server import Server

HEADER = """\
### This is a YAML representation of the certificate.
### Any line starting with a '# will be ignored.
###
### Note that the fingerprint is shown but cannot be changed
"""


def add(call: Invocation) -> None:
    """A certificate from a file, or a token for a client that has yet to come."""
    arguments = call.arguments
    remote, path = call.config.default_remote, ""
    if arguments and arguments[0].endswith(":") and not os.path.exists(arguments[0]):
        remote = call.split(arguments[0])[0]
        arguments = arguments[1:]
    if len(arguments) > 1:
        raise InvalidRequest("Invalid number of arguments")
    if arguments:
        path = arguments[0]
    server = call.server(remote)
    options = call.options
    kind = options.text("type")
    if kind not in ("client", "metrics"):
        raise InvalidRequest(f"Unknown certificate type {kind}")
    order: Record = {
        "name": options.text("name"),
        "type": kind,
        "restricted": options.switch("restricted"),
        "projects": [project for project in options.text("projects").split(",") if project],
    }
    if path:
        with open_to_read(path) as file:
            order["certificate"] = certificate_body(file.read(1 << 20).decode(errors="replace"))
        order["name"] = order["name"] or os.path.basename(path)
        server.post("certificates", order)
        return
    server.require("certificate_token")
    if not order["name"]:
        order["name"] = _client_name()
    order["token"] = True
    operation = server.start("POST", "certificates", order)
    if not call.quiet:
        print(f"Client {order['name']} certificate add token:")
    print(token_text(operation.record))


def _client_name() -> str:
    """Asked for, as by LXD: a script may answer too (``echo ci | lxc config trust add``)."""
    try:
        name = input("Please provide client name: ")
    except EOFError:
        name = ""
    if not name.strip():
        raise InvalidRequest("A client needs a name", hint="--name NAME")
    return name.strip()


def certificate_body(pem: str) -> str:
    """The base64 text between the lines of a PEM certificate, as the API takes it.

    Raises:
        InvalidRequest: no PEM certificate.
    """
    _, begin, rest = pem.partition("-----BEGIN CERTIFICATE-----")
    body, end, _ = rest.partition("-----END CERTIFICATE-----")
    if not begin or not end:
        raise InvalidRequest("Invalid certificate: not a PEM file")
    return "".join(body.split())


def token_text(operation: Record) -> str:
    """A token as clients take it: base64 of what they need to find and convince the server."""
    from base64 import b64encode

    metadata = operation.get("metadata") or {}
    token = {
        "client_name": (metadata.get("request") or {}).get("name", ""),
        "fingerprint": metadata.get("fingerprint", ""),
        "addresses": metadata.get("addresses") or [],
        "secret": metadata.get("secret", ""),
        "expires_at": metadata.get("expiresAt") or "0001-01-01T00:00:00Z",
    }
    return b64encode(json_line(token).strip().encode()).decode()


def list_certificates(call: Invocation) -> None:
    remote, _ = call.split(call.argument(0))
    certificates = call.server(remote).get("certificates", {"recursion": "1"})
    rows = []
    if call.options.text("format") in ("table", "compact", "csv"):
        rows = [_row(certificate) for certificate in certificates]
        sort_rows(rows)
    header = ["TYPE", "NAME", "COMMON NAME", "FINGERPRINT", "ISSUE DATE", "EXPIRY DATE"]
    sys.stdout.write(render(call.options.text("format"), header, rows, certificates))


def _row(certificate: Record) -> list[str]:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    from azekura.cli.output import upload_date

    name, issued, expires = "", "", ""
    try:
        parsed = x509.load_pem_x509_certificate(str(certificate.get("certificate", "")).encode())
    except ValueError:
        pass  # a certificate we can't read is still listed
    else:
        names = parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        name = str(names[0].value) if names else ""
        issued, expires = (
            upload_date(moment.isoformat().replace("+00:00", "Z"))
            for moment in (parsed.not_valid_before_utc, parsed.not_valid_after_utc)
        )
    fingerprint = str(certificate["fingerprint"])[:12]
    return [str(certificate.get("type", "")), str(certificate.get("name", "")), name, fingerprint, issued, expires]


def _tokens(server: Server) -> list[tuple[str, Record]]:
    """Open tokens: their operations by the client's name."""
    found = []
    operations = server.get("operations", {"recursion": "1"}) or {}
    for group in operations.values():
        for operation in group:
            metadata = operation.get("metadata") or {}
            if operation.get("class") == "token" and operation.get("status_code") == 103 and "request" in metadata:
                found.append((str((metadata["request"] or {}).get("name", "")), operation))
    return found


def list_tokens(call: Invocation) -> None:
    remote, _ = call.split(call.argument(0))
    rows, shown = [], []
    for name, operation in _tokens(call.server(remote)):
        expires = str((operation.get("metadata") or {}).get("expiresAt") or "")
        when = short_date(expires, local=True) if expires and not expires.startswith("0001") else ""
        rows.append([name, token_text(operation), when])
        shown.append({"ClientName": name, "Token": rows[-1][1], "ExpiresAt": when})
    sort_rows(rows)
    sys.stdout.write(render(call.options.text("format"), ["NAME", "TOKEN", "EXPIRES AT"], rows, shown))


def revoke_token(call: Invocation) -> None:
    remote, name = call.split(call.arguments[0])
    if len(call.arguments) > 1:
        name = call.arguments[1]
    server = call.server(remote)
    for client, operation in _tokens(server):
        if client == name:
            server.delete(f"operations/{quote(str(operation['id']))}")
            call.say(f"Certificate add token for {name} deleted")
            return
    raise NotFound("token", name, message=f"No certificate add token for member {name} on remote: {remote}")


def remove(call: Invocation) -> None:
    remote, fingerprint = call.split(call.arguments[0])
    if len(call.arguments) > 1:
        fingerprint = call.arguments[1]
    call.server(remote).delete(f"certificates/{quote(fingerprint)}")


def show(call: Invocation) -> None:
    from azekura.cli.yaml_output import dump

    server, fingerprint = call.locate(call.arguments[0])
    sys.stdout.write(dump(server.get(f"certificates/{quote(fingerprint)}")))


def edit(call: Invocation) -> None:
    from azekura.cli.editor import edit_until_right, is_interactive, standard_input
    from azekura.cli.yaml_input import BOOLEAN, TEXTS, load
    from azekura.cli.yaml_input import TEXT as ANY_TEXT
    from azekura.cli.yaml_output import dump

    fields = {
        "name": ANY_TEXT,
        "type": ANY_TEXT,
        "restricted": BOOLEAN,
        "projects": TEXTS,
        "certificate": ANY_TEXT,
    }
    server, fingerprint = call.locate(call.arguments[0])
    path = f"certificates/{quote(fingerprint)}"
    if not is_interactive():
        server.put(path, load(standard_input(), fields))
        return
    record, etag = server.get_with_etag(path)
    edit_until_right(f"{HEADER}\n{dump(record)}", lambda text: server.put(path, load(text, fields), etag=etag))


_CERTIFICATE = "[<remote>:]<fingerprint>"
COMMANDS = {
    "add": Command(
        "Trust a client: by its certificate, or by a token for the one that brings it",
        add,
        usage="[<remote>:] [<cert>]",
        maximum=2,
        flags=(
            Flag("name", "Name of the client", kind=TEXT),
            Flag("projects", "Projects it is restricted to, with commas", kind=TEXT),
            Flag("restricted", "Restrict it to projects"),
            Flag("type", "Kind of certificate: client or metrics", kind=TEXT, default="client"),
        ),
    ),
    "edit": Command("Edit what is known of a client", edit, usage=_CERTIFICATE, minimum=1, maximum=1),
    "list": Command("List trusted clients", list_certificates, usage="[<remote>:]", maximum=1, flags=(FORMAT,)),
    "list-tokens": Command("List open tokens", list_tokens, usage="[<remote>:]", maximum=1, flags=(FORMAT,)),
    "remove": Command("Trust a client no more", remove, usage=_CERTIFICATE, minimum=1, maximum=2),
    "revoke-token": Command("Take a token back", revoke_token, usage="[<remote>:] <name>", minimum=1, maximum=2),
    "show": Command("Show what is known of a client", show, usage=_CERTIFICATE, minimum=1, maximum=1),
}
