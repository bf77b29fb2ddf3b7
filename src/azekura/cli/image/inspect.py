"""``lxc image inspect``: what is in image files, without importing or unpacking them."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from azekura.cli.command import TEXT, Command, Flag
from azekura.cli.invocation import Invocation
from azekura.cli.output import byte_size, json_line, megabytes, printable
from azekura.errors import InvalidRequest
from azekura.formats.inspect import Report, inspect_files

REFUSED = 1  # exit code when an import would refuse the image
SHOWN = 20  # paths of a list in the text form; JSON has them all


def run(call: Invocation) -> int:
    form = call.options.text("format")
    if form not in ("text", "json", "yaml"):
        raise InvalidRequest(f'Invalid format "{form}"')
    with ExitStack() as stack:
        paths = []
        for argument in call.arguments:
            if argument.startswith("https://"):
                from azekura.cli.image.fetch import fetched

                progress = call.progress("Fetching the image: %s")
                try:
                    paths.append(stack.enter_context(fetched(argument, progress)))
                finally:
                    if progress is not None:
                        progress.done()
            elif argument.startswith("http://"):
                raise InvalidRequest("Only https:// is supported for remote images")
            else:
                paths.append(Path(argument))
        report = inspect_files(paths)
    if form == "text":
        _show(report)
    elif form == "json":
        sys.stdout.write(json_line(report.to_json()))
    else:
        from azekura.cli.yaml_output import dump

        sys.stdout.write(dump(json.loads(json_line(report.to_json()))))
    return REFUSED if report.refused else 0


def _show(report: Report) -> None:
    print(f"Fingerprint: {report.fingerprint}")
    print(f"Size: {megabytes(report.size)}")
    print(f"Type: {report.type or 'unknown'}")
    print("Files:")
    for file in report.files:
        kind = " ".join(word for word in (file.format or "not recognised", file.compression) if word)
        expanded = f", {byte_size(file.expanded)} expanded" if file.expanded is not None else ""
        print(f"    - {file.path}: {file.role}, {kind}, {byte_size(file.size)}{expanded}")
        print(f"      sha256 {file.sha256}")
    metadata = report.metadata
    if metadata is not None:
        print(f"Architecture: {metadata.architecture}")
        print(f"Created: {_date(metadata.creation_date)}")
        print(f"Expires: {_date(metadata.expiry_date)}")
        print("Properties:")
        for key, value in sorted(metadata.properties.items()):
            print(printable(f"    {key}: {value}"))
        print("Templates:")
        for rule in metadata.templates:
            size = report.templates.get(rule.template)
            found = byte_size(size) if size is not None else "missing"
            print(printable(f"    - {rule.path}: {rule.template} ({found}), at {', '.join(rule.when)}"))
    if report.rootfs is not None:
        _show_rootfs(report)
    _show_list("Warnings", report.warnings)
    _show_list("Would be refused", report.refused)


def _show_rootfs(report: Report) -> None:
    rootfs = report.rootfs
    if rootfs is None:
        return
    print("Root file system:")
    print(f"    Entries: {rootfs.entries}")
    print(f"    Unpacked: {byte_size(rootfs.unpacked_bytes)}")
    if report.type == "container":
        print(f"    Init: {'yes' if rootfs.has_init else 'no'}")
        print(f"    Highest user or group id: {rootfs.highest_id}")
    for title, lines in (
        ("Set-user-id and set-group-id programs", rootfs.setuid),
        ("Capabilities", rootfs.capabilities),
        ("Device nodes", rootfs.devices),
    ):
        if lines:
            print(f"    {title}:")
            for line in lines[:SHOWN]:
                print(printable(f"        - {line}"))
            if len(lines) > SHOWN:
                print(f"        ({len(lines) - SHOWN} more)")


def _show_list(title: str, lines: tuple[str, ...]) -> None:
    if lines:
        print(f"{title}:")
        for line in lines:
            print(printable(f"    - {line}"))


def _date(seconds: int) -> str:
    try:
        return time.strftime("%Y/%m/%d %H:%M UTC", time.gmtime(seconds)) if seconds > 0 else "never"
    except (OverflowError, ValueError, OSError):
        return f"{seconds} seconds after 1970"


COMMANDS = {
    "inspect": Command(
        "Show what is in image files, and what an import would refuse",
        run,
        usage="<file>|<URL> [<rootfs file>]",
        minimum=1,
        maximum=2,
        flags=(Flag("format", "Form: text, json or yaml", short="f", kind=TEXT, default="text"),),
        description=(
            "Nothing is imported or unpacked, and no server is asked. Exit code 1 if an import would refuse the image."
        ),
    )
}
