"""Every step of every scenario ends as with Debian's client and daemon, whichever of the two is replaced by ours, save
for what is listed here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.interop.side_by_side import SCENARIOS, Sides, Step, steps

pytestmark = [pytest.mark.interop, pytest.mark.root, pytest.mark.slow]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A difference on purpose: the lines it concerns, what we answer there, and why (docs/adr/0009)."""

    line: str
    ours: str
    why: str

    def covers(self, step: Step, side: str) -> bool:
        text = f"{step.different[side].stdout}\n{step.different[side].stderr}"
        return re.fullmatch(self.line, step.line) is not None and re.search(self.ours, text, re.MULTILINE) is not None


ACCEPTED = (
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
    Accepted(
        r"lxc network list -f csv", r'\A\s*\Z|missing the required "network" API', "networks of the host are not shown"
    ),
    Accepted(r"lxc file (pull|push|delete) .*", r": no such file or directory$", "says what isn't there"),
    Accepted(r"lxc config show", r"^config: \{\}$", "LXD takes an unset boolean for false, whatever its default"),
)


used: set[Accepted] = set()


def accepted(step: Step, side: str) -> bool:
    """Our client at Debian's daemon has nothing to differ in."""
    rows = [row for row in ACCEPTED if row.covers(step, side)] if "our lxd" in side else []
    used.update(rows)
    return bool(rows)


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    with Sides.started() as all_four:
        yield all_four


@pytest.mark.parametrize("scenario", sorted(SCENARIOS.glob("*.beside")), ids=lambda path: path.stem)
def test_all_sides_answer_alike(sides: Sides, scenario: Path) -> None:
    sides.empty()
    differences = []
    for line in steps(scenario):
        step = sides.run(line)
        differences += [step.about(side) for side in step.different if not accepted(step, side)]
    assert not differences, "\n\n".join(["", *differences])


def test_every_accepted_difference_is_still_there() -> None:
    """Runs after the scenarios, and means something only when all of them ran."""
    if used:
        assert not [row.line for row in ACCEPTED if row not in used]
