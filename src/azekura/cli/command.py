"""What a command is: its words for the help, its flags, how many arguments it takes, and the function that runs it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from azekura.cli.invocation import Invocation

SWITCH, TEXT, TEXTS, INTEGER, UNSIGNED, OPTIONAL = "switch", "text", "texts", "integer", "unsigned", "optional"
MANY = -1


class Flag:
    """``kind``: SWITCH takes no value, TEXTS may be repeated, OPTIONAL takes a value only after ``=``."""

    __slots__ = ("bare", "default", "kind", "name", "short", "words")

    def __init__(
        self, name: str, words: str, *, short: str = "", kind: str = SWITCH, default: str = "", bare: str = ""
    ) -> None:
        self.name = name
        self.words = words
        self.short = short
        self.kind = kind
        self.default = default
        self.bare = bare  # the value of an OPTIONAL flag given without one


class Command:
    """``minimum`` and ``maximum`` bound the number of arguments; MANY for no upper bound.

    ``bare_usage``: without any argument it shows its usage, as a group of commands does.
    """

    __slots__ = (
        "bare_usage",
        "description",
        "examples",
        "flags",
        "hidden",
        "maximum",
        "minimum",
        "run",
        "summary",
        "usage",
    )

    def __init__(
        self,
        summary: str,
        run: Callable[[Invocation], int | None],
        *,
        usage: str = "",
        minimum: int = 0,
        maximum: int = 0,
        flags: tuple[Flag, ...] = (),
        description: str = "",
        examples: tuple[tuple[str, str], ...] = (),
        bare_usage: bool = False,
        hidden: bool = False,
    ) -> None:
        self.summary = summary
        self.run = run
        self.usage = usage
        self.minimum = minimum
        self.maximum = maximum
        self.flags = flags
        self.description = description
        self.examples = examples
        self.bare_usage = bare_usage
        self.hidden = hidden


GLOBAL_FLAGS = (
    Flag("debug", "Show the requests that are sent, on standard error"),
    Flag("force-local", "Talk to the local unix socket only"),
    Flag("help", "Show this help", short="h"),
    Flag("project", "Work in this project", kind=TEXT),
    Flag("quiet", "Leave out progress and closing words", short="q"),
    Flag("sub-commands", "With help: list every command below"),
    Flag("verbose", "The same as --debug", short="v"),
    Flag("version", "Show the version"),
)
ROOT_FLAGS = (Flag("all", "List the rarely used commands too"), *GLOBAL_FLAGS)

FORMAT = Flag("format", "Form of the list: csv, json, table, yaml or compact", short="f", kind=TEXT, default="table")
