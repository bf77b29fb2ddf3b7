"""/1.0/images/aliases: names with slashes, moves in one step, history and rollback."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from tests.daemon_process import Daemon
from tests.rest import Rest

NewImage = Callable[[], bytes]


@pytest.fixture
def two(rest: Rest, new_image: NewImage) -> tuple[str, str]:
    return rest.add_image(new_image()), rest.add_image(new_image())


def test_an_alias_is_created_with_a_location_and_shown(rest: Rest, two: tuple[str, str], unique: str) -> None:
    answer = rest.post("images/aliases", {"name": unique, "target": two[0][:20], "description": "first"})
    assert answer.status == 201
    assert answer.headers["Location"] == f"/1.0/images/aliases/{unique}"
    shown = rest.get(answer.headers["Location"])
    assert shown.metadata == {"name": unique, "target": two[0], "description": "first", "type": "container"}
    assert shown.etag
    assert answer.headers["Location"] in rest.get("images/aliases").metadata
    assert shown.metadata in rest.get("images/aliases?recursion=1").metadata


@pytest.mark.parametrize(
    "name", ["a/b/c", "ubuntu/22.04/amd64", "ümläut/é", "with space", "50%", "a?b#c", "x+y", "a&b=c"]
)
def test_names_are_reached_escaped_and_as_the_location_says(
    rest: Rest, two: tuple[str, str], unique: str, name: str
) -> None:
    name = f"{unique}/{name}"
    answer = rest.post("images/aliases", {"name": name, "target": two[0]})
    assert answer.status == 201
    assert answer.headers["Location"] == f"/1.0/images/aliases/{quote(name, safe='')}"
    assert rest.get(answer.headers["Location"]).metadata["name"] == name
    assert rest.get(f"images/aliases/{quote(name, safe='/')}").metadata["name"] == name
    assert rest.get(f"images/resolve?reference={quote(name, safe='')}").metadata["fingerprint"] == two[0]
    assert rest.delete(answer.headers["Location"]).status == 200
    assert rest.get(answer.headers["Location"]).status == 404


@pytest.mark.parametrize("last", ["move", "history", "rollback"])
def test_a_name_that_ends_like_a_verb_is_reached_escaped(
    rest: Rest, two: tuple[str, str], unique: str, last: str
) -> None:
    answer = rest.post("images/aliases", {"name": f"{unique}/{last}", "target": two[0]})
    location = answer.headers["Location"]
    assert rest.get(location).metadata["target"] == two[0]
    assert rest.post(f"{location}/move", {"target": two[1]}).metadata["previous"] == two[0]
    assert rest.post(location, {"name": f"{unique}/other"}).status == 201


def test_a_taken_name_is_refused(rest: Rest, two: tuple[str, str], unique: str) -> None:
    assert rest.post("images/aliases", {"name": unique, "target": two[0]}).status == 201
    answer = rest.post("images/aliases", {"name": unique, "target": two[1]})
    assert answer.status == 409
    assert answer.error == f'Alias "{unique}" already exists'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"name": "x"}, 400),
        ({"target": "0" * 64}, 400),
        ({"name": "x", "target": "0" * 64}, 404),
        ({"name": "x", "target": "%"}, 404),
        ({"name": "x/../y", "target": "0" * 64}, 400),
        ({"name": "x\u0000", "target": "0" * 64}, 400),
        ({"name": "\ud800", "target": "0" * 64}, 400),
        ({"name": 7, "target": "0" * 64}, 400),
        ({"name": ["x"], "target": "0" * 64}, 400),
        ([], 400),
    ],
)
def test_aliases_that_cannot_be_are_refused(rest: Rest, body: Any, status: int) -> None:
    answer = rest.post("images/aliases", body)
    assert answer.status == status
    assert answer.error


def test_put_and_patch_change_target_and_description(rest: Rest, two: tuple[str, str], unique: str) -> None:
    path = f"images/aliases/{unique}"
    rest.post("images/aliases", {"name": unique, "target": two[0], "description": "old"})
    assert rest.patch(path, {"description": "new"}).status == 200
    assert rest.get(path).metadata["target"] == two[0]
    assert rest.get(path).metadata["description"] == "new"
    assert rest.patch(path, {"target": two[1]}).status == 200
    assert rest.get(path).metadata["description"] == "new"
    assert rest.put(path, {"target": two[0]}).status == 200
    assert rest.get(path).metadata["description"] == ""
    answer = rest.put(path, {"description": "x"})
    assert answer.status == 400
    assert answer.error == "The target field is required"
    assert rest.put(path, {"target": "f" * 64}).status == 404


def test_a_stale_etag_is_refused(rest: Rest, two: tuple[str, str], unique: str) -> None:
    path = f"images/aliases/{unique}"
    rest.post("images/aliases", {"name": unique, "target": two[0]})
    etag = rest.get(path).etag
    assert rest.put(path, {"target": two[1]}, headers={"If-Match": etag}).status == 200
    assert rest.put(path, {"target": two[0]}, headers={"If-Match": etag}).status == 412
    assert rest.patch(path, {"target": two[0]}, headers={"If-Match": etag}).status == 412
    assert rest.get(path).metadata["target"] == two[1]


def test_rename_moves_the_name_with_a_location(rest: Rest, two: tuple[str, str], unique: str) -> None:
    rest.post("images/aliases", {"name": unique, "target": two[0]})
    answer = rest.post(f"images/aliases/{unique}", {"name": f"{unique}/new"})
    assert answer.status == 201
    assert answer.headers["Location"] == f"/1.0/images/aliases/{unique}%2Fnew"
    assert rest.get(f"images/aliases/{unique}").status == 404
    rest.post("images/aliases", {"name": f"{unique}-taken", "target": two[0]})
    assert rest.post(f"images/aliases/{unique}/new", {"name": f"{unique}-taken"}).status == 409
    assert rest.post(f"images/aliases/{unique}/new", {"name": ""}).status == 400
    assert rest.post("images/aliases/nosuch", {"name": f"{unique}-x"}).status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "POST", "DELETE"])
def test_a_missing_alias_is_not_found(rest: Rest, method: str) -> None:
    body = {"name": "x", "target": "0" * 64} if method in ("PUT", "PATCH", "POST") else None
    assert rest.send(method, "images/aliases/no/such", body).status == 404


def test_move_creates_moves_and_compares(rest: Rest, two: tuple[str, str], unique: str) -> None:
    path = f"images/aliases/{unique}/move"
    first, second = two
    assert rest.post(path, {"target": first, "expect": second}).status == 412
    assert rest.get(f"images/aliases/{unique}").status == 404
    assert rest.post(path, {"target": first, "expect": None}).metadata == {"previous": None, "target": first}
    assert rest.post(path, {"target": second, "expect": None}).status == 412
    assert rest.post(path, {"target": second, "expect": second}).status == 412
    assert rest.post(path, {"target": second, "expect": first}).metadata == {"previous": first, "target": second}
    assert rest.post(path, {"target": first[:12]}).metadata == {"previous": second, "target": first}
    assert rest.post(path, {"target": "0" * 64}).status == 404
    assert rest.post(path, {"target": first, "expect": "xyz"}).status == 400
    assert rest.post(path, {"target": first, "expect": 7}).status == 400
    assert rest.get(f"images/aliases/{unique}").metadata["target"] == first


def test_of_many_who_compare_and_swap_one_wins(daemon: Daemon, rest: Rest, two: tuple[str, str], unique: str) -> None:
    rest.post("images/aliases", {"name": unique, "target": two[0]})
    results: list[int] = []

    def move() -> None:
        one = Rest(daemon.folder / "unix.socket")
        results.append(one.post(f"images/aliases/{unique}/move", {"target": two[1], "expect": two[0]}).status)

    threads = [threading.Thread(target=move) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [200] + [412] * 7


def test_a_reader_never_misses_an_alias_that_moves(
    daemon: Daemon, rest: Rest, two: tuple[str, str], unique: str
) -> None:
    rest.post("images/aliases", {"name": unique, "target": two[0]})
    stop = threading.Event()

    def move() -> None:
        mover = Rest(daemon.folder / "unix.socket")
        for turn in range(30):
            assert mover.post(f"images/aliases/{unique}/move", {"target": two[turn % 2]}).status == 200
        stop.set()

    thread = threading.Thread(target=move)
    thread.start()
    seen: set[str] = set()
    while not stop.is_set():
        seen.add(rest.get(f"images/aliases/{unique}").metadata["target"])
        seen.add(rest.get(f"images/resolve?reference={unique}").metadata["fingerprint"])
    thread.join()
    assert seen <= set(two)


def test_history_tells_and_rollback_takes_back(rest: Rest, new_image: NewImage, unique: str) -> None:
    a, b, c = (rest.add_image(new_image()) for _ in range(3))
    path = f"images/aliases/{unique}"
    for target in (a, b, c):
        assert rest.post(f"{path}/move", {"target": target}).status == 200
    assert [one["target"] for one in rest.get(f"{path}/history").metadata] == [c, b, a]
    assert rest.post(f"{path}/rollback", {}).metadata == {"previous": c, "target": b}
    assert rest.get(f"{path}/history").metadata[0]["reason"] == "rollback"
    too_far = rest.post(f"{path}/rollback", {"steps": 9})
    assert too_far.status == 400
    assert "can't be rolled back by 9" in too_far.error
    assert rest.post(f"{path}/rollback", {"steps": 0}).status == 400
    assert rest.post(f"{path}/rollback", {"steps": -(10**30)}).status == 400
    assert rest.post(f"{path}/rollback", {"steps": 10**30}).status == 400
    assert rest.post(f"{path}/rollback", {"steps": 1.5}).status == 400


def test_rollback_twice_goes_back_twice(rest: Rest, new_image: NewImage, unique: str) -> None:
    a, b, c = (rest.add_image(new_image()) for _ in range(3))
    path = f"images/aliases/{unique}"
    for target in (a, b, c):
        rest.post(f"{path}/move", {"target": target})
    assert rest.post(f"{path}/rollback", {}).metadata["target"] == b
    assert rest.post(f"{path}/rollback", {}).metadata["target"] == a


def test_rollback_to_a_deleted_image_says_how_to_bring_it_back(rest: Rest, two: tuple[str, str], unique: str) -> None:
    path = f"images/aliases/{unique}"
    for target in two:
        rest.post(f"{path}/move", {"target": target})
    rest.done(rest.delete(f"images/{two[0]}"))
    answer = rest.post(f"{path}/rollback", {})
    assert answer.status == 404
    assert f"lxc image undelete {two[0][:12]}" in answer.error
    assert rest.get(path).metadata["target"] == two[1]
    assert rest.post(f"images/{two[0]}/undelete").status == 200
    assert rest.post(f"{path}/rollback", {}).metadata["target"] == two[0]


def test_history_outlives_the_alias_and_is_not_made_up(rest: Rest, two: tuple[str, str], unique: str) -> None:
    path = f"images/aliases/{unique}"
    rest.post("images/aliases", {"name": unique, "target": two[0]})
    rest.delete(path)
    moves = rest.get(f"{path}/history").metadata
    assert [one["target"] for one in moves] == [None, two[0]]
    assert rest.get("images/aliases/never-was/history").status == 404
