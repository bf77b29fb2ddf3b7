"""The ``lxd`` command as scripts call it."""

from __future__ import annotations

from tests.daemon_process import running_daemon


def test_an_empty_word_of_a_script_is_no_command() -> None:
    with running_daemon("") as daemon:
        assert daemon.server().get("/1.0")["auth"] == "trusted"
        assert b"invalid choice" in daemon.run_lxd("nosuch", check=False).stderr
