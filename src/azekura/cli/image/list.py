"""``lxc image list``."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, MANY, TEXT, Command, Flag
from azekura.cli.natural import sort_rows
from azekura.cli.output import megabytes, upload_date
from azekura.cli.table import FORMATS, render
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record

DEFAULT_COLUMNS = "lfpdatsu"


def _shortest_alias(image: Record) -> str:
    names = [str(alias["name"]) for alias in image.get("aliases") or ()]
    if not names:
        return ""
    shortest = min(names, key=len)
    return shortest if len(names) == 1 else f"{shortest} ({len(names) - 1} more)"


def _all_aliases(image: Record) -> str:
    return "\n".join(sorted(str(alias["name"]) for alias in image.get("aliases") or ()))


COLUMNS: dict[str, tuple[str, Callable[[Record], str]]] = {
    "a": ("ARCHITECTURE", lambda image: str(image.get("architecture", ""))),
    "d": ("DESCRIPTION", lambda image: str((image.get("properties") or {}).get("description", ""))),
    "f": ("FINGERPRINT", lambda image: str(image["fingerprint"])[:12]),
    "F": ("FINGERPRINT", lambda image: str(image["fingerprint"])),
    "l": ("ALIAS", _shortest_alias),
    "L": ("ALIASES", _all_aliases),
    "p": ("PUBLIC", lambda image: "yes" if image.get("public") else "no"),
    "s": ("SIZE", lambda image: megabytes(int(image.get("size", 0)))),
    "t": ("TYPE", lambda image: str(image.get("type") or "container").upper()),
    "u": ("UPLOAD DATE", lambda image: upload_date(str(image.get("uploaded_at", "")))),
}


def parse_columns(text: str) -> list[tuple[str, Callable[[Record], str]]]:
    """
    Raises:
        InvalidRequest: a letter that stands for no column.
    """
    columns = []
    for entry in text.split(","):
        if not entry:
            raise InvalidRequest(f"Empty column entry (redundant, leading or trailing command) in '{text}'")
        for letter in entry:
            if letter not in COLUMNS:
                raise InvalidRequest(f"Unknown column shorthand char '{letter}' in '{entry}'")
            columns.append(COLUMNS[letter])
    return columns


def run(call: Invocation) -> None:
    columns = parse_columns(call.options.text("columns"))
    form = call.options.text("format")
    arguments = call.arguments
    remote, first = call.split(arguments[0]) if arguments else (call.config.default_remote, "")
    words = ([first] if first else []) + arguments[1:]
    images = _find(call, remote, words)
    rows: list[list[str]] = []
    if form in ("table", "compact", "csv"):
        rows = [[value(image) for _, value in columns] for image in images]
        sort_rows(rows)
    elif form not in FORMATS:
        raise InvalidRequest(f'Invalid format "{form}"')
    sys.stdout.write(render(form, [name for name, _ in columns], rows, images))


def _find(call: Invocation, remote: str, words: list[str]) -> list[Record]:
    if call.config.remote(remote).is_simplestreams:
        from azekura.cli.image.filters import matching
        from azekura.cli.remote_images import list_images

        return matching(list_images(call, remote), words, fields=True)
    server = call.server(remote)
    if call.options.switch("deleted"):
        from azekura.cli.image.filters import matching

        return matching(server.get("images", {"deleted": "1", "recursion": "1"}), words, fields=True)
    if not words:
        images: list[Record] = server.get("images", {"filter": "", "recursion": "1"})
        return images
    from azekura.cli.image.filters import matching, server_filter

    for_server, for_us = server_filter(words)
    if not server.has_extension("api_filtering"):
        return matching(server.get("images", {"recursion": "1"}), words, fields=True)
    found = server.get("images", {"filter": for_server, "recursion": "1"})
    return matching(found, for_us, fields=False)


COMMANDS = {
    "list": Command(
        "List images",
        run,
        usage="[<remote>:] [<filter>...]",
        maximum=MANY,
        flags=(
            Flag("columns", "Columns, by their letters", short="c", kind=TEXT, default=DEFAULT_COLUMNS),
            Flag("deleted", "Deleted images that can still be brought back"),
            FORMAT,
        ),
        description=(
            "A filter is a part of an alias or of a fingerprint, or key=value for a property (the value a regular\n"
            "expression that must match as a whole) or a field such as type=container. An image must pass all.\n\n"
            "Columns:\n"
            "    l - shortest alias, and how many more there are\n"
            "    L - all aliases, one a line\n"
            "    f - fingerprint (12 digits)\n"
            "    F - fingerprint (whole)\n"
            "    p - public or not\n"
            "    d - description\n"
            "    a - architecture\n"
            "    t - type\n"
            "    s - size\n"
            "    u - date of upload"
        ),
    )
}
