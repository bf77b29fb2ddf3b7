"""What a server is told by somebody who wants to be trusted."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.fakes.api_server import Request, api_server

from azekura.cli.remote.add import become_trusted

TOKEN = base64.b64encode(json.dumps({"fingerprint": "f", "addresses": ["h:1"], "secret": "s"}).encode()).decode()


@pytest.mark.parametrize(
    ("secret", "asked"),
    [
        ("open sesame", {"password": "open sesame", "type": "client"}),
        (TOKEN, {"password": TOKEN, "trust_token": TOKEN, "type": "client"}),
    ],
    ids=["password", "token"],
)
def test_a_token_stands_where_lxd_and_where_incus_look_for_it(secret: str, asked: dict[str, Any]) -> None:
    seen: list[Any] = []

    def answer(request: Request) -> None:
        if request.method == "POST":
            seen.append(request.json())
        request.sync({"auth": "trusted" if seen else "untrusted"})

    with api_server(answer) as api:
        become_trusted("far", api.server, secret, has_password=True)
    assert seen == [asked]
