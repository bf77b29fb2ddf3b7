"""``lxc config edit``."""

from __future__ import annotations

from azekura.cli.command import Command
from azekura.cli.config.set import TARGET
from azekura.cli.editor import edit_until_right, is_interactive, standard_input
from azekura.cli.instance import is_snapshot, path_of
from azekura.cli.instance_record import FIELDS
from azekura.cli.owners import INSTANCES
from azekura.cli.yaml_input import TEXT_MAP, TIME, load
from azekura.cli.yaml_output import dump

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.server import Server

HEADER = """\
### This is a YAML representation of the configuration.
### Any line starting with a '# will be ignored.
###
### Settings stand below config, devices with their settings below devices:
### config:
###   limits.memory: 512MiB
### devices:
###   data:
###     type: disk
###     source: /srv/data
###     path: /data
###
### Note that the name is shown but cannot be changed
"""
_NOT_FOR_EDITING = ("expanded_config", "expanded_devices")


def run(call: Invocation) -> None:
    server, name = call.locate(call.argument(0))
    if not name:
        _edit_server(server)
        return
    if not is_interactive():
        _save(server, name, standard_input(), None)
        return
    record, etag = server.get_with_etag(path_of(name))
    shown = {key: value for key, value in record.items() if key not in _NOT_FOR_EDITING}
    edit_until_right(f"{HEADER}\n{dump(shown)}", lambda text: _save(server, name, text, etag))


def _save(server: Server, name: str, text: str, etag: str | None) -> None:
    if is_snapshot(name):
        given = load(text, {"expires_at": TIME})
        server.run("PUT", path_of(name), {"expires_at": given.get("expires_at", "0001-01-01T00:00:00Z")}, etag=etag)
        return
    INSTANCES.save(server, name, load(text, FIELDS), etag)


def _edit_server(server: Server) -> None:
    def save(text: str, etag: str | None) -> None:
        server.put("/1.0", {"config": load(text, {"config": TEXT_MAP}).get("config", {})}, etag=etag)

    if not is_interactive():
        save(standard_input(), None)
        return
    record, etag = server.get_with_etag("/1.0")
    edit_until_right(dump({"config": record.get("config") or {}}), lambda text: save(text, etag))


COMMANDS = {
    "edit": Command(
        "Edit the settings of an instance or of the server",
        run,
        usage="[<remote>:][<instance>[/<snapshot>]]",
        maximum=1,
        flags=(TARGET,),
        examples=(("lxc config edit <instance> < instance.yaml", "From a file"),),
    )
}
