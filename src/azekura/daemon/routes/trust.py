"""``/1.0/certificates`` and, ours, ``/1.0/tokens``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web
from cryptography import x509

from azekura.daemon.call import Call, started, sync, url
from azekura.daemon.callers import Access
from azekura.errors import Forbidden, InvalidRequest, NotFound, StaleETag
from azekura.model.image import NEVER
from azekura.model.operation import OperationClass, OperationStatus
from azekura.model.trust import Token, TrustedCertificate
from azekura.services.operations import Running
from azekura.services.trust import encode_join_token, parse_certificate
from azekura.wire.etag import etag_matches, etag_of
from azekura.wire.fields import Body
from azekura.wire.times import format_time, parse_time


def _view(one: TrustedCertificate) -> dict[str, Any]:
    return {
        "name": one.name,
        "type": one.type,
        "restricted": one.restricted,
        "projects": list(one.projects),
        "certificate": one.pem,
        "fingerprint": one.fingerprint,
    }


def _etag(one: TrustedCertificate) -> str:
    return etag_of([one.name, one.type, one.restricted, list(one.projects)])


async def list_all(call: Call) -> web.StreamResponse:
    def read() -> list[TrustedCertificate]:
        with call.depot.catalog.read() as tx:
            return list(tx.certificates.list())

    found = await call.work(read)
    return sync([_view(one) if call.recursion() else url("certificates", one.fingerprint) for one in found])


async def create(call: Call) -> web.StreamResponse:
    """Trust a certificate: one in the body, or the caller's own by password or token; or give out a token."""
    body = Body(await call.json(), "certificate")
    trusted = call.caller.access >= Access.ADMIN
    if body.flag("token"):
        if not trusted:
            raise Forbidden("not authorized")
        return await _give_token(call, body)
    if body.text("type") not in ("", "client"):
        raise InvalidRequest(f"Unknown certificate type: {body.text('type')[:40]}")
    name, restricted, projects = body.text("name"), body.flag("restricted"), body.texts("projects")
    certificate = _certificate(call, body)
    if not trusted:
        # `trust_token` is where Incus and LXD since 5.21 put a token; LXD 5.0 puts both into `password`.
        secret = body.text("trust_token") or body.text("password")
        token = await call.work(call.server.trust.take_join_token, secret)
        if token is not None:
            name, restricted = token.name or name, token.restricted
            projects = tuple(project for project in token.scope.split(",") if project)
            await call.work(_end_operation, call, token)
        else:
            await call.work(call.server.trust.check_password, secret, call.caller.address)
    added = await call.work(call.server.trust.add, certificate, name, restricted=restricted, projects=projects)
    return sync(location=url("certificates", added.fingerprint))


def _certificate(call: Call, body: Body) -> x509.Certificate:
    """The one in the body, or that of the connection: strangers can only add the one whose key they hold."""
    if body.text("certificate") and call.caller.access >= Access.ADMIN:
        return parse_certificate(body.text("certificate"))
    transport = call.request.transport
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    der = tls.getpeercert(True) if tls is not None else None
    if der is None:
        raise InvalidRequest("No client certificate provided")
    return x509.load_der_x509_certificate(der)


async def _give_token(call: Call, body: Body) -> web.StreamResponse:
    name = body.text("name")
    if not name:
        raise InvalidRequest("A token needs the name of the client it is for")
    token, secret = await call.work(
        call.server.trust.issue_join_token, name, restricted=body.flag("restricted"), projects=body.texts("projects")
    )
    addresses = call.server.listeners.addresses() if call.server.listeners is not None else []
    expires = format_time(token.expires_at or NEVER)
    trust = call.server.trust

    def create() -> Running:
        running = call.depot.operations.create(
            "Executing operation",
            kind=OperationClass.TOKEN,
            metadata={
                "addresses": addresses,
                "expiresAt": expires,
                "fingerprint": call.server.certificate_fingerprint,
                "request": {"name": name},
                "secret": secret,
                "token": encode_join_token(name, secret, call.server.certificate_fingerprint, addresses, expires),
            },
            may_cancel=True,
        )
        running.on_cancel = lambda: trust.revoke(token.id)
        running.context = token
        return running

    return started((await call.work(create)).operation)


def _end_operation(call: Call, token: Token) -> None:
    """A used token is no longer listed."""
    for operation in call.depot.operations.list():
        if operation.kind is OperationClass.TOKEN and not operation.status.final:
            running = call.depot.operations.running(operation.id)
            if isinstance(running.context, Token) and running.context.id == token.id:
                call.depot.operations.finish(running, OperationStatus.CANCELLED)  # LXD's word for it


async def _find(call: Call) -> TrustedCertificate:
    def read() -> TrustedCertificate:
        with call.depot.catalog.read() as tx:
            return tx.certificates.get(call.path("fingerprint"))

    return await call.work(read)


async def show(call: Call) -> web.StreamResponse:
    found = await _find(call)
    own = call.caller.name == found.fingerprint
    if call.caller.access < Access.ADMIN and not own:
        raise NotFound("certificate", message="Certificate not found")
    return sync(_view(found), etag=_etag(found))


async def _change(call: Call, *, merge: bool) -> web.StreamResponse:
    """An administrator changes everything; anybody else only puts another certificate in the place of their own."""
    found = await _find(call)
    admin = call.caller.access >= Access.ADMIN
    if not admin and call.caller.name != found.fingerprint:
        raise NotFound("certificate", message="Certificate not found")
    if (if_match := call.if_match()) is not None and not etag_matches(if_match, _etag(found)):
        raise StaleETag(f"ETag doesn't match: {_etag(found)} vs {if_match}")
    body = Body(await call.json(), "certificate")
    changed = replace(
        found,
        name=body.text("name", found.name) if merge else body.text("name"),
        restricted=body.flag("restricted", found.restricted) if merge else body.flag("restricted"),
        projects=body.texts("projects") if body.has("projects") or not merge else found.projects,
    )
    if not admin and changed != found:
        raise Forbidden("Only the certificate can be changed")
    given = body.text("certificate")
    certificate = parse_certificate(given) if given else None
    await call.work(call.server.trust.change, found.fingerprint, changed, certificate)
    return sync()


async def update(call: Call) -> web.StreamResponse:
    return await _change(call, merge=False)


async def patch(call: Call) -> web.StreamResponse:
    return await _change(call, merge=True)


async def delete(call: Call) -> web.StreamResponse:
    await call.work(call.server.trust.remove, call.path("fingerprint"))
    return sync()


# -- tokens


async def list_tokens(call: Call) -> web.StreamResponse:
    tokens = await call.work(call.server.trust.tokens)
    return sync(
        [
            {
                "id": one.id,
                "name": one.name,
                "purpose": one.purpose,
                "scope": one.scope,
                "created_at": format_time(one.created_at),
                "expires_at": format_time(one.expires_at) if one.expires_at else None,
            }
            for one in tokens
        ]
    )


async def create_token(call: Call) -> web.StreamResponse:
    """A bearer token that reads images whose aliases match ``scope``. The secret is shown this once."""
    body = Body(await call.json(), "token")
    expires = parse_time(body.text("expires_at"))
    token, secret = await call.work(
        call.server.trust.issue_read_token,
        body.text("name"),
        body.text("scope"),
        None if expires == NEVER else expires,
    )
    return sync({"id": token.id, "token": secret}, location=url("tokens", token.id))


async def revoke_token(call: Call) -> web.StreamResponse:
    await call.work(call.server.trust.revoke, call.path("id"))
    return sync()
