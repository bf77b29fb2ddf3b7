"""LXD's own tests, from Debian's source package: fetched through apt, kept out of this tree and of the system's apt."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

VERSION = "5.0.2"
SUITE = "bookworm"  # the release that ships this LXD
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class SourceUnavailable(Exception):
    """There is no apt, no mirror, or not this version; the text says which."""


def lxd_tests() -> Path:
    """The folder ``test`` of LXD's source, fetched once into ``AZEKURA_FIELD_SOURCES`` (``/var/tmp/azekura-field``).

    Raises:
        SourceUnavailable: it can't be had on this machine.
    """
    store = Path(os.environ.get("AZEKURA_FIELD_SOURCES", "/var/tmp/azekura-field"))
    found = store / f"lxd-{VERSION}" / "test"
    if not found.is_dir():
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store) as scratch:
            archive = _fetch(Path(scratch))
            _unpack(archive, Path(scratch) / "tree")
            (Path(scratch) / "tree" / found.parent.name).replace(found.parent)
    return found


def _fetch(scratch: Path) -> Path:
    """The upstream archive, checked by apt against the signed index of the mirror this machine uses."""
    if shutil.which("apt-get") is None or not Path(_KEYRING).exists():
        raise SourceUnavailable("LXD's source comes through apt with Debian's keyring (debian-archive-keyring)")
    scratch.chmod(0o755)
    sources = scratch / "lxd.sources"
    sources.write_text(f"Types: deb-src\nURIs: {_mirror()}\nSuites: {SUITE}\nComponents: main\nSigned-By: {_KEYRING}\n")
    for folder in ("lists/partial", "cache"):
        (scratch / folder).mkdir(parents=True)
    options = {
        "Dir::Etc::SourceList": str(sources),
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": str(scratch / "lists"),
        "Dir::Cache": str(scratch / "cache"),
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
    for step in (["update"], ["source", "--download-only", "lxd"]):
        done = subprocess.run([*apt, *step], cwd=scratch, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise SourceUnavailable(f"apt-get {step[0]}: {done.stderr.strip()[-400:]}")
    archive = scratch / f"lxd_{VERSION}.orig.tar.gz"
    if not archive.exists():
        raise SourceUnavailable(f"the mirror has another LXD than {VERSION}")
    return archive


def _mirror() -> str:
    """The Debian mirror of this machine's apt, or Debian's own."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(ORIGIN) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    for line in done.stdout.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] == "Debian" and "security" not in words[2]:
            return words[2]
    return "http://deb.debian.org/debian"


def _unpack(archive: Path, target: Path) -> None:
    target.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", target, f"lxd-{VERSION}/test"], check=True, timeout=60)
