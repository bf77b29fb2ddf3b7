"""/1.0/instances on a host of containers: made, started, entered, changed, kept as snapshots, deleted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.busybox_images import images
from tests.daemon_process import Daemon
from tests.rest import Rest

pytestmark = pytest.mark.root
_NUMBERS = itertools.count()


@pytest.fixture
def api(host: Daemon) -> Rest:
    rest = Rest(host.folder / "unix.socket", timeout=120)
    if rest.get("images/aliases/busybox").status == 404:
        rest.add_image((images() / "unified.tar.gz").read_bytes(), X_LXD_aliases="alias=busybox")
    return rest


def make(api: Rest, name: str, **more: Any) -> None:
    api.done(api.post("instances", {"name": name, "source": {"type": "image", "alias": "busybox"}, **more}))


@pytest.fixture
def stopped(api: Rest) -> Iterator[str]:
    name = f"s{next(_NUMBERS)}"
    make(api, name)
    yield name
    remove(api, name)


@pytest.fixture(scope="module")
def running(host: Daemon) -> Iterator[str]:
    """One container for all tests that only look."""
    api = Rest(host.folder / "unix.socket", timeout=120)
    if api.get("images/aliases/busybox").status == 404:
        api.add_image((images() / "unified.tar.gz").read_bytes(), X_LXD_aliases="alias=busybox")
    make(api, "runner", config={"environment.COLOUR": "blue", "user.note": "n"})
    act(api, "runner", "start")
    yield "runner"
    remove(api, "runner")


def act(api: Rest, name: str, action: str, **more: Any) -> dict[str, Any]:
    return api.done(api.put(f"instances/{name}/state", {"action": action, "timeout": 30, **more}))


def remove(api: Rest, name: str) -> None:
    if api.get(f"instances/{name}").status == 404:
        return
    if api.get(f"instances/{name}/state").metadata["status"] != "Stopped":
        act(api, name, "stop", force=True)
    api.done(api.delete(f"instances/{name}"))


def run(api: Rest, name: str, *command: str, **more: Any) -> tuple[int, str, str]:
    """Exit code, output and errors of a command whose output is recorded."""
    result = api.done(api.post(f"instances/{name}/exec", {"command": command, "record-output": True, **more}))
    streams = [api.get(result["output"][fd]).body.decode() for fd in ("1", "2")]
    return result["return"], streams[0], streams[1]


def test_a_container_lives(api: Rest) -> None:
    created = api.post(
        "instances",
        {"name": "c1", "source": {"type": "image", "alias": "busybox"}, "config": {"user.x": "y"}, "description": "d"},
    )
    assert created.envelope["metadata"]["resources"]["instances"] == ["/1.0/instances/c1"]
    api.done(created)
    assert "/1.0/instances/c1" in api.get("instances").metadata
    assert "/1.0/containers/c1" in api.get("containers").metadata
    shown = api.get("instances/c1")
    view = shown.metadata
    assert view["status"] == "Stopped"
    assert view["description"] == "d"
    assert view["config"]["user.x"] == "y"
    assert view["last_used_at"] == "1970-01-01T00:00:00Z"
    assert view["config"]["image.os"] == "busybox"
    assert view["config"]["volatile.base_image"] == api.get("images/aliases/busybox").metadata["target"]
    assert view["expanded_devices"]["root"]["pool"] == "default"
    assert shown.etag
    act(api, "c1", "start")
    state = api.get("instances/c1/state").metadata
    assert state["status"] == "Running"
    assert state["pid"] > 1
    assert state["processes"] >= 1
    assert api.get("instances/c1/files?path=/etc/hostname").body == b"c1\n"
    assert api.failed(api.put("instances/c1/state", {"action": "start"})) == "The instance is already running"
    in_use = api.delete("instances/c1")
    assert in_use.status == 400
    assert in_use.error == "Instance is running"
    act(api, "c1", "freeze")
    assert api.get("instances/c1").metadata["status"] == "Frozen"
    act(api, "c1", "unfreeze")
    act(api, "c1", "restart", force=True)
    assert api.get("instances/c1").metadata["status"] == "Running"
    act(api, "c1", "stop", force=True)
    assert api.get("instances/c1").metadata["status"] == "Stopped"
    assert api.failed(api.put("instances/c1/state", {"action": "stop"})) == "The instance is already stopped"
    renamed = api.done(api.post("instances/c1", {"name": "c2"}))
    assert renamed == {}
    assert api.get("instances/c1").status == 404
    act(api, "c2", "start")
    assert api.get("instances/c2/files?path=/etc/hostname").body in (b"c1\n", b"c2\n")
    remove(api, "c2")
    assert api.get("instances/c2").status == 404


def test_one_operation_creates_and_starts(api: Rest) -> None:
    created = api.post("instances", {"name": "c5", "source": {"type": "image", "alias": "busybox"}, "start": True})
    assert created.envelope["metadata"]["metadata"] == {"stage": "create"}
    assert api.done(created) == {"stage": "start"}
    assert api.get("instances/c5/state").metadata["status"] == "Running"
    assert run(api, "c5", "cat", "/etc/hostname")[1] == "c5\n"
    assert api.get("instances/c5").metadata["config"]["volatile.last_state.power"] == "RUNNING"
    remove(api, "c5")


def test_an_instance_whose_first_start_fails_is_there_and_can_be_mended(api: Rest) -> None:
    order = {"name": "c6", "source": {"type": "image", "alias": "busybox"}, "start": True}
    ended = api.finished(api.post("instances", {**order, "config": {"raw.lxc": "lxc.hook.pre-start = /bin/false"}}))
    assert (ended["status"], ended["metadata"]) == ("Failure", {"stage": "start"})
    assert ended["err"].startswith("The container couldn't be started: ")
    assert api.get("instances/c6/state").metadata["status"] == "Stopped"
    api.patch("instances/c6", {"config": {"raw.lxc": ""}})
    act(api, "c6", "start")
    assert run(api, "c6", "cat", "/etc/hostname")[1] == "c6\n"  # what is rendered on creation still was
    remove(api, "c6")


def test_an_instance_that_cannot_be_created_is_not_started(api: Rest, stopped: str) -> None:
    taken = api.post("instances", {"name": stopped, "source": {"type": "image", "alias": "busybox"}, "start": True})
    assert "already exists" in api.failed(taken)
    assert api.finished(taken)["metadata"] == {"stage": "create"}
    assert api.get(f"instances/{stopped}/state").metadata["status"] == "Stopped"


def test_lists_filter_and_recur(api: Rest, running: str) -> None:
    records = api.get(f"instances?recursion=1&filter={quote('name eq runner')}").metadata
    assert [one["name"] for one in records] == ["runner"]
    full = api.get(f"instances?recursion=2&filter={quote('status eq running and config.user.note eq n')}").metadata
    assert [one["name"] for one in full] == ["runner"]
    assert full[0]["state"]["status"] == "Running"
    assert full[0]["snapshots"] is None
    assert api.get("instances/runner?recursion=1").metadata["state"]["pid"] > 1


def test_commands_are_recorded(api: Rest, running: str) -> None:
    assert run(api, running, "echo", "hello") == (0, "hello\n", "")
    assert run(api, running, "sh", "-c", "echo out; echo err >&2; exit 7") == (7, "out\n", "err\n")
    assert run(api, running, "sh", "-c", "echo $COLOUR $WAY", environment={"WAY": "up"}) == (0, "blue up\n", "")
    assert run(api, running, "pwd", cwd="/tmp") == (0, "/tmp\n", "")
    assert run(api, running, "id", "-u", user=1000, group=1000)[:2] == (0, "1000\n")
    missing = api.finished(api.post(f"instances/{running}/exec", {"command": ["no-such-command"]}))
    assert missing["status"] == "Failure"
    assert missing["metadata"]["return"] == 127
    assert "not found" in missing["err"]
    quiet = api.done(api.post(f"instances/{running}/exec", {"command": ["true"]}))
    assert quiet == {"return": 0}


def test_recorded_output_is_listed_and_deleted(api: Rest, running: str) -> None:
    result = api.done(api.post(f"instances/{running}/exec", {"command": ["echo", "x"], "record-output": True}))
    path = result["output"]["1"]
    assert path in api.get(f"instances/{running}/logs").metadata
    assert api.get(path).headers["Content-Type"] == "application/octet-stream"
    assert api.delete(path).status == 200
    assert api.get(path).status == 404
    assert api.delete(f"instances/{running}/logs/lxc.log").status in (400, 404)


@pytest.mark.parametrize(
    "name", ["..%2F..%2Fazekura.db", "..", "exec_..%2F..%2Fx", "exec_%00", "server.key", "exec_%FF"]
)
def test_no_log_leads_out_of_its_folder(api: Rest, running: str, name: str) -> None:
    for method in ("GET", "DELETE"):
        assert api.send(method, f"instances/{running}/logs/{name}").status in (400, 404)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"command": []},
        {"command": "ls"},
        {"command": [7]},
        {"command": ["ls"], "user": -1},
        {"command": ["ls"], "user": 2**32},
        {"command": ["ls"], "environment": []},
        {"command": ["ls"], "environment": {"A": {}}},
        {"command": ["ls"], "interactive": True},
        {"command": ["ls"], "width": "x"},
    ],
)
def test_commands_that_make_no_sense_are_refused(api: Rest, running: str, body: Any) -> None:
    answer = api.post(f"instances/{running}/exec", body)
    assert answer.status == 400
    assert answer.error


@pytest.mark.parametrize(
    "body",
    [
        {"command": ["a\u0000b"]},
        {"command": [""]},
        {"command": ["ls"], "environment": {"A=B": "x"}},
        {"command": ["ls"], "environment": {"A": "x\u0000y"}},
        {"command": ["ls"], "cwd": "\u0000"},
        {"command": ["ls"], "cwd": "no/such"},
        {"command": ["x" * 200_000]},
    ],
)
def test_commands_that_cannot_run_say_so(api: Rest, running: str, body: Any) -> None:
    answer = api.post(f"instances/{running}/exec", body)
    assert answer.status in (202, 400)
    if answer.status == 202:
        operation = api.finished(answer)
        assert operation["status"] == "Failure" or operation["metadata"]["return"] != 0 or body.get("cwd")
        assert "Internal error" not in operation["err"]


def test_a_stopped_container_runs_nothing(api: Rest, stopped: str) -> None:
    answer = api.post(f"instances/{stopped}/exec", {"command": ["ls"]})
    assert answer.status == 400
    assert answer.error == "Instance is not running"
    assert api.post("instances/nosuch/exec", {"command": ["ls"]}).status == 404


def write(api: Rest, name: str, path: str, data: bytes, **headers: str) -> int:
    fields = {f"X-LXD-{key}": value for key, value in headers.items()}
    return api.post(f"instances/{name}/files?path={quote(path)}", raw=data, headers=fields).status


@pytest.mark.parametrize("which", ["stopped", "running"])
def test_files_are_written_read_and_removed(api: Rest, which: str, request: pytest.FixtureRequest) -> None:
    name = request.getfixturevalue(which)
    assert write(api, name, "/tmp/a file", b"\x00content\xff", uid="1000", gid="100", mode="0640") == 200
    answer = api.get(f"instances/{name}/files?path=/tmp/a%20file")
    assert answer.body == b"\x00content\xff"
    assert answer.headers["X-LXD-uid"] == "1000"
    assert answer.headers["X-LXD-gid"] == "100"
    assert answer.headers["X-LXD-mode"] == "0640"
    assert answer.headers["X-LXD-type"] == "file"
    head = api.send("HEAD", f"instances/{name}/files?path=/tmp/a%20file")
    assert head.status == 200
    assert head.body == b""
    assert head.headers["X-LXD-mode"] == "0640"
    assert write(api, name, "/tmp/a file", b"!", write="append") == 200
    assert api.get(f"instances/{name}/files?path=/tmp/a%20file").body == b"\x00content\xff!"
    assert write(api, name, "/tmp/d/e", b"", type="directory") == 404, "a missing parent is not made"
    assert write(api, name, "/tmp/d", b"", type="directory") == 200
    assert write(api, name, "/tmp/d/e", b"", type="directory") == 200
    assert write(api, name, "/tmp/d/e/f", b"x") == 200
    folder = api.get(f"instances/{name}/files?path=/tmp/d/e")
    assert folder.metadata == ["f"]
    assert folder.headers["X-LXD-type"] == "directory"
    assert write(api, name, "/tmp/link", b"/etc/passwd", type="symlink") == 200
    assert api.get(f"instances/{name}/files?path=/tmp/link").body == b"/etc/passwd"
    assert api.delete(f"instances/{name}/files?path=/tmp/d/e").status == 409
    for path in ("/tmp/d/e/f", "/tmp/d/e", "/tmp/d", "/tmp/link", "/tmp/a%20file"):
        assert api.delete(f"instances/{name}/files?path={path}").status == 200
    assert api.get(f"instances/{name}/files?path=/tmp/link").status == 404


def test_links_lead_nowhere_but_into_the_container(api: Rest, stopped: str) -> None:
    write(api, stopped, "/out", b"/etc", type="symlink")
    write(api, stopped, "/up", b"../../../../../../../../etc", type="symlink")
    passwd = api.get(f"instances/{stopped}/files?path=/etc/passwd").body
    for path in ("/out/passwd", "/up/passwd", "/../../../../etc/passwd", "../../etc/passwd"):
        answer = api.get(f"instances/{stopped}/files?path={quote(path)}")
        assert answer.status in (200, 400, 404)
        if answer.status == 200:
            assert answer.body == passwd


@pytest.mark.parametrize(
    "path", ["", "/no/such", "%00", "/a%00b", "/" + "x" * 5000, "/etc/passwd/x", "%FF", "/" + "a/" * 3000]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST"])
def test_paths_that_cannot_be_are_refused(api: Rest, stopped: str, method: str, path: str) -> None:
    answer = api.send(method, f"instances/{stopped}/files?path={path}")
    if (method, path) in {("POST", "%FF"), ("DELETE", "%FF")}:
        assert answer.status in (200, 400, 404)
    else:
        assert 400 <= answer.status < 500, answer.body


@pytest.mark.parametrize(
    "headers",
    [{"mode": "rwx"}, {"mode": "99999999999"}, {"uid": "-1"}, {"uid": "root"}, {"gid": "4294967295"}, {"type": "pipe"}],
)
def test_files_that_cannot_be_are_refused(api: Rest, stopped: str, headers: dict[str, str]) -> None:
    assert write(api, stopped, "/tmp/x", b"x", **headers) == 400
    assert api.get(f"instances/{stopped}/files?path=/tmp/x").status == 404


def test_metadata_is_shown_and_replaced(api: Rest, stopped: str) -> None:
    answer = api.get(f"instances/{stopped}/metadata")
    metadata = answer.metadata
    assert answer.etag
    assert metadata["architecture"] == "x86_64"
    assert metadata["properties"]["os"] == "busybox"
    assert metadata["templates"]["/etc/hostname"]["when"] == ["create", "copy", "start"]
    metadata["properties"]["os"] = "changed"
    assert api.put(f"instances/{stopped}/metadata", metadata).status == 200
    assert api.get(f"instances/{stopped}/metadata").metadata == metadata
    assert api.patch(f"instances/{stopped}/metadata", {"properties": {"a": "b"}}).status == 200
    assert api.get(f"instances/{stopped}/metadata").metadata["properties"] == {"a": "b"}
    for bad in (
        {},
        {"architecture": "vax", "creation_date": 1},
        {**metadata, "templates": {"/x": {"template": "../y"}}},
    ):
        assert api.put(f"instances/{stopped}/metadata", bad).status == 400
    assert api.get("instances/nosuch/metadata").status == 404
    assert api.put("instances/nosuch/metadata", metadata).status == 404


def test_templates_are_listed_read_written_and_deleted(api: Rest, stopped: str) -> None:
    root = f"instances/{stopped}/metadata/templates"
    assert api.get(root).metadata == ["hostname.tpl"]
    assert api.get(f"{root}?path=hostname.tpl").body == b"{{ container.name }}\n"
    assert api.post(f"{root}?path=new.tpl", raw=b"{{ trigger }}").status == 200
    assert api.get(root).metadata == ["hostname.tpl", "new.tpl"]
    broken = api.post(f"{root}?path=broken.tpl", raw=b"{% for %}")
    assert broken.status == 400
    assert api.post(f"{root}?path=include.tpl", raw=b'{% include "/etc/shadow" %}').status == 400
    for name in ("", "..%2Fx", ".", "a%2Fb", "%00", "%0A"):
        assert api.post(f"{root}?path={name}", raw=b"x").status == 400
    assert api.delete(f"{root}?path=new.tpl").status == 200
    assert api.delete(f"{root}?path=new.tpl").status == 404
    assert api.get(f"{root}?path=new.tpl").status == 404


def test_snapshots_are_taken_listed_restored_renamed_and_deleted(api: Rest, stopped: str) -> None:
    root = f"instances/{stopped}/snapshots"
    write(api, stopped, "/tmp/state", b"before")
    api.done(api.post(root, {}))
    api.done(api.post(root, {"name": "second", "expires_at": "2030-01-01T00:00:00Z"}))
    assert api.get(root).metadata == [f"/1.0/{root}/snap0", f"/1.0/{root}/second"]
    assert [one["name"] for one in api.get(f"{root}?recursion=1").metadata] == ["snap0", "second"]
    assert api.get(f"{root}/second").metadata["expires_at"] == "2030-01-01T00:00:00Z"
    assert "already exists" in api.failed(api.post(root, {"name": "second"}))
    write(api, stopped, "/tmp/state", b"after")
    api.done(api.put(f"instances/{stopped}", {"restore": "snap0"}))
    assert api.get(f"instances/{stopped}/files?path=/tmp/state").body == b"before"
    api.done(api.post(f"{root}/second", {"name": "third"}))
    assert api.get(f"{root}/second").status == 404
    api.done(api.delete(f"{root}/third"))
    assert api.delete(f"{root}/third").status == 404
    assert api.put(f"instances/{stopped}", {"restore": "nosuch"}).status == 404
    for name in ("a/b", "..", " x", "x" * 64, "a\nb"):
        answer = api.post(root, {"name": name})
        assert answer.status == 400 or api.failed(answer)
    assert api.post(root, {"name": "x", "stateful": True}).status == 400
    assert api.post(root, {"expires_at": "x"}).status == 400


def test_a_record_is_changed_with_its_etag_respected(api: Rest, stopped: str) -> None:
    path = f"instances/{stopped}"
    shown = api.get(path)
    assert api.patch(path, {"config": {"user.a": "1"}, "description": "new"}).status == 200
    stale = api.patch(path, {"config": {"user.a": "2"}}, headers={"If-Match": shown.etag})
    assert stale.status == 412
    stale = api.put(path, {"config": {}}, headers={"If-Match": shown.etag})
    assert stale.status == 412
    api.done(api.put(path, {"config": {"user.b": "1"}, "profiles": ["default"]}))
    config = api.get(path).metadata["config"]
    assert "user.a" not in config
    assert config["user.b"] == "1"
    assert config["volatile.base_image"] == shown.metadata["config"]["volatile.base_image"]
    assert api.patch(path, {"config": {"nosuch": "1"}}).status == 400
    assert api.patch(path, {"profiles": ["nosuch"]}).status == 404
    assert api.patch(path, {"devices": {"root": {"type": "disk", "path": "/", "pool": "other"}}}).status == 400
    assert api.patch(path, {"config": {"volatile.base_blob": "", "volatile.base_image": "x"}}).status == 200
    assert api.get(path).metadata["config"]["volatile.base_image"] == shown.metadata["config"]["volatile.base_image"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"name": "x"}, 400),
        ({"name": "x", "source": {"type": "image"}}, 400),
        ({"name": "x", "source": {"type": "image", "alias": "nosuch"}}, 404),
        ({"name": "x", "source": {"type": "image", "properties": {"os": "none such"}}}, 404),
        ({"name": "x", "source": {"type": "copy", "source": "nosuch"}}, 202),
        ({"name": "x", "source": {"type": "copy"}}, 400),
        ({"name": "x", "source": {"type": "moon"}}, 400),
        ({"name": "x", "source": {"type": "migration"}}, 501),
        ({"name": "x", "type": "virtual-machine", "source": {"type": "none"}}, 501),
        ({"name": "x", "type": "cloud", "source": {"type": "none"}}, 400),
        ({"name": "-x", "source": {"type": "image", "alias": "busybox"}}, 400),
        ({"name": "x/y", "source": {"type": "image", "alias": "busybox"}}, 400),
        ({"name": "../x", "source": {"type": "image", "alias": "busybox"}}, 400),
        ({"name": "x" * 64, "source": {"type": "image", "alias": "busybox"}}, 400),
        ({"name": "é", "source": {"type": "image", "alias": "busybox"}}, 400),
        ({"name": "x", "source": {"type": "image", "alias": "busybox"}, "profiles": ["nosuch"]}, 404),
        ({"name": "x", "source": {"type": "image", "alias": "busybox"}, "config": {"nosuch": "1"}}, 400),
        ({"name": "x", "source": {"type": "image", "alias": "busybox"}, "devices": {"d": {"type": "gpu"}}}, 400),
        ({"name": "x", "source": {"type": "image", "alias": "busybox"}, "profiles": []}, 202),
    ],
)
def test_instances_that_cannot_be_are_refused(api: Rest, body: Any, status: int) -> None:
    answer = api.post("instances", body)
    assert answer.status == status, answer.body
    if status == 202:
        assert api.failed(answer)
    else:
        assert answer.error
    assert api.get("instances/x").status == 404


def test_a_taken_name_is_refused_in_lxds_words(api: Rest, stopped: str) -> None:
    answer = api.post("instances", {"name": stopped, "source": {"type": "image", "alias": "busybox"}})
    assert "already exists" in (answer.error if answer.status == 409 else api.failed(answer))


def test_a_copy_is_a_container_of_its_own(api: Rest, stopped: str) -> None:
    write(api, stopped, "/tmp/mine", b"1")
    api.done(api.post("instances", {"name": "copy", "source": {"type": "copy", "source": stopped}}))
    write(api, stopped, "/tmp/mine", b"2")
    assert api.get("instances/copy/files?path=/tmp/mine").body == b"1"
    remove(api, "copy")


def test_an_image_in_use_says_by_whom_and_survives_its_deletion(api: Rest, stopped: str) -> None:
    image = api.get("images/aliases/busybox").metadata["target"]
    assert f"/1.0/instances/{stopped}" in api.get(f"images/{image}/used-by").metadata
    api.done(api.delete(f"images/{image}"))
    api.post("images/prune", {"to_free": 1 << 60, "unused": True})
    act(api, stopped, "start")
    assert run(api, stopped, "echo", "alive")[1] == "alive\n"
    act(api, stopped, "stop", force=True)
    assert api.post(f"images/{image}/undelete").status == 200


def test_a_published_container_launches_again(api: Rest, stopped: str) -> None:
    write(api, stopped, "/tmp/published", b"yes")
    body = {
        "source": {"type": "instance", "name": stopped},
        "properties": {"os": "mine"},
        "aliases": [{"name": "published"}],
        "compression_algorithm": "none",
    }
    result = api.done(api.post("images", body))
    image = api.get(f"images/{result['fingerprint']}").metadata
    assert image["properties"] == {"os": "mine"}
    assert [one["name"] for one in image["aliases"]] == ["published"]
    api.done(api.post("instances", {"name": "again", "source": {"type": "image", "alias": "published"}}))
    assert api.get("instances/again/files?path=/tmp/published").body == b"yes"
    remove(api, "again")
    api.done(api.delete(f"images/{result['fingerprint']}"))


def test_an_ephemeral_container_goes_when_it_stops(api: Rest) -> None:
    make(api, "moth", ephemeral=True)
    act(api, "moth", "start")
    act(api, "moth", "stop", force=True)
    assert api.get("instances/moth").status == 404


def test_all_containers_are_acted_on_at_once(api: Rest) -> None:
    names = ["bulk1", "bulk2"]
    for name in names:
        make(api, name)
    api.done(api.put("instances", {"state": {"action": "start"}}))
    assert {api.get(f"instances/{name}").metadata["status"] for name in names} == {"Running"}
    for name in names:
        remove(api, name)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "explode"},
        {"action": "stop", "timeout": "soon"},
        {"action": 7},
        {"action": "stop", "stateful": True},
    ],
)
def test_actions_that_make_no_sense_are_refused(api: Rest, stopped: str, body: Any) -> None:
    assert api.put(f"instances/{stopped}/state", body).status == 400
    assert api.put("instances", {"state": body}).status == 400
    assert api.put("instances/nosuch/state", {"action": "start"}).status == 404


def test_a_timeout_beyond_all_bounds_is_refused_or_taken(api: Rest, stopped: str) -> None:
    for timeout in (10**30, 10**400, -(10**30)):
        answer = api.put(f"instances/{stopped}/state", {"action": "stop", "timeout": timeout})
        assert answer.status in (202, 400)
        if answer.status == 202:
            assert api.failed(answer) == "The instance is already stopped"


def test_the_console_log_is_read_and_emptied(api: Rest, running: str) -> None:
    answer = api.get(f"instances/{running}/console")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert api.delete(f"instances/{running}/console").status == 200
    assert api.post(f"instances/{running}/console").status == 501
    assert api.get("instances/nosuch/console").status == 404
    assert api.get(f"instances/{running}/backups").metadata == []


def test_a_private_network_card_keeps_its_address_over_restarts(api: Rest) -> None:
    nic = {"type": "nic", "nictype": "p2p", "name": "eth0"}
    api.done(
        api.post(
            "instances",
            {"name": "carded", "source": {"type": "image", "alias": "busybox"}, "devices": {"eth0": nic}},
        )
    )
    address = api.get("instances/carded").metadata["config"]["volatile.eth0.hwaddr"]
    for _ in range(2):
        act(api, "carded", "start")
        config = api.get("instances/carded").metadata["config"]
        seen = api.get("instances/carded/state").metadata["network"]["eth0"]
        assert seen["hwaddr"] == address
        assert seen["host_name"] == config["volatile.eth0.host_name"]
        act(api, "carded", "stop", force=True)
        assert "volatile.eth0.host_name" not in api.get("instances/carded").metadata["config"]
    api.patch("instances/carded", {"devices": {"eth0": {"type": "none"}}})
    api.done(api.delete("instances/carded"))


def test_what_lxd_lets_be_set_of_the_kernel_is_in_force(api: Rest) -> None:
    config = {
        "limits.kernel.nofile": "3000",
        "security.syscalls.deny_default": "false",
        "limits.cpu.allowance": "50%",
        "limits.memory": "256MiB",
        "limits.memory.enforce": "soft",
        "limits.memory.swap": "false",
    }
    make(api, "kernelled", config=config)
    act(api, "kernelled", "start")
    limits = run(api, "kernelled", "cat", "/proc/1/limits")[1]
    assert "Max open files            3000                 3000" in limits
    for process in ("1", "self"):
        assert "Seccomp:\t0\n" in run(api, "kernelled", "cat", f"/proc/{process}/status")[1]
    remove(api, "kernelled")


def test_a_folder_written_without_a_mode_is_closed_to_others(running: str, api: Rest) -> None:
    made = api.post(f"instances/{running}/files?path=/tmp/closed", headers={"X-LXD-type": "directory"})
    assert made.status == 200
    assert run(api, running, "stat", "-c", "%a", "/tmp/closed")[1] == "750\n"


def test_devices_come_to_and_leave_a_running_container(running: str, api: Rest, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "hello").write_text("there\n")
    shown = {"type": "disk", "source": str(tmp_path), "path": "/mnt/shared"}
    card = {"type": "nic", "nictype": "p2p", "name": "lan0"}
    assert api.patch(f"instances/{running}", {"devices": {"shared": shown, "lan": card}}).status == 200
    assert run(api, running, "cat", "/mnt/shared/hello")[1] == "there\n"
    config = api.get(f"instances/{running}").metadata["config"]
    seen = api.get(f"instances/{running}/state").metadata["network"]["lan0"]
    assert (seen["hwaddr"], seen["host_name"], seen["state"]) == (
        config["volatile.lan.hwaddr"],
        config["volatile.lan.host_name"],
        "up",
    )
    assert api.patch(f"instances/{running}", {"devices": {"shared": {**shown, "readonly": "true"}}}).status == 200
    assert run(api, running, "touch", "/mnt/shared/new")[0] == 1
    record = api.get(f"instances/{running}").metadata
    record["devices"] = {}
    api.done(api.put(f"instances/{running}", record))
    assert run(api, running, "cat", "/mnt/shared/hello")[0] == 1
    assert "lan0" not in api.get(f"instances/{running}/state").metadata["network"]
    assert not any(key.startswith("volatile.lan.") for key in api.get(f"instances/{running}").metadata["config"])


def test_a_device_that_cannot_come_leaves_the_record_as_it_was(running: str, api: Rest) -> None:
    card = {"type": "nic", "nictype": "bridged", "parent": "no-such-bridge"}
    refused = api.patch(f"instances/{running}", {"devices": {"lan": card}})
    assert refused.status >= 400
    assert "network card" in refused.error
    assert "lan" not in api.get(f"instances/{running}").metadata["devices"]
    assert "lan" not in api.get(f"instances/{running}/state").metadata["network"]


def test_a_path_inside_is_walked_inside(running: str, api: Rest, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    assert run(api, running, "ln", "-s", str(outside), "/mnt/link")[0] == 0
    shown = {"type": "disk", "source": "/etc/hostname", "path": "/mnt/link/made"}
    assert api.patch(f"instances/{running}", {"devices": {"shared": shown}}).status in (200, 400, 500)
    assert list(outside.iterdir()) == []
    record = api.get(f"instances/{running}").metadata
    record["devices"] = {}
    api.done(api.put(f"instances/{running}", record))


def test_a_profiles_root_disk_stays_while_instances_stand_on_it(stopped: str, api: Rest) -> None:
    profile = api.get("profiles/default").metadata
    del profile["devices"]["root"]
    refused = api.put("profiles/default", profile)
    assert refused.status == 400
    assert "At least one instance relies on this profile's root disk device" in refused.error


def test_a_running_container_follows_its_profile(api: Rest) -> None:
    api.post("profiles", {"name": "followed", "config": {}, "devices": {}})
    make(api, "follower", profiles=["default", "followed"])
    act(api, "follower", "start")
    card = {"type": "nic", "nictype": "p2p", "name": "lan0"}
    assert api.put("profiles/followed", {"config": {}, "devices": {"lan": card}}).status == 200
    assert "lan0" in api.get("instances/follower/state").metadata["network"]
    assert api.put("profiles/followed", {"config": {}, "devices": {}}).status == 200
    assert "lan0" not in api.get("instances/follower/state").metadata["network"]
    remove(api, "follower")
    api.delete("profiles/followed")


def test_cloud_init_is_told_by_a_new_id_to_run_again(stopped: str, api: Rest) -> None:
    def id_now() -> str:
        return str(api.get(f"instances/{stopped}").metadata["config"]["volatile.cloud-init.instance-id"])

    first = id_now()
    api.patch(f"instances/{stopped}", {"config": {"user.other": "x"}})
    assert id_now() == first
    api.patch(f"instances/{stopped}", {"config": {"cloud-init.user-data": "#cloud-config"}})
    assert id_now() != first


def test_snapshots_are_named_and_end_as_the_instance_says(stopped: str, api: Rest) -> None:
    api.patch(f"instances/{stopped}", {"config": {"snapshots.pattern": "day-%d", "snapshots.expiry": "1d"}})
    api.done(api.post(f"instances/{stopped}/snapshots", {}))
    api.done(api.post(f"instances/{stopped}/snapshots", {"expires_at": "0001-01-01T00:00:00Z"}))
    first, second = api.get(f"instances/{stopped}/snapshots?recursion=1").metadata
    assert (first["name"], second["name"]) == ("day-0", "day-1")
    assert first["expires_at"] > first["created_at"]
    assert second["expires_at"] == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize("lines", ["a", "lxc.notaconfigkey=invalid", "lxc.uts.name = x\nnonsense"])
def test_lines_that_liblxc_does_not_take_are_refused_when_they_are_set(stopped: str, api: Rest, lines: str) -> None:
    refused = api.patch(f"instances/{stopped}", {"config": {"raw.lxc": lines}})
    assert refused.status == 400
    assert "raw.lxc" in refused.error
    assert (
        api.put("profiles/default", {**api.get("profiles/default").metadata, "config": {"raw.lxc": lines}}).status
        == 400
    )
    assert api.patch(f"instances/{stopped}", {"config": {"raw.lxc": "lxc.hook.clone=/bin/true"}}).status == 200


def test_a_second_root_disk_is_refused(stopped: str, api: Rest) -> None:
    another = {"type": "disk", "path": "/", "pool": "default"}
    refused = api.patch(f"instances/{stopped}", {"devices": {"other": another}})
    assert (refused.status, "More than one root disk" in refused.error) == (400, True)
    profile = api.get("profiles/default").metadata
    refused = api.put("profiles/default", {**profile, "devices": {**profile["devices"], "other": another}})
    assert (refused.status, "More than one root disk" in refused.error) == (400, True)


def test_the_same_link_may_be_written_twice_and_another_may_not(running: str, api: Rest) -> None:
    def link(target: bytes) -> int:
        path = f"instances/{running}/files?path=/tmp/twice"
        return api.send("POST", path, raw=target, headers={"X-LXD-type": "symlink"}).status

    assert (link(b"here"), link(b"here")) == (200, 200)
    assert link(b"there") >= 400


def test_a_socket_and_a_node_can_be_shown_below_a_folder_that_is_closed(running: str, api: Rest, host: Daemon) -> None:
    headers = {"X-LXD-type": "directory", "X-LXD-mode": "0000"}
    assert api.send("POST", f"instances/{running}/files?path=/closed", raw=b"", headers=headers).status == 200
    devices = {
        "socket": {"type": "disk", "source": str(host.folder / "unix.socket"), "path": "/closed/lxd.sock"},
        "zero": {"type": "disk", "source": "/dev/zero", "path": "/closed/zero"},
    }
    assert api.patch(f"instances/{running}", {"devices": devices}).status == 200
    assert run(api, running, "test", "-S", "/closed/lxd.sock")[0] == 0
    assert run(api, running, "test", "-c", "/closed/zero")[0] == 0
    record = api.get(f"instances/{running}").metadata
    record["devices"] = {}
    api.done(api.put(f"instances/{running}", record))


def test_a_folder_below_a_closed_one_is_there_from_the_start(api: Rest, tmp_path: Path) -> None:
    shown = tmp_path / "closed" / "shown"
    shown.mkdir(parents=True)
    shown.parent.chmod(0o700)
    shown.chmod(0o755)
    (shown / "hello").write_text("there\n")
    disk = {"type": "disk", "source": str(shown), "path": "/mnt/shown"}
    make(api, "closed", devices={"shown": disk})
    act(api, "closed", "start")
    assert run(api, "closed", "cat", "/mnt/shown/hello")[1] == "there\n"
    act(api, "closed", "stop", force=True)
    assert str(shown) not in Path("/proc/self/mountinfo").read_text()
    remove(api, "closed")
    assert (shown / "hello").read_text() == "there\n"


def test_profiles_with_two_root_disks_make_no_instance(api: Rest) -> None:
    another = {"type": "disk", "path": "/", "pool": "default"}
    assert api.post("profiles", {"name": "rooted", "config": {}, "devices": {"other": another}}).status == 201
    order = {"name": "torn", "source": {"type": "image", "alias": "busybox"}, "profiles": ["default", "rooted"]}
    assert "More than one root disk" in api.failed(api.post("instances", order))
    api.delete("profiles/rooted")
