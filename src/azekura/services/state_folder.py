"""Where everything stands below ``LXD_DIR`` (docs/design.md, on-disk layout)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from azekura.errors import HostError, NoSpace

FOREIGN_MARKS = ("database/global", "database/local.db", "lxd.db")  # a real LXD's database


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The daemon's state folder, ``LXD_DIR``."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "azekura.db"

    @property
    def catalog(self) -> Path | str:
        """Where the catalog is: the URL in ``AZEKURA_DATABASE`` (PostgreSQL), else the file of this folder."""
        return os.environ.get("AZEKURA_DATABASE") or self.database

    @property
    def blobs(self) -> Path:
        return self.root / "images"

    @property
    def pools(self) -> Path:
        return self.root / "storage-pools"

    @property
    def disks(self) -> Path:
        return self.root / "disks"

    @property
    def devices(self) -> Path:
        return self.root / "devices"

    @property
    def socket(self) -> Path:
        return self.root / "unix.socket"

    @property
    def runtime(self) -> Path:
        return self.root / "containers"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def credentials(self) -> Path:
        return self.root / "credentials.json"

    @property
    def server_certificate(self) -> tuple[Path, Path]:
        return self.root / "server.crt", self.root / "server.key"

    def create(self) -> None:
        """Make the folder and those in it; refuse one that belongs to a real LXD.

        Raises:
            HostError: a real LXD's folder, or not ours to write.
        """
        for mark in FOREIGN_MARKS:
            if (self.root / mark).exists():
                raise HostError(
                    f"{self.root} holds the database of a real LXD, which Azekura never touches",
                    hint="set LXD_DIR to another folder, for instance /var/lib/azekura",
                )
        try:
            # 0711: liblxc, as the container's root, must be able to walk through to the root file system
            self.root.mkdir(mode=0o711, parents=True, exist_ok=True)
            os.chmod(self.root, 0o711)
            for folder, mode in (
                (self.blobs, 0o700),
                (self.pools, 0o711),
                (self.disks, 0o700),
                (self.runtime, 0o711),
                (self.logs, 0o700),
                (self.cache, 0o700),
            ):
                folder.mkdir(mode=mode, exist_ok=True)
                os.chmod(folder, mode)
        except OSError as exc:
            if exc.errno == 28:
                raise NoSpace(path=str(self.root)) from exc
            raise HostError(f"Can't prepare the state folder {self.root}: {exc.strerror}") from exc


def default_root() -> Path:
    """``LXD_DIR``, else ``/var/lib/azekura`` for root, else the user's XDG state folder."""
    given = os.environ.get("LXD_DIR")
    if given:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/azekura")
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
    return Path(state) / "azekura"
