from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.depot import folder_depot, put_image, put_instance

from azekura.daemon.activation import run
from azekura.model.instance import Profile
from azekura.services.state_folder import StateFolder


def said(folder: StateFolder, caplog: pytest.LogCaptureFixture) -> str:
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "azekura.activation"):
        run(folder)
    return caplog.text


def test_the_daemon_is_woken_for_what_it_has_to_do_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = StateFolder(tmp_path / "lxd")
    assert "No DB, so no need to start" in said(folder, caplog)
    with folder_depot(tmp_path) as (depot, _):
        put_instance(depot, "c1", put_image(depot, b"x"))
        assert "No need to start the daemon now" in said(folder, caplog)
        with depot.catalog.write() as tx:
            tx.profiles.replace(Profile("default", config={"snapshots.schedule": "@daily"}))
        assert "Daemon has scheduled instance snapshots, activating..." in said(folder, caplog)
        with depot.catalog.write() as tx:
            instance = tx.instances.get("c1")
            ran = {**instance.config, "volatile.last_state.power": "RUNNING"}
            tx.instances.replace(replace(instance, config=ran))
        assert "Daemon has auto-started instances, activating..." in said(folder, caplog)
        with depot.catalog.write() as tx:
            tx.instances.replace(replace(instance, config={**ran, "boot.autostart": "false"}))
            tx.profiles.replace(Profile("default"))
        assert "No need to start the daemon now" in said(folder, caplog)
        with depot.catalog.write() as tx:
            tx.settings.set({"core.https_address": "127.0.0.1:8443"})
        assert "Daemon has core.https_address set, activating..." in said(folder, caplog)
