"""``lxc image info``."""

from __future__ import annotations

from azekura.cli.command import Command, Flag
from azekura.cli.image.reference import fetch
from azekura.cli.output import is_set, megabytes, printable, short_date
from azekura.errors import AzekuraError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record
    from azekura.client.server import Server

VM = Flag("vm", "Look for an image of a virtual machine")


def run(call: Invocation) -> None:
    remote, name = call.split(call.arguments[0])
    kind = "virtual-machine" if call.options.switch("vm") else ""
    if call.config.remote(remote).is_simplestreams:
        from azekura.cli.remote_images import find_image

        _show(find_image(call, remote, name, kind=kind))
        return
    server = call.server(remote)
    image, _ = fetch(server, name, kind=kind)
    _show(image)
    _show_use(server, str(image["fingerprint"]))


def _show(image: Record) -> None:
    print(f"Fingerprint: {image['fingerprint']}")
    print(f"Size: {megabytes(int(image.get('size', 0)))}")
    print(f"Architecture: {image.get('architecture', '')}")
    print(f"Type: {image.get('type') or 'container'}")
    print(f"Public: {'yes' if image.get('public') else 'no'}")
    print("Timestamps:")
    if is_set(image.get("created_at")):
        print(f"    Created: {short_date(image['created_at'])}")
    print(f"    Uploaded: {short_date(str(image.get('uploaded_at', '')))}")
    for title, key in (("Expires", "expires_at"), ("Last used", "last_used_at")):
        print(f"    {title}: {short_date(image[key]) if is_set(image.get(key)) else 'never'}")
    print("Properties:")
    for key, value in sorted((image.get("properties") or {}).items()):
        print(printable(f"    {key}: {value}"))
    print("Aliases:")
    for alias in image.get("aliases") or ():
        description = alias.get("description")
        print(f"    - {alias['name']} ({description})" if description else f"    - {alias['name']}")
    print(f"Cached: {'yes' if image.get('cached') else 'no'}")
    print(f"Auto update: {'enabled' if image.get('auto_update') else 'disabled'}")
    source = image.get("update_source")
    if source:
        print("Source:")
        print(f"    Server: {source.get('server', '')}")
        print(f"    Protocol: {source.get('protocol', '')}")
        print(f"    Alias: {source.get('alias', '')}")
    profiles = image.get("profiles") or ()
    if profiles:
        print("Profiles:")
        for profile in profiles:
            print(f"    - {profile}")
    else:
        print("Profiles: []")


def _show_use(server: Server, fingerprint: str) -> None:
    """What keeps the image; known by servers of ours only."""
    try:
        users = server.get(f"images/{fingerprint}/used-by")
    except AzekuraError:
        return
    if users:
        print("Used by:")
        for user in users:
            print(f"    - {user}")


COMMANDS = {
    "info": Command(
        "Show what is known of an image", run, usage="[<remote>:]<image>", minimum=1, maximum=1, flags=(VM,)
    )
}
