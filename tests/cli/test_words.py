"""What ``lxc`` says and how it ends, against a server that answers as the test wants."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.api_server import Request, api_server

from azekura.cli.main import main

FINGERPRINT = "ab" * 32


@pytest.fixture
def lxc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """``lxc(handler, *words)`` → exit code, standard output, standard error."""
    monkeypatch.setenv("LXD_CONF", str(tmp_path / "conf"))
    monkeypatch.setenv("LXD_GLOBAL_CONF", str(tmp_path / "none"))
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/config.yml").write_text("default-remote: local\nremotes: {}\naliases: {}\n")

    def run(handler: Callable[[Request], None], *words: str) -> tuple[int, str, str]:
        with api_server(handler) as api:
            monkeypatch.setenv("LXD_SOCKET", str(api.path))
            code = main(list(words))
            out, err = capfd.readouterr()
            return code, out, err

    return run


def no_server(request: Request) -> None:
    request.refuse(500, f"unexpected: {request.method} {request.path}")


Lxc = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bogus"], 'unknown command "bogus" for "lxc"'),
        (["imag"], 'unknown command "imag" for "lxc"\n\nDid you mean this?\n\timage\n'),
        (["image", "bogus"], 'unknown command "bogus" for "lxc image"'),
        (["image", "list", "--nosuch"], "unknown flag: --nosuch"),
        (["--nosuch", "image"], "unknown flag: --nosuch"),
        (["image", "list", "nosuch:"], 'The remote "nosuch" doesn\'t exist'),
        (["image", "copy", "a", "local:b"], "Can't provide a name for the target image"),
        (["image", "copy", "a", "local:"], "The source and target servers must be different"),
        (["image", "import", "/nosuch"], "open /nosuch: no such file or directory"),
        (["image", "import", "http://x/y"], "Only https:// is supported for remote image import"),
        (["image", "prune"], "Say what to prune: --unused, --older-than 30d or --to-free 5GiB"),
        (
            ["cluster", "list"],
            (
                '"lxc cluster" is not part of Azekura: servers of ours share a database and a store instead '
                "(docs/image-server.md)"
            ),
        ),
        (["query", "1.0"], "Query path must start with /"),
        (["exec", "c1", "-t", "-T", "--", "true"], "You can't pass -t and -T at the same time"),
    ],
)
def test_mistakes_end_with_one_error_and_exit_code_1(lxc: Lxc, words: list[str], message: str) -> None:
    assert lxc(no_server, *words) == (1, "", f"Error: {message}\n")


def test_missing_arguments_ask_for_help(lxc: Lxc) -> None:
    code, out, err = lxc(no_server, "image", "info")
    assert (code, err) == (0, "")
    assert "lxc image info [<remote>:]<image> [flags]" in out


def test_wrong_number_of_arguments_is_an_error(lxc: Lxc) -> None:
    code, out, err = lxc(no_server, "image", "info", "a", "b")
    assert (code, err) == (1, "Error: Invalid number of arguments\n")
    assert out.startswith("Description:")


def test_group_alone_shows_its_usage_on_stderr(lxc: Lxc) -> None:
    code, out, err = lxc(no_server, "image")
    assert (code, out) == (0, "")
    assert err.startswith("Usage:\n  lxc image [flags]\n  lxc image [command]\n")


@pytest.mark.parametrize("words", [["--help"], [], ["help"], ["-h"]])
def test_help_of_the_whole(lxc: Lxc, words: list[str]) -> None:
    code, out, _ = lxc(no_server, *words)
    assert code == 0
    assert "  image       " in out
    assert "  monitor" not in out


def test_all_shows_the_rarely_used_commands(lxc: Lxc) -> None:
    assert "  monitor" in lxc(no_server, "--all")[1]


def test_servers_refusal_is_told_in_its_words(lxc: Lxc) -> None:
    assert lxc(lambda request: request.refuse(404, "Image not found"), "image", "info", "x") == (
        1,
        "",
        "Error: Image not found\n",
    )


def _import(request: Request) -> None:
    if request.path == "/1.0":
        request.sync({"api_extensions": ["image_import_alias"]})
    elif request.method == "POST":
        request.operation({"id": "x", "status_code": 200, "metadata": {"fingerprint": FINGERPRINT}})
    else:
        no_server(request)


def test_import_sends_aliases_along_where_the_server_can(lxc: Lxc, tmp_path: Path) -> None:
    seen: list[Request] = []

    def handler(request: Request) -> None:
        seen.append(request)
        _import(request)

    (tmp_path / "image.tar").write_bytes(b"x" * 100)
    words = [
        "image",
        "import",
        str(tmp_path / "image.tar"),
        "--alias",
        "a/b",
        "--alias",
        "c",
        "--public",
        " os = D&C ",
        "x=",
    ]
    assert lxc(handler, *words) == (0, f"Image imported with fingerprint: {FINGERPRINT}\n", "")
    headers = seen[-1].headers
    assert headers["x-lxd-aliases"] == "alias=a%2Fb&alias=c"
    assert headers["x-lxd-properties"] == "os=D%26C&x="
    assert headers["x-lxd-public"] == "true"
    assert headers["x-lxd-filename"] == "image.tar"
    assert seen[-1].body == b"x" * 100


def test_quiet_import_says_nothing(lxc: Lxc, tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(b"x")
    assert lxc(_import, "-q", "image", "import", str(tmp_path / "image.tar")) == (0, "", "")


def test_aliases_are_moved_one_by_one_where_the_server_cannot(lxc: Lxc, tmp_path: Path) -> None:
    calls: list[str] = []

    def handler(request: Request) -> None:
        calls.append(f"{request.method} {request.path}")
        if request.path == "/1.0":
            request.sync({"api_extensions": []})
        elif request.path == "/1.0/images" and request.method == "POST":
            request.operation({"id": "x", "status_code": 200, "metadata": {"fingerprint": FINGERPRINT}})
        elif request.method == "GET":
            request.sync([{"name": "old", "target": "cd" * 32, "description": "kept"}])
        else:
            assert request.json()["target"] == FINGERPRINT
            request.sync({})

    (tmp_path / "image.tar").write_bytes(b"x")
    lxc(handler, "image", "import", str(tmp_path / "image.tar"), "--alias", "old", "--alias", "new")
    assert calls[-2:] == ["PUT /1.0/images/aliases/old", "POST /1.0/images/aliases"]


@pytest.mark.parametrize("turned", [False, True])
def test_split_image_is_sent_metadata_first_in_either_order(lxc: Lxc, tmp_path: Path, *, turned: bool) -> None:
    seen: list[Request] = []

    def handler(request: Request) -> None:
        seen.append(request)
        _import(request)

    (tmp_path / "meta.tar").write_bytes(b"metadata")
    (tmp_path / "root.squashfs").write_bytes(b"hsqs" + b"x" * 100)
    files = [str(tmp_path / "meta.tar"), str(tmp_path / "root.squashfs")]
    assert lxc(handler, "image", "import", *(reversed(files) if turned else files))[0] == 0
    body = seen[-1].body
    assert body.index(b'name="metadata"; filename="meta.tar"') < body.index(b'name="rootfs"; filename="root.squashfs"')


def test_directory_with_an_exported_pair_is_imported(lxc: Lxc, tmp_path: Path) -> None:
    folder = tmp_path / "pair"
    folder.mkdir()
    (folder / f"meta-{FINGERPRINT}.tar.gz").write_bytes(b"m")
    (folder / f"{FINGERPRINT}.squashfs").write_bytes(b"hsqsroot")
    assert lxc(_import, "image", "import", str(folder))[0] == 0
    (folder / "rootfs.tar").write_bytes(b"r")
    code, _, err = lxc(_import, "image", "import", str(folder))
    assert code == 1
    assert "name the two files instead" in err


def _export(content: bytes) -> Callable[[Request], None]:
    from hashlib import sha256

    fingerprint = sha256(content).hexdigest()

    def handler(request: Request) -> None:
        if request.path.endswith("/export"):
            request.answer(200, content, {"Content-Disposition": "inline;filename=../../evil.tar.xz"})
        elif "aliases" in request.path:
            request.sync({"target": fingerprint, "type": "container"})
        else:
            request.sync({"fingerprint": fingerprint, "size": len(content)})

    return handler


def test_export_names_files_itself(lxc: Lxc, tmp_path: Path) -> None:
    from hashlib import sha256

    content = b"\x1f\x8bimage"
    (tmp_path / "out").mkdir()
    assert lxc(_export(content), "image", "export", "x", str(tmp_path / "out")) == (
        0,
        "Image exported successfully!\n",
        "",
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{sha256(content).hexdigest()}.tar.gz"]
    lxc(_export(content), "image", "export", "x", str(tmp_path / "name"))
    assert (tmp_path / "name.tar.gz").read_bytes() == content


def test_export_to_standard_output(lxc: Lxc) -> None:
    assert lxc(_export(b"plain text"), "image", "export", "x", "-") == (0, "plain text", "")


def test_export_of_other_bytes_leaves_nothing(lxc: Lxc, tmp_path: Path) -> None:
    def handler(request: Request) -> None:
        if request.path.endswith("/export"):
            request.answer(200, b"something else")
        elif "aliases" in request.path:
            request.refuse(404, "not found")
        else:
            request.sync({"fingerprint": FINGERPRINT, "size": 5})

    (tmp_path / "out").mkdir()
    code, _, err = lxc(handler, "image", "export", "x", str(tmp_path / "out"))
    assert code == 1
    assert "fingerprint doesn't match" in err
    assert list((tmp_path / "out").iterdir()) == []


def test_outdated_images_are_an_exit_code_of_their_own(lxc: Lxc) -> None:
    image = {"fingerprint": FINGERPRINT, "aliases": ["debian"], "newer": "cd" * 32, "reason": "auto update is off"}
    code, out, _ = lxc(lambda request: request.sync([image]), "image", "outdated", "-f", "csv")
    assert (code, out) == (2, f"debian,{FINGERPRINT[:12]},{'cd' * 6},auto update is off\n")
    assert lxc(lambda request: request.sync([]), "image", "outdated", "-f", "csv")[0] == 0


def test_prune_says_what_it_did_and_why(lxc: Lxc) -> None:
    seen: list[Request] = []

    def handler(request: Request) -> None:
        seen.append(request)
        image = {"fingerprint": FINGERPRINT, "aliases": [], "size": 5 << 20, "reason": "never used", "removed": False}
        request.sync([image])

    code, out, _ = lxc(handler, "image", "prune", "--unused", "--older-than", "30d", "--to-free", "5GiB", "--dry-run")
    assert code == 0
    assert "never used" in out
    assert out.endswith("1 images with 5.00MiB would be deleted\n")
    assert seen[0].json() == {"dry_run": True, "older_than_days": 30, "unused": True, "to_free": 5 << 30}


def test_deleted_images_are_listed_apart(lxc: Lxc) -> None:
    seen: list[Request] = []

    def handler(request: Request) -> None:
        seen.append(request)
        request.sync([{"fingerprint": FINGERPRINT, "size": 1, "uploaded_at": ""}])

    assert lxc(handler, "image", "list", "--deleted", "-f", "csv", "-c", "f") == (0, f"{FINGERPRINT[:12]}\n", "")
    assert seen[0].query == "deleted=1&recursion=1"


def test_alias_set_sends_what_it_expects(lxc: Lxc) -> None:
    seen: list[Request] = []

    def handler(request: Request) -> None:
        seen.append(request)
        if request.method == "POST":
            request.sync({"previous": "cd" * 32, "target": FINGERPRINT})
        else:
            request.refuse(404, "not found")

    out = lxc(handler, "image", "alias", "set", "a/b", "abab", "--expect=")[1]
    assert out == f"a/b moved from {'cd' * 6} to {FINGERPRINT[:12]}\n"
    assert seen[-1].path == "/1.0/images/aliases/a%2Fb/move"
    assert seen[-1].json() == {"target": "abab", "expect": None}
    lxc(handler, "image", "alias", "set", "a/b", "abab")
    assert seen[-1].json() == {"target": "abab"}


def test_editor_opens_again_after_a_mistake(tmp_path: Path) -> None:
    """With a terminal: the first save is no YAML, the second is; nothing typed is lost."""
    editor = tmp_path / "editor"
    editor.write_text(
        '#!/bin/sh\nif [ -e "$0.again" ]; then\n'
        'grep -q "properties: \\[" "$1" && echo "properties: {os: second}" > "$1"\n'
        'else touch "$0.again"; echo "properties: [" > "$1"; fi\n'
    )
    editor.chmod(0o755)
    saved: list[object] = []

    def handler(request: Request) -> None:
        if request.method == "PUT":
            saved.append((request.json()["properties"], request.headers.get("if-match")))
            request.sync({})
        elif "aliases" in request.path:
            request.refuse(404, "not found")
        else:
            request.sync({"fingerprint": FINGERPRINT, "properties": {"os": "first"}}, {"ETag": "tag"})

    with api_server(handler) as api:
        environment = {**os.environ, "EDITOR": str(editor), "LXD_SOCKET": str(api.path), "LXD_CONF": str(tmp_path)}
        environment.pop("VISUAL", None)
        controller, terminal = pty.openpty()
        try:
            os.write(controller, b"\n")
            program = "from azekura.cli.main import main; main()"
            done = subprocess.run(
                [sys.executable, "-c", program, "image", "edit", "x"],
                env=environment,
                stdin=terminal,
                capture_output=True,
                text=True,
                timeout=30,
            )
        finally:
            os.close(controller)
            os.close(terminal)
    assert done.returncode == 0, done.stderr
    assert "Config parsing error: yaml: line 1: did not find expected node content" in done.stderr
    assert "Press enter to open the editor again or ctrl+c to abort change" in done.stdout
    assert saved == [({"os": "second"}, "tag")]


def test_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    def handler(request: Request) -> None:
        request.sync([{"fingerprint": f"{number:064}", "size": 1, "uploaded_at": ""} for number in range(5000)])

    with api_server(handler) as api:
        program = f"{sys.executable} -c 'from azekura.cli.main import main; main()' image list | head -1"
        environment = {**os.environ, "LXD_SOCKET": str(api.path), "LXD_CONF": str(tmp_path)}
        done = subprocess.run(program, shell=True, env=environment, capture_output=True, text=True, timeout=30)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_pushing_the_folder_one_stands_in_sends_what_is_in_it(
    lxc: Lxc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source" / "below").mkdir(parents=True)
    (tmp_path / "source" / "file").write_text("x")
    monkeypatch.chdir(tmp_path / "source")
    made: list[str] = []

    def handler(request: Request) -> None:
        if request.method == "POST":
            made.append(request.query.partition("path=")[2].partition("&")[0])
            request.sync({})
        else:
            request.refuse(404, "not found")

    assert lxc(handler, "file", "push", "-r", "./", "c1/tmp/to")[0] == 0
    assert [path.replace("%2F", "/") for path in made] == ["/tmp/to", "/tmp/to/below", "/tmp/to/file"]


def test_missing_folders_get_the_servers_mode_and_the_files_owner(lxc: Lxc, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    made: list[tuple[str, str | None, str | None]] = []

    def handler(request: Request) -> None:
        if request.method == "POST" and request.headers.get("x-lxd-type") == "directory":
            headers = request.headers
            made.append(
                (
                    request.query.partition("path=")[2].partition("&")[0],
                    headers.get("x-lxd-mode"),
                    headers.get("x-lxd-uid"),
                )
            )
        if request.method == "POST":
            request.sync({})
        else:
            request.refuse(404, "not found")

    assert lxc(handler, "file", "push", "-p", "--uid", "7", str(tmp_path / "file"), "c1/a/b/file")[0] == 0
    assert [(path.replace("%2F", "/"), mode, uid) for path, mode, uid in made] == [
        ("/a", None, "7"),
        ("/a/b", None, "7"),
    ]


def test_a_dot_at_the_end_of_a_target_is_a_folder(lxc: Lxc, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    made: list[str] = []

    def handler(request: Request) -> None:
        made.append(request.query.partition("path=")[2].partition("&")[0].replace("%2F", "/"))
        request.sync({})

    for target in ("c1/.", "c1/tmp/./", "c1/tmp/a/.."):
        assert lxc(handler, "file", "push", str(tmp_path / "file"), target)[0] == 0
    assert made == ["/file", "/tmp/file", "/tmp/file"]
