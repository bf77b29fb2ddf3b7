"""The ``lxd`` command as scripts call it."""

from __future__ import annotations

import socket

import pytest
import yaml
from tests.daemon_process import running_daemon


def test_an_empty_word_of_a_script_is_no_command() -> None:
    with running_daemon("") as daemon:
        assert daemon.server().get("/1.0")["auth"] == "trusted"
        assert b"invalid choice" in daemon.run_lxd("nosuch", check=False).stderr


ANSWERS = b"no\nyes\nmine\ndir\nno\nno\nyes\nlo\nyes\n127.0.0.1\n%d\nno\nyes\n"


def test_init_takes_the_answers_that_lxds_questions_have() -> None:
    with running_daemon() as daemon, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        said = daemon.run_lxd("init", stdin=ANSWERS % port).stdout.decode()
        assert "Name of the storage backend to use" in said
        assert "storage_pools:\n- config: {}\n  description: ''\n  name: mine\n  driver: dir\n" in said
        config = daemon.server().get("/1.0")["config"]
        assert config == {"core.https_address": f"127.0.0.1:{port}", "images.auto_update_interval": "0"}
        devices = daemon.server().get("profiles/default")["devices"]
        assert devices["root"] == {"path": "/", "pool": "mine", "type": "disk"}
        assert devices["eth0"] == {"name": "eth0", "nictype": "macvlan", "parent": "lo", "type": "nic"}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (b"yes\n", "Error: This server is no part of a cluster"),
        (b"no\nno\nno\nyes\n", "Error: This server makes no bridges"),
        (b"no\nyes\nmine\nzfs\ndir\n", "Error: The answers ended before the questions did"),
        (b"", "Error: The answers ended before the questions did"),
    ],
)
def test_init_refuses_answers_in_one_sentence_and_changes_nothing(answers: bytes, said: str) -> None:
    with running_daemon() as daemon:
        done = daemon.run_lxd("init", stdin=answers, check=False)
        assert done.returncode == 1
        assert said in done.stderr.decode()
        assert daemon.server().get("storage-pools") == []


def test_a_dump_is_a_preseed_with_the_default_project_in_it() -> None:
    with running_daemon(driver="dir") as daemon:
        dump = daemon.run_lxd("init", "--dump").stdout
        (project,) = yaml.safe_load(dump)["projects"]
        assert project["name"] == "default"
        daemon.run_lxd("init", "--preseed", stdin=dump)
        refused = daemon.run_lxd("init", "--preseed", stdin=b"projects: [{name: other}]", check=False)
        assert b'no projects beyond "default"' in refused.stderr
