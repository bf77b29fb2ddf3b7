"""Instances, profiles, pools, settings, trust, operations, events and secrets, on every database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest

from azekura.catalog import Catalog, Snapshot, Transaction
from azekura.errors import AlreadyExists, Ambiguous, InUse, NotFound
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import EPOCH, Image, ImageFile, ImageType, UnifiedFiles
from azekura.model.instance import Instance, Profile, StoragePool
from azekura.model.operation import Operation, OperationClass, OperationStatus
from azekura.model.source import Origin
from azekura.model.trust import Token, TrustedCertificate

NOW = datetime(2026, 11, 24, 4, 33, 12, 345678, tzinfo=UTC)
BASE = Fingerprint.parse("ab" * 32)
C1 = Instance(
    name="c1",
    architecture="x86_64",
    pool="default",
    created_at=NOW,
    config=MappingProxyType({"volatile.base_image": BASE.value, "user.note": "é ☃ \0"}),
    devices=MappingProxyType({"eth0": MappingProxyType({"type": "nic", "name": "eth0"}), "none": {}}),
    profiles=("gpu", "default", "gpu"),
    ephemeral=True,
    description="first",
    last_used_at=NOW + timedelta(hours=1),
)
FILES = {"hosts.tpl": b"\x00\xff", "name with / and é": b""}


def prepare(tx: Transaction) -> None:
    """What instances stand on."""
    for name in ("default", "gpu"):
        tx.profiles.create(Profile(name))
    for name in ("default", "fast"):
        tx.pools.create(StoragePool(name, "dir"))


def put_image(tx: Transaction) -> None:
    files = UnifiedFiles(ImageFile(BASE.value, 1, ".tar"))
    image = Image(BASE, ImageType.CONTAINER, "x86_64", files, EPOCH, NOW, Origin.ADMIN)
    tx.images.create(image, metadata_yaml=b"", templates={})


# -- instances


def test_an_instance_comes_back_as_it_went_in(catalog: Catalog) -> None:
    with catalog.write() as tx:
        prepare(tx)
        tx.instances.create(C1)
        tx.instances.create(replace(C1, name="a0", profiles=(), config={}))
    with catalog.read() as tx:
        assert tx.instances.get("c1") == C1
        assert tx.instances.list() == [replace(C1, name="a0", profiles=(), config={}), C1]
        assert tx.instances.used_image(BASE) == tx.instances.used_image(BASE.value) == ["c1"]
        assert tx.pools.used_by("default") == ["a0", "c1"]
        assert tx.profiles.used_by("gpu") == ["c1"]


def test_an_instance_name_is_given_once_in_lxds_words(catalog: Catalog) -> None:
    with catalog.write() as tx:
        prepare(tx)
        tx.instances.create(C1)
        tx.instances.create(replace(C1, name="c2"))
        with pytest.raises(AlreadyExists, match=r'^Instance "c1" already exists$'):
            tx.instances.create(C1)
        with pytest.raises(AlreadyExists, match=r'^Instance "c1" already exists$'):
            tx.instances.rename("c2", "c1")
        assert len(tx.instances.list()) == 2


def test_what_an_instance_needs_must_be_there(catalog: Catalog) -> None:
    with catalog.write() as tx:
        prepare(tx)
        tx.instances.create(C1)
        with pytest.raises(NotFound, match=r"^Storage pool not found$"):
            tx.instances.create(replace(C1, name="c2", pool="nope"))
        with pytest.raises(NotFound, match=r'^Requested profile "nope" doesn\'t exist$'):
            tx.instances.replace(replace(C1, profiles=("default", "nope")))
        assert tx.instances.list() == [C1]


def test_replace_puts_down_everything(catalog: Catalog) -> None:
    other = Instance("c1", "aarch64", "fast", EPOCH, {"a": "b"}, {}, ("default",), False, "second", EPOCH)
    with catalog.write() as tx:
        prepare(tx)
        tx.instances.create(C1)
        tx.instances.replace(other)
        assert tx.instances.get("c1") == other
        assert tx.instances.used_image(BASE) == []


def test_a_rename_takes_snapshots_files_and_profiles_along(catalog: Catalog) -> None:
    with catalog.write() as tx:
        prepare(tx)
        tx.instances.create(C1)
        tx.instances.set_files("c1", b"yaml", FILES)
        tx.instances.create_snapshot(Snapshot("snap0", C1, NOW))
        tx.instances.rename("c1", "c2")
        renamed = replace(C1, name="c2")
        assert tx.instances.list() == [renamed]
        assert tx.instances.get_files("c2") == (b"yaml", FILES)
        assert tx.instances.list_snapshots("c2") == [Snapshot("snap0", renamed, NOW)]
        assert tx.instances.get_files("c2", snapshot="snap0") == (b"yaml", FILES)
        tx.instances.create(C1)
        assert tx.instances.list_snapshots("c1") == []


def test_a_deleted_instance_leaves_nothing_behind(catalog: Catalog) -> None:
    with catalog.write() as tx:
        prepare(tx)
        tx.instances.create(C1)
        tx.instances.set_files("c1", b"yaml", FILES)
        tx.instances.create_snapshot(Snapshot("snap0", C1, NOW))
        tx.instances.delete("c1")
        tx.instances.create(C1)
        assert tx.instances.list_snapshots("c1") == []
        for snapshot in ("", "snap0"):
            with pytest.raises(NotFound):
                tx.instances.get_files("c1", snapshot=snapshot)


def test_an_instance_that_is_not_there_is_not_found_in_lxds_words(catalog: Catalog) -> None:
    with catalog.write() as tx:
        prepare(tx)
        calls: list[Callable[[], object]] = [
            lambda: tx.instances.get("nope"),
            lambda: tx.instances.replace(replace(C1, name="nope")),
            lambda: tx.instances.rename("nope", "new"),
            lambda: tx.instances.delete("nope"),
            lambda: tx.instances.get_files("nope"),
            lambda: tx.instances.set_files("nope", b"", {}),
            lambda: tx.instances.create_snapshot(Snapshot("s", replace(C1, name="nope"), NOW)),
        ]
        for call in calls:
            with pytest.raises(NotFound, match=r"^Instance not found$"):
                call()
        assert tx.instances.list_snapshots("nope") == []


def test_set_files_replaces_all_files_of_the_instance_and_none_of_its_snapshots(catalog: Catalog) -> None:
    with catalog.write() as tx:
        prepare(tx)
        tx.instances.create(C1)
        tx.instances.set_files("c1", b"one", FILES)
        tx.instances.create_snapshot(Snapshot("snap0", C1, NOW))
        tx.instances.set_files("c1", b"two", {"other.tpl": b"x"})
        assert tx.instances.get_files("c1") == (b"two", {"other.tpl": b"x"})
        assert tx.instances.get_files("c1", snapshot="snap0") == (b"one", FILES)


def test_snapshots_are_made_listed_changed_renamed_and_deleted(catalog: Catalog) -> None:
    late = Snapshot("a-late", C1, NOW + timedelta(hours=1), expires_at=NOW + timedelta(days=9), stateful=True)
    early = Snapshot("early", replace(C1, profiles=("gone",), pool="gone"), NOW)
    with catalog.write() as tx:
        prepare(tx)
        tx.instances.create(C1)
        tx.instances.create(replace(C1, name="c2"))
        for snapshot in (late, early):
            tx.instances.create_snapshot(snapshot)
        tx.instances.create_snapshot(Snapshot("early", replace(C1, name="c2"), NOW))
        assert tx.instances.list_snapshots("c1") == [early, late]
        assert {name: len(made) for name, made in tx.instances.all_snapshots().items()} == {"c1": 2, "c2": 1}
        with pytest.raises(AlreadyExists, match=r'^Snapshot "c1/early" already exists$'):
            tx.instances.create_snapshot(early)
        with pytest.raises(AlreadyExists):
            tx.instances.rename_snapshot("c1", "early", "a-late")
        tx.instances.replace_snapshot(replace(early, expires_at=NOW))
        assert tx.instances.get_snapshot("c1", "early") == replace(early, expires_at=NOW)
        tx.instances.rename_snapshot("c1", "early", "snap9")
        tx.instances.delete_snapshot("c1", "a-late")
        assert [one.name for one in tx.instances.list_snapshots("c1")] == ["snap9"]
        calls: list[Callable[[], object]] = [
            lambda: tx.instances.get_snapshot("c1", "early"),
            lambda: tx.instances.delete_snapshot("c1", "early"),
            lambda: tx.instances.rename_snapshot("c1", "early", "x"),
            lambda: tx.instances.replace_snapshot(early),
        ]
        for call in calls:
            with pytest.raises(NotFound, match=r"^Instance snapshot not found$"):
                call()


# -- profiles and pools


def test_profiles_come_back_are_replaced_and_renamed_everywhere(catalog: Catalog) -> None:
    gpu = Profile("gpu", "with card", {"limits.cpu": "2"}, {"card": {"type": "gpu"}})
    with catalog.write() as tx:
        prepare(tx)
        tx.instances.create(C1)
        tx.instances.create_snapshot(Snapshot("snap0", C1, NOW))
        tx.profiles.replace(gpu)
        assert tx.profiles.get("gpu") == gpu
        assert [profile.name for profile in tx.profiles.list()] == ["default", "gpu"]
        tx.profiles.rename("gpu", "tpu")
        assert tx.instances.get("c1").profiles == ("tpu", "default", "tpu")
        assert tx.instances.get_snapshot("c1", "snap0").instance.profiles == ("tpu", "default", "tpu")
        with pytest.raises(AlreadyExists, match=r'^Profile "default" already exists$'):
            tx.profiles.rename("tpu", "default")
        with pytest.raises(AlreadyExists, match=r'^Profile "default" already exists$'):
            tx.profiles.create(Profile("default"))
        calls: list[Callable[[], object]] = [
            lambda: tx.profiles.get("gpu"),
            lambda: tx.profiles.replace(gpu),
            lambda: tx.profiles.rename("gpu", "x"),
            lambda: tx.profiles.delete("gpu"),
        ]
        for call in calls:
            with pytest.raises(NotFound, match=r"^Profile not found$"):
                call()


def test_a_profile_in_use_stays(catalog: Catalog) -> None:
    with catalog.write() as tx:
        prepare(tx)
        tx.instances.create(C1)
        with pytest.raises(InUse, match=r"^Profile is currently in use$"):
            tx.profiles.delete("gpu")
        tx.instances.delete("c1")
        tx.profiles.delete("gpu")
        assert [profile.name for profile in tx.profiles.list()] == ["default"]


def test_pools_come_back_are_replaced_renamed_and_stay_while_in_use(catalog: Catalog) -> None:
    fast = StoragePool("fast", "btrfs", {"source": "/dev/sdz"}, "quick")
    with catalog.write() as tx:
        prepare(tx)
        tx.instances.create(C1)
        tx.pools.replace(fast)
        assert tx.pools.get("fast") == fast
        tx.pools.rename("default", "slow")
        assert tx.instances.get("c1").pool == "slow"
        assert [pool.name for pool in tx.pools.list()] == ["fast", "slow"]
        with pytest.raises(InUse, match=r"^The storage pool is currently in use$"):
            tx.pools.delete("slow")
        with pytest.raises(AlreadyExists, match=r'^Storage pool "fast" already exists$'):
            tx.pools.rename("slow", "fast")
        with pytest.raises(AlreadyExists, match=r'^Storage pool "fast" already exists$'):
            tx.pools.create(fast)
        tx.pools.delete("fast")
        calls: list[Callable[[], object]] = [
            lambda: tx.pools.get("fast"),
            lambda: tx.pools.replace(fast),
            lambda: tx.pools.rename("fast", "x"),
            lambda: tx.pools.delete("fast"),
        ]
        for call in calls:
            with pytest.raises(NotFound, match=r"^Storage pool not found$"):
                call()


# -- settings and trust


def test_settings_are_set_and_unset_together(catalog: Catalog) -> None:
    with catalog.write() as tx:
        assert tx.settings.all() == {}
        assert tx.settings.get("user.x") == ""
        tx.settings.set({"b": "2", "a": "1", "empty": ""})
        tx.settings.set({"b": None, "a": "one", "never": None})
        tx.settings.set({})
    with catalog.read() as tx:
        assert tx.settings.all() == {"a": "one", "empty": ""}
        assert tx.settings.get("a") == "one"


def test_certificates_are_found_by_unambiguous_prefix(catalog: Catalog) -> None:
    one = TrustedCertificate("ab" * 32, "one", "PEM", "client", True, ("p1", "p2"))
    other = TrustedCertificate("ac" * 32, "one", "PEM2")
    with catalog.write() as tx:
        tx.certificates.add(other)
        tx.certificates.add(one)
        assert tx.certificates.list() == [one, other]
        assert tx.certificates.get("ab") == tx.certificates.get("ab" * 32) == one
        with pytest.raises(Ambiguous) as caught:
            tx.certificates.get("a")
        assert caught.value.candidates == ("ab" * 32, "ac" * 32)
        with pytest.raises(AlreadyExists, match=r"^Certificate already in trust store$"):
            tx.certificates.add(one)
        tx.certificates.replace(replace(one, name="renamed"))
        assert tx.certificates.get("ab").name == "renamed"
        tx.certificates.remove("ab" * 32)
        for name in ("ab", "%", "_", "", "zz", "\0", "\ud800"):
            with pytest.raises(NotFound, match=r"^Certificate not found$"):
                tx.certificates.get(name)
        with pytest.raises(NotFound):
            tx.certificates.remove("ac")  # removal wants it whole
        with pytest.raises(NotFound):
            tx.certificates.replace(one)


def test_a_token_is_taken_once_and_not_after_its_end(catalog: Catalog) -> None:
    token = Token("id1", "s" * 64, "join", "laptop", NOW, NOW + timedelta(hours=1), "debian/*", True)
    endless = Token("id2", "t" * 64, "read", "ci", NOW)
    with catalog.write() as tx:
        tx.tokens.add(token)
        tx.tokens.add(endless)
        with pytest.raises(AlreadyExists):
            tx.tokens.add(replace(token, id="id3"))
        assert tx.tokens.list() == [token, endless]
        assert tx.tokens.find("s" * 64, NOW) == token
        assert tx.tokens.find("s" * 64, NOW + timedelta(hours=1)) is None
        assert tx.tokens.take("s" * 64, NOW + timedelta(hours=1)) is None
        assert tx.tokens.take("s" * 64, NOW) == token
        assert tx.tokens.take("s" * 64, NOW) is None
        assert tx.tokens.find("t" * 64, NOW + timedelta(days=9999)) == endless
        tx.tokens.revoke("id2")
        assert tx.tokens.list() == []
        with pytest.raises(NotFound, match=r"^Token not found$"):
            tx.tokens.revoke("id2")
        tx.tokens.add(token)
        assert tx.tokens.delete_expired(NOW) == 0
        assert tx.tokens.delete_expired(NOW + timedelta(hours=1)) == 1


def test_an_image_secret_works_once_and_for_a_moment_more(catalog: Catalog) -> None:
    secret, other = "5" * 64, "6" * 64
    with catalog.write() as tx:
        put_image(tx)
        tx.secrets.add(BASE, secret, NOW + timedelta(hours=1))
        tx.secrets.add(BASE, other, NOW + timedelta(hours=1))
        with pytest.raises(AlreadyExists):
            tx.secrets.add(BASE, secret)
        assert not tx.secrets.use(Fingerprint.parse("c" * 64), secret, NOW)
        assert not tx.secrets.use(BASE, "7" * 64, NOW)
        assert not tx.secrets.use(BASE, secret, NOW + timedelta(hours=1))
        assert tx.secrets.use(BASE, secret, NOW)
        assert tx.secrets.use(BASE, secret, NOW + timedelta(seconds=4.9))
        assert not tx.secrets.use(BASE, secret, NOW + timedelta(seconds=5))
        assert tx.secrets.delete_expired(NOW + timedelta(seconds=4)) == 0
        assert tx.secrets.delete_expired(NOW + timedelta(seconds=5)) == 1
        tx.secrets.revoke(other)
        tx.secrets.revoke(other)
        assert not tx.secrets.use(BASE, other, NOW)
        tx.secrets.add(BASE, other)
        tx.images.delete(BASE, NOW)
        tx.images.undelete(BASE)
        assert not tx.secrets.use(BASE, other, NOW)


# -- operations and events


OPERATION = Operation(
    id="op1",
    kind=OperationClass.TASK,
    description="Downloading image",
    status=OperationStatus.RUNNING,
    created_at=NOW,
    updated_at=NOW,
    resources={"images": ("/1.0/images/x", "/1.0/images/y")},
    metadata={"download_progress": "8%", "progress": {"percent": "8", "list": [1, None, True, "é"]}},
    may_cancel=True,
    owner="server-1",
)


def test_operations_come_back_change_and_go(catalog: Catalog) -> None:
    done = replace(OPERATION, status=OperationStatus.SUCCESS, may_cancel=False, updated_at=NOW + timedelta(minutes=1))
    with catalog.write(durable=False) as tx:
        tx.operations.create(OPERATION)
        tx.operations.create(replace(OPERATION, id="op0", created_at=NOW + timedelta(seconds=1)))
        with pytest.raises(AlreadyExists):
            tx.operations.create(OPERATION)
        assert tx.operations.get("op1") == OPERATION
        assert [one.id for one in tx.operations.list()] == ["op1", "op0"]
        tx.operations.update(done)
        assert tx.operations.get("op1") == done
        assert tx.operations.delete_finished_before(NOW + timedelta(minutes=1)) == 0
        assert tx.operations.delete_finished_before(NOW + timedelta(minutes=2)) == 1
        assert [one.id for one in tx.operations.list()] == ["op0"]
        with pytest.raises(NotFound, match=r"^Operation not found$"):
            tx.operations.get("op1")
        with pytest.raises(NotFound, match=r"^Operation not found$"):
            tx.operations.update(done)


def test_operations_of_dead_servers_fail_and_say_so(catalog: Catalog) -> None:
    with catalog.write(durable=False) as tx:
        tx.operations.create(OPERATION)
        tx.operations.create(replace(OPERATION, id="op2", owner="server-2"))
        tx.operations.create(replace(OPERATION, id="op3", status=OperationStatus.SUCCESS))
        assert [one.id for one in tx.operations.fail_orphans({"server-2"})] == ["op1"]
        failed = tx.operations.get("op1")
        assert (failed.status, failed.may_cancel) == (OperationStatus.FAILURE, False)
        assert failed.error == "The server that ran this operation was stopped"
        assert tx.operations.get("op2").status is OperationStatus.RUNNING
        assert tx.operations.get("op3").status is OperationStatus.SUCCESS
        assert [one.id for one in tx.operations.fail_orphans(())] == ["op2"]


def test_events_are_numbered_read_on_and_trimmed_without_a_number_ever_coming_again(catalog: Catalog) -> None:
    with catalog.write(durable=False) as tx:
        assert tx.events.last() == 0
        numbers = [
            tx.events.append("lifecycle", NOW + timedelta(hours=hour), {"n": hour, "deep": {"é": [None]}})
            for hour in range(3)
        ]
        assert numbers == sorted(set(numbers))
        first = tx.events.since(0, limit=1)[0]
        assert (first.sequence, first.type, first.timestamp) == (numbers[0], "lifecycle", NOW)
        assert first.metadata == {"n": 0, "deep": {"é": [None]}}
        assert [event.metadata["n"] for event in tx.events.since(numbers[0])] == [1, 2]
        assert tx.events.last() == numbers[-1]
        assert tx.events.trim(NOW + timedelta(hours=9)) == 3
        assert tx.events.since(0) == []
        assert tx.events.append("lifecycle", NOW, {}) > numbers[-1]
