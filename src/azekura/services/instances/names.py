"""Names for instances whose maker gave none: an adjective and a noun."""

from __future__ import annotations

import secrets
from collections.abc import Callable

ADJECTIVES = (
    "amber apt bold brave brief bright brisk calm clean clear clever cosy crisp deft eager early even fair fast fine "
    "firm fond fresh full gentle glad good grand happy hardy keen kind light lively lucid merry mild neat new nimble "
    "noble open plain proud pure quick quiet rapid ready ripe rosy safe sharp smart snug sound steady still sunny "
    "super sure swift tidy true vivid warm wise"
).split()
NOUNS = (
    "badger bear bee bison bream carp cat cod condor crab crane crow cub deer doe dove duck eagle eel elk falcon fawn "
    "finch fox frog gecko goat goose grouse gull hare hawk hen heron hound ibis jay kite koala lamb lark lion lynx "
    "mole moose moth mouse mule newt otter owl panda perch pike pony puma quail raven robin seal shrew skunk snail "
    "stag stork swan tapir tern tiger toad trout vole wasp whale wolf wren yak zebra"
).split()


def fresh_name(taken: Callable[[str], bool]) -> str:
    """A name that ``taken`` doesn't know."""
    for _ in range(50):
        name = f"{secrets.choice(ADJECTIVES)}-{secrets.choice(NOUNS)}"
        if not taken(name):
            return name
    return f"{name}-{secrets.token_hex(3)}"
