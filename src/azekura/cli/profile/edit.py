"""``lxc profile edit``."""

from __future__ import annotations

from azekura.cli.command import Command
from azekura.cli.editor import edit_until_right, is_interactive, standard_input
from azekura.cli.owners import PROFILES
from azekura.cli.yaml_input import MAPS, TEXT, TEXT_MAP, load
from azekura.cli.yaml_output import dump

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation

HEADER = """\
### This is a YAML representation of the profile.
### Any line starting with a '# will be ignored.
###
### Settings stand below config, devices with their settings below devices:
### config:
###   limits.memory: 512MiB
### devices:
###   root:
###     type: disk
###     path: /
###     pool: default
###
### Note that the name is shown but cannot be changed
"""
FIELDS = {"config": TEXT_MAP, "description": TEXT, "devices": MAPS}


def run(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    if not is_interactive():
        PROFILES.save(server, name, load(standard_input(), FIELDS), None)
        return
    record, etag = PROFILES.fetch(server, name)
    edit_until_right(f"{HEADER}\n{dump(record)}", lambda text: PROFILES.save(server, name, load(text, FIELDS), etag))


COMMANDS = {
    "edit": Command(
        "Edit a profile",
        run,
        usage="[<remote>:]<profile>",
        minimum=1,
        maximum=1,
        examples=(("lxc profile edit <profile> < profile.yaml", "From a file"),),
    )
}
