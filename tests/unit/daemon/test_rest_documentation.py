"""The documents of the API keep up with it: every route, setting and error is described."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import azekura.errors
from azekura.daemon.application import Route
from azekura.daemon.openapi import OLDER_NAME, document, document_text, path_of, shape_of
from azekura.daemon.openapi_bodies import SHAPES
from azekura.daemon.routes.table import routes
from azekura.errors import AzekuraError
from azekura.services.instances.config_keys import FREE_PREFIXES, KEYS
from azekura.services.settings import HOST_SETTINGS, SETTINGS

DOCS = Path(__file__).parents[3] / "docs"
ROUTES = routes()


def rows(name: str) -> list[list[str]]:
    """The table rows of a document, cell by cell, without marks."""
    lines = (DOCS / name).read_text().splitlines()
    cells = [line.strip().strip("|").split("|") for line in lines if line.startswith("|")]
    return [[cell.strip().removesuffix(" *").strip("`") for cell in row] for row in cells]


def test_every_route_is_documented_with_its_access_and_summary() -> None:
    documented = {tuple(row) for row in rows("rest-api.md")}
    wanted = {
        (route.method, path_of(route), route.access.name.lower(), route.summary)
        for route in ROUTES
        if not route.path.startswith(OLDER_NAME)
    }
    missing = [f"| {method} | `{path}` | {who} | {summary} |" for method, path, who, summary in wanted - documented]
    assert not missing, "docs/rest-api.md lacks these rows:\n" + "\n".join(sorted(missing))


def test_no_route_is_documented_that_is_not_there() -> None:
    there = {(route.method, path_of(route)) for route in ROUTES}
    documented = {
        (row[0], row[1]) for row in rows("rest-api.md") if row[0] in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    }
    assert documented <= there


def test_the_older_name_of_instances_has_the_same_routes() -> None:
    old = {(r.method, r.path.removeprefix(OLDER_NAME), r.access) for r in ROUTES if r.path.startswith(OLDER_NAME)}
    new = {
        (r.method, r.path.removeprefix("/1.0/instances"), r.access)
        for r in ROUTES
        if r.path.startswith("/1.0/instances")
    }
    assert old == new


def test_no_route_stands_in_the_table_twice() -> None:
    names = [(route.method, path_of(route)) for route in ROUTES]
    assert len(names) == len(set(names))


def test_every_error_is_documented_with_its_status() -> None:
    documented = {(row[0], row[1]) for row in rows("rest-api.md") if len(row) == 3}
    for name, kind in vars(azekura.errors).items():
        if isinstance(kind, type) and issubclass(kind, AzekuraError) and kind is not AzekuraError:
            assert (name, str(kind.status)) in documented


def test_every_error_stands_in_the_tree_of_its_module() -> None:
    tree = azekura.errors.__doc__ or ""
    for name, kind in vars(azekura.errors).items():
        if isinstance(kind, type) and issubclass(kind, AzekuraError):
            assert re.search(rf"\b{name}\b", tree), name


def test_every_server_setting_is_documented_with_its_default() -> None:
    documented = {tuple(row) for row in rows("settings.md")}
    for setting in (*SETTINGS.values(), *HOST_SETTINGS.values()):
        assert (setting.key, setting.default, setting.summary) in documented


def test_no_server_setting_is_documented_that_is_not_there() -> None:
    keys = {row[0] for row in rows("settings.md") if row[0].startswith(("core.", "images.", "storage."))}
    assert keys == {*SETTINGS, *(setting.key for setting in HOST_SETTINGS.values())}


def test_every_instance_setting_is_documented() -> None:
    documented = {row[0] for row in rows("settings.md")}
    assert not {*KEYS, *(f"{prefix}*" for prefix in FREE_PREFIXES)} - documented


# -- the OpenAPI document


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_has_its_shape(route: Route) -> None:
    if not route.path.startswith("/internal"):
        shape_of(route)


def test_no_shape_is_without_its_route() -> None:
    assert set(SHAPES) <= {(route.method, path_of(route)) for route in ROUTES}


def test_the_published_document_is_up_to_date() -> None:
    published = (DOCS / "openapi.json").read_text()
    assert published == document_text(), "run: python -m azekura.daemon.openapi > docs/openapi.json"


def test_every_reference_in_the_document_leads_somewhere() -> None:
    text = document_text()
    whole = json.loads(text)
    for target in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        place = whole
        for part in target.split("/"):
            place = place[part]


def test_every_schema_of_the_document_is_used() -> None:
    text = document_text()
    for name in document()["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for path in document()["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))
