"""Changing a record as text: from standard input, or in the user's editor until it is right."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from azekura.errors import AzekuraError, HostError, InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

EDITORS = ("editor", "vi", "emacs", "nano")


def is_interactive() -> bool:
    return sys.stdin.isatty()


def standard_input() -> str:
    """
    Raises:
        InvalidRequest: not text.
    """
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as exc:
        raise InvalidRequest("The standard input is not UTF-8 text") from exc


def edit_until_right(text: str, apply: Callable[[str], None]) -> None:
    """Open the editor with ``text``, then ``apply`` what was saved. A mistake is told, and the editor opened again with
    the user's own text, so that nothing typed is lost.

    Raises:
        HostError: no editor.
    """
    content = edit(text)
    while True:
        try:
            apply(content)
        except AzekuraError as exc:
            sys.stderr.write(f"Config parsing error: {exc}\n")
            print("Press enter to open the editor again or ctrl+c to abort change", flush=True)
            if not sys.stdin.readline():
                raise
            content = edit(content)
            continue
        return


def edit(text: str) -> str:
    """What the user made of ``text``.

    Raises:
        HostError: no editor, or it failed.
    """
    with tempfile.NamedTemporaryFile("w", prefix="lxd_editor_", suffix=".yaml", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        command = [*_editor(), file.name]
        try:
            code = subprocess.run(command, check=False).returncode
        except OSError as exc:
            raise HostError(f"Can't start the editor {command[0]}: {exc.strerror or exc}") from exc
        if code != 0:
            raise HostError(f"The editor {command[0]} failed with exit status {code}")
        # an editor may have put a new file in its place
        with open(file.name, encoding="utf-8") as edited:
            return edited.read()


def _editor() -> list[str]:
    for variable in ("VISUAL", "EDITOR"):
        if words := os.environ.get(variable, "").split():
            return words
    from shutil import which

    for name in EDITORS:
        if which(name):
            return [name]
    raise HostError("No text editor found, please set the EDITOR environment variable")
