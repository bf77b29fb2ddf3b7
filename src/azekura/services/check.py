"""``lxd check``: rows against blobs against hashes. Repairs what it can, moves the rest aside, deletes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from azekura.errors import AzekuraError
from azekura.formats.compression import open_reader
from azekura.formats.confined import ConfinedScan
from azekura.formats.magic import Container, sniff
from azekura.formats.scan import Limits, ScannedImage, scan_metadata
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Image
from azekura.model.source import Origin
from azekura.services.depot import Depot
from azekura.services.images.register import ImageWishes, register
from azekura.services.images.staging import Staging

log = logging.getLogger("azekura.check")


@dataclass
class CheckReport:
    """``problems`` are sentences; ``repaired`` says what was done about some of them."""

    images: int = 0
    blobs: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.problems


def check_store(
    depot: Depot, *, repair: bool, quick: bool = False, progress: Callable[[str], None] = lambda _: None
) -> CheckReport:
    """Compare what the catalog says with what is stored. ``quick`` trusts the bytes of blobs whose size is right."""
    report = CheckReport()
    with depot.catalog.read() as tx:
        listed = tx.images.list()
        known = {image.fingerprint for image in listed}
        images = listed + [one for one in tx.images.list(deleted=True) if one.fingerprint not in known]
        rows = dict(tx.blobs.list())
    stored = {info.sha256: info.size for info in depot.blobs.list()}
    report.images, report.blobs, report.bytes = len(images), len(stored), sum(stored.values())
    corrupt = _check_blobs(depot, stored, report, repair=repair, quick=quick, progress=progress)
    for image in images:
        _check_image(depot, image, stored, corrupt, report, repair=repair)
    sound = {sha256: size for sha256, size in stored.items() if sha256 not in corrupt}
    _check_strays(depot, sound, set(rows), report, repair=repair)
    for sha256 in rows.keys() - stored.keys():
        with depot.catalog.read() as tx:
            held = tx.blobs.references(sha256)
        if not held:
            report.problems.append(f"The catalog lists the blob {sha256[:12]}, which is not stored and not needed")
            if repair:
                with depot.catalog.write() as tx:
                    tx.blobs.forget(sha256)
                report.repaired.append(f"Forgot the blob {sha256[:12]}")
    return report


def _check_blobs(
    depot: Depot,
    stored: dict[str, int],
    report: CheckReport,
    *,
    repair: bool,
    quick: bool,
    progress: Callable[[str], None],
) -> set[str]:
    """Hash every blob again; returns those whose bytes are not what their name says."""
    corrupt: set[str] = set()
    if quick:
        return corrupt
    for sha256 in sorted(stored):
        progress(f"Checking {sha256[:12]}")
        if depot.blobs.verify(sha256):
            continue
        corrupt.add(sha256)
        report.problems.append(f"The bytes of blob {sha256[:12]} are not what was stored: the disk damaged them")
        if repair:
            where = depot.blobs.quarantine(sha256)
            report.repaired.append(f"Moved the damaged blob {sha256[:12]} aside to {where}")
    return corrupt


def _check_image(
    depot: Depot, image: Image, stored: dict[str, int], corrupt: set[str], report: CheckReport, *, repair: bool
) -> None:
    name = f"image {image.fingerprint.short}"
    for file in image.files.all:
        if file.sha256 not in stored:
            report.problems.append(f"A file of {name} is missing: blob {file.sha256[:12]}")
        elif stored[file.sha256] != file.size:
            report.problems.append(f"A file of {name} has {stored[file.sha256]} bytes instead of {file.size}")
        elif file.sha256 in corrupt:
            report.problems.append(f"A file of {name} is damaged: blob {file.sha256[:12]}")
        kind = "deleted" if image.deleted_at is not None else "image"
        with depot.catalog.read() as tx:
            held = any(
                one.kind == kind and one.owner == image.fingerprint.value for one in tx.blobs.references(file.sha256)
            )
        if not held:
            report.problems.append(f"Nothing holds blob {file.sha256[:12]} for {name}")
            if repair:
                with depot.catalog.write() as tx:
                    tx.blobs.record(file.sha256, file.size)
                    tx.blobs.add_reference(file.sha256, kind, image.fingerprint.value)
                report.repaired.append(f"Blob {file.sha256[:12]} is held for {name} again")


def _check_strays(depot: Depot, stored: dict[str, int], rows: set[str], report: CheckReport, *, repair: bool) -> None:
    """Blobs the catalog doesn't know: images are recorded again, the rest is moved aside."""
    strays = sorted(stored.keys() - rows)
    for sha256 in strays:
        report.problems.append(f"The blob {sha256[:12]} ({stored[sha256]} bytes) is stored, but no record knows it")
    if not repair or not strays:
        return
    metadata: list[str] = []
    rootfs: list[str] = []
    for sha256 in strays:
        try:
            if _restore_unified(depot, sha256):
                report.repaired.append(f"Recorded the image {sha256[:12]} again")
                continue
            (metadata if _is_metadata(depot, sha256) else rootfs).append(sha256)
        except AzekuraError as exc:
            log.info("stray blob %s is no image: %s", sha256[:12], exc)
            rootfs.append(sha256)
    for meta in metadata:
        for root in list(rootfs):
            # a split image's halves know nothing of each other: pair them only when the choice is forced
            if len(metadata) == 1 and len(rootfs) == 1:
                fingerprint = _restore_split(depot, meta, root)
                if fingerprint is not None:
                    report.repaired.append(f"Recorded the split image {fingerprint.short} again")
                    rootfs.remove(root)
                    break
        else:
            where = depot.blobs.quarantine(meta)
            report.repaired.append(
                f"Moved the metadata {meta[:12]} aside to {where}: its root file system is not known"
            )
    for root in rootfs:
        where = depot.blobs.quarantine(root)
        report.repaired.append(f"Moved the stray blob {root[:12]} aside to {where}")


def _is_metadata(depot: Depot, sha256: str) -> bool:
    with depot.blobs.open(sha256) as raw:
        kind = sniff(raw.read(512))
        if kind.container is not Container.TAR:
            return False
        raw.seek(0)
        scan_metadata(open_reader(raw, kind.compression, Limits()), Limits())
        return True


def _restore_unified(depot: Depot, sha256: str) -> bool:
    with depot.blobs.open(sha256) as raw:
        if sniff(raw.read(512)).container is not Container.TAR:
            return False
        raw.seek(0)
        scan = ConfinedScan("unified", None, Limits())
        try:
            while data := raw.read(1 << 20):
                scan.write(data)
            scanned = scan.finish()
        except AzekuraError:
            scan.abort()
            return False
    return isinstance(scanned, ScannedImage) and _again(depot, [("unified", sha256)]) is not None


def _restore_split(depot: Depot, metadata: str, rootfs: str) -> Fingerprint | None:
    return _again(depot, [("metadata", metadata), ("rootfs", rootfs)])


def _again(depot: Depot, parts: list[tuple[str, str]]) -> Fingerprint | None:
    """Bring stored bytes in once more by the path for every way in, so that the record is as good as any."""
    try:
        with Staging(depot, Origin.NETWORK, unpack=False) as staging:
            for role, sha256 in parts:
                part = staging.part(role, depot.blobs.size(sha256))
                with depot.blobs.open(sha256) as raw:
                    while data := raw.read(1 << 20):
                        part.write(data)
            return register(depot, staging, staging.finish(), ImageWishes(adopt=True)).fingerprint
    except AzekuraError as exc:
        log.info("blobs %s could not be recorded again: %s", parts, exc)
        return None
