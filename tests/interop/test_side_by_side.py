"""Every step of every scenario ends on our client and daemon as on Debian's, save for what is listed here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.interop.side_by_side import SCENARIOS, Pair, Step, steps

pytestmark = [pytest.mark.interop, pytest.mark.root, pytest.mark.slow]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A difference on purpose: the lines it concerns, what we answer there, and why (docs/adr/0009)."""

    line: str
    ours: str
    why: str

    def covers(self, step: Step) -> bool:
        text = f"{step.ours.stdout}\n{step.ours.stderr}"
        return re.fullmatch(self.line, step.line) is not None and re.search(self.ours, text, re.MULTILINE) is not None


ACCEPTED = (
    Accepted(r"lxc image (delete|import)", r"Usage:\n  lxc image", "the help's sentences are our own"),
    Accepted(r".*lxc image import \$W/junk", r"^Error: Unsupported compression \(", "says what is wrong with the file"),
    Accepted(
        r"lxc image (info|list) .*",
        r'- a/b/c\n *- one\n|"another".*"sq"|name: another\n(.*\n)*.*name: sq|- another\n *- sq',
        "an image's aliases come in the order of their names",
    ),
    Accepted(r"lxc --project nosuch .*", r"^Error: Project not found$", "LXD tells how it looked"),
    Accepted(r"lxc snapshot c1 named", r'^Error: Snapshot "c1/named" already exists$', "LXD names its tables"),
    Accepted(r"lxc profile create p1", r'^Error: Profile "p1" already exists$', "LXD names its tables"),
    Accepted(r"lxc delete c1/named", r"Instance snapshot not found$", "LXD tells how it looked"),
    Accepted(r"lxc profile show nosuch", r"^Error: Profile not found$", "LXD tells how it looked"),
    Accepted(r"lxc profile assign c1 nosuch", r'profile "nosuch" doesn\'t exist', "says which profile"),
    Accepted(
        r"lxc profile assign c1 ''",
        r"No root device could be found",
        "an instance without a root disk can't even be deleted in LXD",
    ),
    Accepted(r"lxc storage create p3 nosuch", r"Unknown storage driver .* this server has", "says what there is"),
    Accepted(r"lxc storage (list|show).*", r"images/|\b3\b", "an image's tree stands in the pool, unpacked once"),
    Accepted(r"lxc network list -f csv", r"^$", "networks of the host are not shown"),
    Accepted(r"lxc file (pull|push|delete) .*", r": no such file or directory$", "says what isn't there"),
    Accepted(r"lxc config show", r"^config: \{\}$", "LXD takes an unset boolean for false, whatever its default"),
)


used: set[Accepted] = set()


def accepted(step: Step) -> bool:
    rows = [row for row in ACCEPTED if row.covers(step)]
    used.update(rows)
    return bool(rows)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with Pair.started() as both:
        yield both


@pytest.mark.parametrize("scenario", sorted(SCENARIOS.glob("*.beside")), ids=lambda path: path.stem)
def test_both_sides_answer_alike(pair: Pair, scenario: Path) -> None:
    pair.empty()
    differences = []
    for line in steps(scenario):
        step = pair.run(line)
        if not step.equal and not accepted(step):
            differences.append(str(step))
    assert not differences, "\n\n".join(["", *differences])


def test_every_accepted_difference_is_still_there() -> None:
    """Runs after the scenarios, and means something only when all of them ran."""
    if used:
        assert not [row.line for row in ACCEPTED if row not in used]
