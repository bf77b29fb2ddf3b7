"""``/1.0/credentials``, ours: what this server shows to other servers when it fetches images. Names go out, no more."""

from __future__ import annotations

from aiohttp import web

from azekura.daemon.call import Call, sync
from azekura.errors import InvalidRequest
from azekura.remotes.credentials import Basic, Bearer, ClientCertificate, Credentials
from azekura.services.remote_credentials import kept_servers, remove_credentials, set_credentials
from azekura.wire.fields import Body


async def list_all(call: Call) -> web.StreamResponse:
    return sync(list(await call.work(kept_servers, call.depot)))


async def put(call: Call) -> web.StreamResponse:
    body = Body(await call.json(), "credentials")
    if not body.text("server"):
        raise InvalidRequest("The credentials name no server")
    await call.work(set_credentials, call.depot, body.text("server"), _credentials(body))
    return sync()


def _credentials(body: Body) -> Credentials:
    """
    Raises:
        InvalidRequest: halves of things, or two that exclude each other.
    """
    for one, other in (("user", "password"), ("certificate", "key")):
        if bool(body.text(one)) != bool(body.text(other)):
            raise InvalidRequest(f"The fields {one} and {other} belong together")
    if body.text("bearer") and body.text("user"):
        raise InvalidRequest("A server takes either a bearer token or a user and a password")
    authorization: Bearer | Basic | None = None
    if body.text("bearer"):
        authorization = Bearer(body.text("bearer"))
    elif body.text("user"):
        authorization = Basic(body.text("user"), body.text("password"))
    client = ClientCertificate(body.text("certificate"), body.text("key")) if body.text("key") else None
    return Credentials(authorization, client, body.text("ca"))


async def delete(call: Call) -> web.StreamResponse:
    server = call.query("server")
    if not server:
        raise InvalidRequest("Say whose credentials: ?server=URL")
    await call.work(remove_credentials, call.depot, server)
    return sync()
