"""Images, aliases and blob references, on every database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from azekura.catalog import ANY, Catalog, Transaction
from azekura.errors import AlreadyExists, Ambiguous, InUse, InvalidRequest, NotFound, StaleETag
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import EPOCH, NEVER, Alias, Image, ImageFile, ImageType, SplitFiles, UnifiedFiles
from azekura.model.instance import Profile
from azekura.model.source import ImageSource, Origin, Protocol

NOW = datetime(2026, 11, 24, 4, 33, 12, 345678, tzinfo=UTC)
YAML = b"architecture: x86_64\ncreation_date: 1\n"


def fingerprint(start: str) -> Fingerprint:
    return Fingerprint.parse(start.ljust(64, "0"))


def image(start: str, **changes: object) -> Image:
    made = Image(
        fingerprint=fingerprint(start),
        type=ImageType.CONTAINER,
        architecture="x86_64",
        files=UnifiedFiles(ImageFile(fingerprint(start).value, 1000, ".tar.xz")),
        created_at=EPOCH,
        uploaded_at=NOW,
        origin=Origin.NETWORK,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def put(tx: Transaction, start: str, *aliases: str, **changes: object) -> Image:
    tx.images.create(image(start, **changes), metadata_yaml=YAML, templates={"hosts.tpl": b"127.0.0.1"})
    for name in aliases:
        tx.aliases.create(Alias(name, fingerprint(start)))
    return tx.images.get(fingerprint(start))


FULL = image(
    "ab",
    type=ImageType.VIRTUAL_MACHINE,
    files=SplitFiles(ImageFile("1" * 64, 700, ".tar.xz"), ImageFile("2" * 64, 1 << 40, ".squashfs")),
    created_at=datetime(1969, 12, 31, tzinfo=UTC),
    origin=Origin.MADE_HERE,
    filename="möbius ☃ \U0001f980.tar.xz",
    public=True,
    auto_update=True,
    cached=True,
    pinned=True,
    expires_at=datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    last_used_at=NEVER,
    properties={"os": "Debian", "weird": "nul \0 and \ud800 and é", "": "empty key"},
    profiles=("default", "gpu"),
    source=ImageSource("https://images.example", Protocol.SIMPLESTREAMS, "debian/12", "PEM", "virtual-machine"),
)


def test_an_image_comes_back_as_it_went_in(catalog: Catalog) -> None:
    with catalog.write() as tx:
        tx.images.create(FULL, metadata_yaml=b"\x00\xff", templates={"a": b"\x00", "b": b""})
        tx.aliases.create(Alias("vm/z", FULL.fingerprint, "last", ImageType.VIRTUAL_MACHINE))
        tx.aliases.create(Alias("vm/a", FULL.fingerprint))
    aliases = (Alias("vm/a", FULL.fingerprint), Alias("vm/z", FULL.fingerprint, "last", ImageType.VIRTUAL_MACHINE))
    with catalog.read() as tx:
        assert tx.images.get(FULL.fingerprint) == replace(FULL, aliases=aliases)
        assert tx.images.list() == [replace(FULL, aliases=aliases)]
        assert tx.images.metadata_yaml(FULL.fingerprint) == b"\x00\xff"
        assert tx.images.templates(FULL.fingerprint) == {"a": b"\x00", "b": b""}
        assert tx.images.count() == 1


def test_a_second_image_of_the_same_fingerprint_is_refused(catalog: Catalog) -> None:
    with catalog.write() as tx:
        put(tx, "a")
        with pytest.raises(AlreadyExists, match=r"^Image with same fingerprint already exists$"):
            put(tx, "a")
        put(tx, "b")  # the transaction lives on
    with catalog.read() as tx:
        assert tx.images.count() == 2


def test_what_is_not_there_is_not_found_in_lxds_words(catalog: Catalog) -> None:
    with catalog.write() as tx:
        calls: list[Callable[[], object]] = [
            lambda: tx.images.get(fingerprint("a")),
            lambda: tx.images.replace(image("a")),
            lambda: tx.images.mark_used(fingerprint("a"), NOW),
            lambda: tx.images.delete(fingerprint("a"), NOW),
            lambda: tx.images.undelete(fingerprint("a")),
            lambda: tx.images.purge(fingerprint("a")),
            lambda: tx.images.metadata_yaml(fingerprint("a")),
            lambda: tx.images.templates(fingerprint("a")),
            lambda: tx.aliases.create(Alias("one", fingerprint("a"))),
            lambda: tx.aliases.move("one", fingerprint("a"), expect=ANY, reason="test"),
        ]
        for call in calls:
            with pytest.raises(NotFound, match=r"^Image not found$"):
                call()


def test_prefixes_resolve_exactly(catalog: Catalog) -> None:
    with catalog.write() as tx:
        for start in ("a", "ab", "abc", "b", "ff"):
            put(tx, start, public=start == "abc")
    with catalog.read() as tx:
        assert tx.images.resolve(fingerprint("ab").value).fingerprint == fingerprint("ab")
        assert tx.images.resolve("abc").fingerprint == fingerprint("abc")
        assert tx.images.resolve("f").fingerprint == fingerprint("ff")
        assert tx.images.resolve("a", public_only=True).fingerprint == fingerprint("abc")
        with pytest.raises(Ambiguous, match=r"^More than one image matches$") as caught:
            tx.images.resolve("a")
        assert caught.value.candidates == tuple(fingerprint(start).value for start in ("a", "ab", "abc"))
        with pytest.raises(NotFound):
            tx.images.resolve("b", public_only=True)


@pytest.mark.parametrize(
    "hostile", ["", "%", "_", "a%", "ab_", "A", "g", "a\0", "é", "\ud800", "0" * 65, "' OR 1=1 --"]
)
def test_no_character_of_a_prefix_means_anything_but_itself(catalog: Catalog, hostile: str) -> None:
    with catalog.write() as tx:
        put(tx, "ab")
    with catalog.read() as tx, pytest.raises(NotFound, match=r"^Image not found$"):
        tx.images.resolve(hostile)


def test_lists_ascend_by_fingerprint_and_know_what_is_public(catalog: Catalog) -> None:
    with catalog.write() as tx:
        for start in ("f", "9", "a", "0b"):
            put(tx, start, f"name-{start}", public=start in "9f")
    with catalog.read() as tx:
        assert [one.fingerprint.value.rstrip("0") for one in tx.images.list()] == ["0b", "9", "a", "f"]
        assert [one.fingerprint for one in tx.images.list(public_only=True)] == [fingerprint("9"), fingerprint("f")]
        assert [one.aliases[0].name for one in tx.images.list()] == ["name-0b", "name-9", "name-a", "name-f"]


def test_replace_changes_what_may_change_and_nothing_else(catalog: Catalog) -> None:
    with catalog.write() as tx:
        before = put(tx, "a", "one")
        tx.images.replace(
            replace(FULL, fingerprint=before.fingerprint, deleted_at=NOW, aliases=())
        )  # other bytes, dates of birth and deletion are not for replace
        after = tx.images.get(before.fingerprint)
    assert after == replace(
        FULL,
        fingerprint=before.fingerprint,
        type=before.type,
        files=before.files,
        created_at=before.created_at,
        uploaded_at=before.uploaded_at,
        aliases=before.aliases,
    )


def test_mark_used_remembers_when(catalog: Catalog) -> None:
    with catalog.write() as tx:
        put(tx, "a")
        tx.images.mark_used(fingerprint("a"), NOW)
        assert tx.images.get(fingerprint("a")).last_used_at == NOW


def test_a_deleted_image_is_out_of_sight_and_comes_back_with_its_free_aliases(catalog: Catalog) -> None:
    with catalog.write() as tx:
        put(tx, "a", "kept", "taken")
        put(tx, "b")
        tx.images.delete(fingerprint("a"), NOW)
        with pytest.raises(NotFound):
            tx.images.get(fingerprint("a"))
        with pytest.raises(NotFound):
            tx.images.resolve("a")
        assert [one.fingerprint for one in tx.images.list()] == [fingerprint("b")]
        assert [one.fingerprint for one in tx.images.list(deleted=True)] == [fingerprint("a")]
        assert tx.images.get(fingerprint("a"), deleted=True).deleted_at == NOW
        assert tx.images.count() == 1
        assert tx.aliases.find("kept") is None
        assert tx.aliases.history("kept")[0].target is None
        assert tx.images.metadata_yaml(fingerprint("a")) == YAML
        tx.aliases.create(Alias("taken", fingerprint("b")))
        back = tx.images.undelete(fingerprint("a"))
    assert [alias.name for alias in back.aliases] == ["kept"]
    assert back.deleted_at is None
    with catalog.read() as tx:
        assert tx.aliases.get("taken").target == fingerprint("b")
        assert [move.target for move in tx.aliases.history("kept")] == [fingerprint("a"), None, fingerprint("a")]


def test_undelete_brings_no_alias_back_that_went_before_the_image(catalog: Catalog) -> None:
    with catalog.write() as tx:
        put(tx, "a", "old")
        tx.images.delete(fingerprint("a"), NOW)
        tx.images.undelete(fingerprint("a"))
        tx.aliases.delete("old", "by hand")
        tx.images.delete(fingerprint("a"), NOW + timedelta(hours=1))
        assert tx.images.undelete(fingerprint("a")).aliases == ()


def test_importing_what_was_deleted_replaces_it(catalog: Catalog) -> None:
    with catalog.write() as tx:
        put(tx, "a", "one", filename="old")
        tx.images.delete(fingerprint("a"), NOW)
        again = put(tx, "a", filename="new")
        assert (again.filename, again.deleted_at, again.aliases) == ("new", None, ())
        assert tx.images.templates(fingerprint("a")) == {"hosts.tpl": b"127.0.0.1"}


def test_purge_forgets_everything_but_history(catalog: Catalog) -> None:
    with catalog.write() as tx:
        put(tx, "a", "one")
        tx.images.purge(fingerprint("a"))
        with pytest.raises(NotFound):
            tx.images.get(fingerprint("a"), deleted=True)
        assert tx.aliases.find("one") is None
        assert [move.target for move in tx.aliases.history("one")] == [None, fingerprint("a")]
        put(tx, "a")


def test_deleted_before_names_the_longest_deleted_first(catalog: Catalog) -> None:
    with catalog.write() as tx:
        for minutes, start in enumerate(("c", "b", "a")):
            put(tx, start)
            tx.images.delete(fingerprint(start), NOW + timedelta(minutes=minutes))
        put(tx, "d")
        due = tx.images.deleted_before(NOW + timedelta(minutes=2))
    assert [one.fingerprint for one in due] == [fingerprint("c"), fingerprint("b")]


def test_by_source_finds_the_newest_from_there(catalog: Catalog) -> None:
    source = ImageSource("https://s", Protocol.LXD, "debian/12")
    with catalog.write() as tx:
        for hours, start in enumerate(("c", "b", "a", "d")):
            put(tx, start, uploaded_at=NOW + timedelta(hours=hours), source=source)
        tx.images.delete(fingerprint("d"), NOW)
        found = tx.images.by_source("https://s", Protocol.LXD, "debian/12")
        assert found is not None
        assert found.fingerprint == fingerprint("a")
        assert tx.images.by_source("https://s", Protocol.SIMPLESTREAMS, "debian/12") is None
        assert tx.images.by_source("https://s", Protocol.LXD, "debian/11") is None


def test_an_exception_undoes_the_whole_block(catalog: Catalog) -> None:
    with pytest.raises(StaleETag), catalog.write() as tx:  # noqa: PT012 - the block is what is tested
        put(tx, "a", "one")
        raise StaleETag("on purpose")
    with catalog.read() as tx:
        assert tx.images.list() == []
        assert tx.aliases.list() == []


# -- aliases


def test_an_alias_name_is_given_once(catalog: Catalog) -> None:
    with catalog.write() as tx:
        put(tx, "a", "one")
        put(tx, "b", "two")
        with pytest.raises(AlreadyExists, match=r'^Alias "one" already exists$'):
            tx.aliases.create(Alias("one", fingerprint("b")))
        with pytest.raises(AlreadyExists, match=r'^Alias "two" already exists$'):
            tx.aliases.rename("one", "two")
        assert tx.aliases.get("one").target == fingerprint("a")
        assert [alias.name for alias in tx.aliases.list()] == ["one", "two"]


def test_an_alias_that_is_not_there_is_not_found_in_lxds_words(catalog: Catalog) -> None:
    with catalog.write() as tx:
        put(tx, "a")
        calls: list[Callable[[], object]] = [
            lambda: tx.aliases.get("nope"),
            lambda: tx.aliases.delete("nope", "test"),
            lambda: tx.aliases.rename("nope", "new"),
            lambda: tx.aliases.replace(Alias("nope", fingerprint("a"))),
        ]
        for call in calls:
            with pytest.raises(NotFound, match=r"^Image alias not found$"):
                call()
        assert tx.aliases.find("nope") is None
        assert tx.aliases.history("nope") == []


@pytest.mark.parametrize(
    "name", ["ubuntu/22.04/amd64", "Ünïcode ☃", "100%_sure", "o'brien\"; DROP TABLE images", "🦀" * 64]
)
def test_alias_names_are_taken_as_they_are(catalog: Catalog, name: str) -> None:
    with catalog.write() as tx:
        put(tx, "a", name)
        assert tx.aliases.get(name).name == name
        assert tx.aliases.find(name.upper() + "x") is None


def test_aliases_are_case_sensitive_and_sorted_by_code_point(catalog: Catalog) -> None:
    names = ["é", "a", "B", "b", "A", "_", "1", "Z"]
    with catalog.write() as tx:
        put(tx, "a", *names)
        assert [alias.name for alias in tx.aliases.list()] == sorted(names)


@pytest.mark.parametrize("name", ["nul\0", "half \ud800"])
def test_text_no_database_can_hold_is_an_invalid_request(catalog: Catalog, name: str) -> None:
    with catalog.write() as tx:
        put(tx, "a")
        assert tx.aliases.find(name) is None
        with pytest.raises(InvalidRequest, match="can't hold text"):
            tx.aliases.create(Alias(name, fingerprint("a")))
        with pytest.raises(InvalidRequest, match="can't hold a number"):
            tx.blobs.record("c" * 64, 1 << 64)


def test_move_compares_and_swaps(catalog: Catalog) -> None:
    a, b = fingerprint("a"), fingerprint("b")
    with catalog.write() as tx:
        put(tx, "a")
        put(tx, "b")
        with pytest.raises(StaleETag):
            tx.aliases.move("one", a, expect=b, reason="absent")
        assert tx.aliases.move("one", a, expect=None, reason="first") is None
        with pytest.raises(StaleETag):
            tx.aliases.move("one", b, expect=None, reason="present")
        with pytest.raises(StaleETag):
            tx.aliases.move("one", b, expect=b, reason="elsewhere")
        tx.aliases.replace(Alias("one", a, "described"))
        assert tx.aliases.move("one", b, expect=a, reason="second") == a
        assert tx.aliases.move("one", a, expect=ANY, reason="third") == b
        assert tx.aliases.move("one", a, expect=ANY, reason="no move") == a
        assert tx.aliases.move("two", a, expect=ANY, reason="made") is None
        assert tx.aliases.get("one") == Alias("one", a, "described")
        assert [(move.target, move.reason) for move in tx.aliases.history("one")] == [
            (a, "third"),
            (b, "second"),
            (a, "first"),
        ]


def test_a_moved_alias_takes_over_the_type_of_its_image(catalog: Catalog) -> None:
    with catalog.write() as tx:
        put(tx, "a", "one")
        put(tx, "b", type=ImageType.VIRTUAL_MACHINE)
        tx.aliases.move("one", fingerprint("b"), expect=ANY, reason="test")
        assert tx.aliases.get("one").type is ImageType.VIRTUAL_MACHINE


def test_nothing_points_to_a_deleted_image(catalog: Catalog) -> None:
    with catalog.write() as tx:
        put(tx, "a", "one")
        put(tx, "b")
        tx.images.delete(fingerprint("b"), NOW)
        calls: list[Callable[[], object]] = [
            lambda: tx.aliases.create(Alias("two", fingerprint("b"))),
            lambda: tx.aliases.move("one", fingerprint("b"), expect=ANY, reason="test"),
            lambda: tx.aliases.replace(Alias("one", fingerprint("b"))),
        ]
        for call in calls:
            with pytest.raises(NotFound, match=r"^Image not found$"):
                call()


def test_history_follows_both_names_of_a_rename_and_outlives_the_alias(catalog: Catalog) -> None:
    with catalog.write() as tx:
        put(tx, "a", "old")
        tx.aliases.rename("old", "new")
        tx.aliases.delete("new", "by hand")
        old, new = tx.aliases.history("old"), tx.aliases.history("new")
    assert [move.reason for move in old] == ["renamed to new", "create"]
    assert [move.reason for move in new] == ["by hand", "renamed from old"]
    assert [move.target for move in new] == [None, fingerprint("a")]
    assert all(abs(move.moved_at - datetime.now(UTC)) < timedelta(minutes=1) for move in old + new)


# -- blobs


def test_a_blob_is_kept_while_anybody_refers_to_it(catalog: Catalog) -> None:
    sha256, later = "c" * 64, datetime.now(UTC) + timedelta(hours=1)
    with catalog.write() as tx:
        assert not tx.blobs.known(sha256)
        tx.blobs.record(sha256, 7)
        tx.blobs.record(sha256, 7)
        assert tx.blobs.known(sha256)
        assert tx.blobs.unreferenced(later) == [(sha256, 7)]
        tx.blobs.add_reference(sha256, "download", "operation-1")
        tx.blobs.add_reference(sha256, "pin", "admin")
        assert tx.blobs.unreferenced(later) == []
        with pytest.raises(InUse):
            tx.blobs.forget(sha256)
        assert [(one.kind, one.owner) for one in tx.blobs.references(sha256)] == [
            ("download", "operation-1"),
            ("pin", "admin"),
        ]
        tx.blobs.drop_reference(sha256, "download", "operation-1")
        tx.blobs.drop_reference(sha256, "download", "operation-1")
        assert tx.blobs.unreferenced(later) == []
        tx.blobs.drop_reference(sha256, "pin", "admin")
        assert tx.blobs.unreferenced(datetime.now(UTC) - timedelta(minutes=1)) == []  # not idle for long enough
        assert tx.blobs.unreferenced(later) == [(sha256, 7)]
        tx.blobs.forget(sha256)
        assert tx.blobs.list() == []
        with pytest.raises(NotFound):
            tx.blobs.forget(sha256)
        with pytest.raises(NotFound):
            tx.blobs.add_reference(sha256, "pin", "admin")


def test_an_expired_reference_keeps_nothing(catalog: Catalog) -> None:
    sha256, now = "c" * 64, datetime.now(UTC)
    with catalog.write() as tx:
        tx.blobs.record(sha256, 7)
        tx.blobs.add_reference(sha256, "download", "x", now + timedelta(hours=1))
        assert tx.blobs.unreferenced(now + timedelta(minutes=59)) == []
        assert tx.blobs.unreferenced(now + timedelta(minutes=61)) == [(sha256, 7)]
        with pytest.raises(InUse):
            tx.blobs.forget(sha256)
        tx.blobs.add_reference(sha256, "download", "x", now - timedelta(seconds=1))
        assert [one.expires_at for one in tx.blobs.references(sha256)] == [now - timedelta(seconds=1)]
        tx.blobs.forget(sha256)


def test_an_image_keeps_its_blobs_even_without_a_reference_until_it_is_purged(catalog: Catalog) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    files = SplitFiles(ImageFile("1" * 64, 5, ".tar.xz"), ImageFile("2" * 64, 6, ".squashfs"))
    with catalog.write() as tx:
        for file in files.all:
            tx.blobs.record(file.sha256, file.size)
        put(tx, "a", files=files)
        put(tx, "b", files=SplitFiles(ImageFile("3" * 64, 5, ".tar.xz"), files.rootfs))
        tx.blobs.add_reference("2" * 64, "image", fingerprint("a").value)
        assert tx.blobs.unreferenced(later) == []
        assert [(one.kind, one.owner) for one in tx.blobs.references("2" * 64)] == [
            ("image", fingerprint("a").value),
            ("image", fingerprint("b").value),
        ]
        tx.images.delete(fingerprint("a"), NOW)
        tx.blobs.drop_reference("2" * 64, "image", fingerprint("a").value)
        assert tx.blobs.unreferenced(later) == []
        with pytest.raises(InUse):
            tx.blobs.forget("1" * 64)
        tx.images.purge(fingerprint("a"))
        assert tx.blobs.unreferenced(later) == [("1" * 64, 5)]
        assert tx.blobs.unreferenced(datetime.now(UTC) - timedelta(minutes=1)) == []
        tx.images.purge(fingerprint("b"))
        assert sorted(tx.blobs.unreferenced(later)) == [("1" * 64, 5), ("2" * 64, 6)]
        assert tx.blobs.total_size() == 11


# -- profiles that images name


def test_images_follow_a_renamed_profile_and_let_go_of_a_deleted_one(catalog: Catalog) -> None:
    with catalog.write() as tx:
        for name in ("default", "gpu"):
            tx.profiles.create(Profile(name))
        put(tx, "a", profiles=("gpu", "default"))
        put(tx, "b", profiles=())
        tx.profiles.rename("gpu", "tpu")
        assert tx.images.get(fingerprint("a")).profiles == ("tpu", "default")
        tx.profiles.delete("tpu")
        assert tx.images.get(fingerprint("a")).profiles == ("default",)
        assert tx.images.get(fingerprint("b")).profiles == ()


def test_files_of_public_images_are_found_by_their_sha256(catalog: Catalog) -> None:
    with catalog.write() as tx:
        tx.images.create(FULL, metadata_yaml=YAML, templates={})
        put(tx, "cd", files=SplitFiles(ImageFile("1" * 64, 700, ".tar.xz"), ImageFile("3" * 64, 5, ".tar")))
    with catalog.read() as tx:
        assert tx.images.public_file("1" * 64, NOW) == ImageFile("1" * 64, 700, ".tar.xz")
        assert tx.images.public_file("2" * 64, NOW) == ImageFile("2" * 64, 1 << 40, ".squashfs")
        assert tx.images.public_file("3" * 64, NOW) is None, "its image is private"
        assert tx.images.public_file("4" * 64, NOW) is None
        assert tx.images.public_file("\ud800", NOW) is None
    with catalog.write() as tx:
        tx.images.delete(FULL.fingerprint, NOW)
    with catalog.read() as tx:
        assert tx.images.public_file("2" * 64, NOW - timedelta(seconds=1)) is not None
        assert tx.images.public_file("2" * 64, NOW) is None


def test_changes_of_tables_are_counted(catalog: Catalog) -> None:
    seen = [catalog.changes("images", "aliases")]

    def counts() -> bool:
        seen.append(catalog.changes("images", "aliases"))
        return seen[-1] != seen[-2]

    with catalog.write() as tx:
        put(tx, "ab", "web")
        assert not counts(), "others can't see it yet"
    assert counts()
    with catalog.write() as tx:
        tx.images.mark_used(fingerprint("ab"), NOW)
        tx.profiles.create(Profile("p"))
        tx.settings.set({"user.a": "b"})
    assert not counts()
    with catalog.write() as tx:
        tx.aliases.rename("web", "www")
    assert counts()
    with catalog.write() as tx:
        tx.images.replace(image("ab", public=True))
    assert counts()
    with catalog.write() as tx:
        tx.images.delete(fingerprint("ab"), NOW)
    assert counts()
    with catalog.write() as tx:
        tx.images.undelete(fingerprint("ab"))
    assert counts()
    with catalog.write() as tx:
        tx.images.purge(fingerprint("ab"))
    assert counts()
