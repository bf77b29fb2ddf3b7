"""``lxc config token …``: tokens with which a program reads images, without being trusted. Not in LXD."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, TEXT, Command, Flag
from azekura.cli.natural import sort_rows
from azekura.cli.table import render
from azekura.client.address import quote
from azekura.errors import InvalidRequest, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def create(call: Invocation) -> None:
    """Print the token: it is shown this once."""
    server, name = call.locate(call.arguments[0])
    server.require("azekura_read_tokens")
    if not name:
        raise InvalidRequest("A token needs the name of the program it is for")
    scope = call.options.text("read")
    if not scope:
        raise InvalidRequest("Say which images it may read: --read 'debian/*' for all with such an alias")
    order = {"name": name, "scope": scope, "expires_at": _expiry(call.options.text("expires"))}
    print(server.post("tokens", order)["token"])


def _expiry(text: str) -> str:
    """``30d`` or a date as RFC 3339; empty for a token that stays valid."""
    from datetime import UTC, datetime, timedelta

    if not text:
        return ""
    number, unit = text[:-1], text[-1]
    days = {"d": 1, "w": 7, "m": 30, "y": 365}.get(unit)
    try:
        if days is not None and number.isascii() and number.isdigit():
            return (datetime.now(UTC) + timedelta(days=days * int(number))).strftime("%Y-%m-%dT%H:%M:%SZ")
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as exc:
        raise InvalidRequest(f'Not a date: "{text[:40]}" (30d, 6m and 2027-01-31 are understood)') from exc
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def list_tokens(call: Invocation) -> None:
    remote, _ = call.split(call.argument(0))
    tokens = [token for token in call.server(remote).get("tokens") if token.get("purpose") == "read"]
    rows = [
        [
            str(token["name"]),
            str(token["scope"]),
            str(token["created_at"])[:10],
            str(token["expires_at"] or "never")[:10],
        ]
        for token in tokens
    ]
    sort_rows(rows)
    header = ["NAME", "MAY READ", "CREATED", "EXPIRES"]
    sys.stdout.write(render(call.options.text("format"), header, rows, tokens))


def revoke(call: Invocation) -> None:
    """Every read token of that name, or the one with that id."""
    server, name = call.locate(call.arguments[0])
    found = [
        token
        for token in server.get("tokens")
        if token.get("purpose") == "read" and name in (token["name"], token["id"])
    ]
    if not found:
        raise NotFound("token", name, message=f'There is no token "{name}": lxc config token list shows them')
    for token in found:
        server.delete(f"tokens/{quote(str(token['id']))}")
    call.say(f"Token {name} is worthless now")


COMMANDS = {
    "create": Command(
        "Make a token that reads images",
        create,
        usage="[<remote>:]<name>",
        minimum=1,
        maximum=1,
        flags=(
            Flag("read", "The aliases of the images it may read, a pattern such as debian/*", kind=TEXT),
            Flag("expires", "How long it is valid: 30d, 6m, or until a date; for ever when not given", kind=TEXT),
        ),
        description="The token is printed once and kept nowhere. A client gives it to the server with every request:\n"
        "lxc remote set-credentials REMOTE --bearer-file FILE, or Authorization: Bearer TOKEN.",
    ),
    "list": Command("List tokens that read images", list_tokens, usage="[<remote>:]", maximum=1, flags=(FORMAT,)),
    "revoke": Command("Make a token worthless", revoke, usage="[<remote>:]<name>", minimum=1, maximum=1),
}
