"""The daemon with its catalog in PostgreSQL: AZEKURA_DATABASE names it."""

from __future__ import annotations

from tests.busybox_images import tiny_image
from tests.conformance.postgres_server import running_server
from tests.daemon_process import running_daemon


def test_images_are_kept_in_postgresql_over_a_restart() -> None:
    with running_server() as postgres:
        url = postgres.new_database()
        with running_daemon(environment={"AZEKURA_DATABASE": url}) as daemon:
            image = daemon.root / "image.tar.gz"
            image.write_bytes(tiny_image(7))
            daemon.lxc("image", "import", str(image), "--alias", "seven", "os=tiny")
            assert not (daemon.folder / "azekura.db").exists()
            daemon.stop()
            daemon.start()
            assert daemon.lxc("image", "list", "seven", "-f", "csv", "-c", "l") == "seven\n"
            daemon.lxc("image", "delete", "seven")
            daemon.stop()
            assert b"no problems" in daemon.run_lxd("check").stdout
