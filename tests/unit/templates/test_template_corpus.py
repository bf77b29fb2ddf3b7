"""What LXD 5.0.2 itself made of 2,072 templates, against what we make of them."""

from __future__ import annotations

import base64
import json
import lzma
import random
import re
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from azekura.templates import TemplateContext, TemplateFailed, render

CASES: list[dict[str, Any]] = json.loads(lzma.decompress(Path(__file__).with_name("corpus.json.xz").read_bytes()))
BY_ID = {case["id"]: case for case in CASES}
AREAS: dict[str, list[dict[str, Any]]] = defaultdict(list)
for _case in CASES:
    AREAS[_case["area"]].append(_case)

MACRO_ERRORS = "a macro's error fails the template instead of becoming text in the file"
ELSE_ONCE = "LXD takes several else and then chooses one that nobody would expect"
NO_METHODS = "no methods of LXD's own types but devices.Sorted"
NO_INTERNALS = "no internals of LXD's engine"
SOH_IS_TEXT = "U+0001 means end of input to LXD, and is text here"
FINAL_BRACE = "a final { joins LXD's own closing tag, and is text here"
METADATA = "the metadata itself is invalid: refused before any template is rendered"

# What LXD renders and we refuse: our reason, and why
REFUSED = {
    "tags-if-011": ("Tag 'else' is not allowed after 'else'", ELSE_ONCE),
    "tags-if-012": ("Tag 'else' is not allowed after 'else'", ELSE_ONCE),
    "tags-if-013": ("Tag 'elif' is not allowed after 'else'", ELSE_ONCE),
    "tags-if-014": ("Tag 'elif' is not allowed after 'else'", ELSE_ONCE),
    "tags-for-059": ("'Reversed' of devices is not supported in templates", NO_METHODS),
    "tags-for-064": ("'CloneNative' of devices is not supported in templates", NO_METHODS),
    "tags-for-065": ("'Clone' of devices is not supported in templates", NO_METHODS),
    "tags-for-066": ("'Clone' of devices is not supported in templates", NO_METHODS),
    "devices-008": ("'NICType' of devices is not supported in templates", NO_METHODS),
    "devices-009": ("'Clone' of devices is not supported in templates", NO_METHODS),
    "devices-010": ("'Clone' of devices is not supported in templates", NO_METHODS),
    "devices-011": ("'Contains' of devices is not supported in templates", NO_METHODS),
    "bugs-029": ("'wrappers' of a block is not supported in templates", NO_INTERNALS),
    "tags-scope-037": ("Macro 'm' called with too many arguments (2 instead of 1).", MACRO_ERRORS),
    "tags-scope-050": ("Can't access a field by name on type string (variable a.b)", MACRO_ERRORS),
    "tags-scope-111": ("you cannot pass more than 2 arguments to filter 'pluralize'", MACRO_ERRORS),
    "tags-scope-113": (
        "Can't access a field by name on type string (variable container.name.x)",
        MACRO_ERRORS,
    ),
}

# What we render otherwise, or render although LXD refuses it or crashes: our result, and why
RENDERED = {
    "filters-text-190": (b"<b>x</b>", "removetags takes names, not regular expressions"),
    "filters-text-191": (b"<bb>x</bb>", "removetags takes names, not regular expressions"),
    "bytes-004": (b"a\x01b", SOH_IS_TEXT),
    "bytes-005": (b"a\x01bc1", SOH_IS_TEXT),
    "bytes-006": (b"a\x01b", SOH_IS_TEXT),
    "bytes-015": (b"c1\x01", SOH_IS_TEXT),
    "bytes-016": (b"x", SOH_IS_TEXT),
    "bytes-017": (b"a\x01bc", SOH_IS_TEXT),
    "whitespace-032": (b"{", FINAL_BRACE),
    "bugs-002": (b"a{", FINAL_BRACE),
    "bugs-004": (b"a b{", FINAL_BRACE),
    "bugs-007": (b"{{", FINAL_BRACE),
    "bugs-009": (b"{ {", FINAL_BRACE),
    "bugs-013": (b"{", FINAL_BRACE),
    "bugs-016": (b"xy", "an empty verbatim block never closes in LXD"),
}

UNCLOSED = "the tag that wasn't closed is named, not LXD's own closing tag"
UNENDED = "a tag without its end is named, instead of reading on into LXD's own closing tag"
PLAIN = "without the headers that LXD's engine puts before a reason"

# Errors with another reason than LXD's: ours, and why
REWORDED = {
    "tags-if-009": ("Tag 'if' is not closed, expected tag 'endif'", UNCLOSED),
    "errors-007": ("Tag 'if' is not closed, expected tag 'endif'", UNCLOSED),
    "tags-for-032": ("Tag 'for' is not closed, expected tag 'endfor'", UNCLOSED),
    "tags-scope-028": ("Tag 'with' is not closed, expected tag 'endwith'", UNCLOSED),
    "tags-scope-048": ("Tag 'macro' is not closed, expected tag 'endmacro'", UNCLOSED),
    "tags-misc-093": ("Tag 'autoescape' is not closed, expected tag 'endautoescape'", UNCLOSED),
    "tags-misc-133": ("Tag 'if' is not ended: '%}' expected", UNENDED),
    "tags-misc-134": ("Tag 'if' is not ended: '%}' expected", UNENDED),
    "errors-018": ("Tag 'if' is not ended: '%}' expected", UNENDED),
    "errors-020": ("Tag 'set' is not ended: '%}' expected", UNENDED),
    "tags-misc-004": ("Filter with name 'nosuch' not found.", PLAIN),
    "tags-misc-009": ("Filter with name 'replace' not found.", PLAIN),
    "bugs-039": ("filter input argument must be of type 'time.Time'", PLAIN),
    "bugs-040": ("filter 'pluralize' does only work on numbers", PLAIN),
    "tags-for-063": ("'Contains' of devices is not supported in templates", NO_METHODS),
    "devices-007": ("'Validate' of devices is not supported in templates", NO_METHODS),
    "devices-021": ("'Update' of devices is not supported in templates", NO_METHODS),
}

# Errors that point at the tag which isn't closed, or at the one that closed too much, instead of at the end
POINTING_ELSEWHERE = {
    "tags-misc-035": (1, 5),
    "bugs-005": (1, 4),
    "tags-misc-051": (1, 1),
    "bugs-006": (1, 1),
    "tags-misc-092": (1, 4),
}

INVALID_METADATA = {"properties-yaml-014": METADATA, "properties-yaml-015": METADATA}

# With exact_trigger off, and only then: trigger is a text like any other
FRIENDLY_TRIGGER = {
    "operators-071": b"True",
    "operators-072": b"False",
    "operators-073": b"True",
    "tags-if-043": b"A",
    "trigger-001": b"create|eq|CREATE|in|6",
    "trigger-002": b"copy|eq|COPY|in|4",
    "trigger-003": b"rename|eq|RENAME|in|6",
    "trigger-004": b"start|eq|START|in|5",
    "trigger-005": b"bogus|eq|BOGUS|in|5",
    "filters-text-219": b"string",
}

_ERROR = re.compile(
    r"Failed to render template: \[Error \(where: [^)]*\)(?: in <string>)?"
    r"(?: \| Line (?P<line>\d+) Col (?P<column>\d+)(?: near '.*?')?)?\] (?P<reason>.*)",
    re.DOTALL,
)
_WRAPPER = len("{% autoescape off %}")  # LXD's, on line 1 of every template


def data(case: dict[str, Any], key: str) -> bytes:
    return base64.b64decode(case[f"{key}_b64"]) if f"{key}_b64" in case else case[key].encode()


def properties_of(case: dict[str, Any]) -> dict[str, str]:
    """The properties, with the YAML's own spelling of scalars where the case is about that."""
    document = case["context"].get("metadata_yaml")
    if document is None:
        return dict(case["context"].get("properties") or {})
    root: Any = yaml.compose(document, Loader=yaml.SafeLoader)
    for key in ("templates", "/t/x", "properties"):
        root = next((value for name, value in root.value if name.value == key), None)
        if root is None or root.tag.endswith(":null"):
            return {}
    return {name.value: "" if value.tag.endswith(":null") else value.value for name, value in root.value}


def context_of(case: dict[str, Any], *, exact_trigger: bool = True) -> TemplateContext:
    context = case["context"]
    return TemplateContext(
        name=context["name"],
        architecture=context["architecture"],
        ephemeral=context["ephemeral"],
        privileged=context["privileged"],
        trigger=context["trigger"],
        path=context["path"],
        properties=properties_of(case),
        config=context.get("config", {}),
        devices=context.get("devices", {}),
        now=datetime.now(UTC),
        random=random.Random(1),
        exact_trigger=exact_trigger,
    )


def outcome(case: dict[str, Any], *, exact_trigger: bool = True) -> bytes | TemplateFailed:
    try:
        return render("a.tpl", data(case, "template"), context_of(case, exact_trigger=exact_trigger))
    except TemplateFailed as failed:
        return failed


def expected_place(case: dict[str, Any]) -> tuple[int, int] | None:
    match = _ERROR.match(case["error"])
    if match is None or match["line"] is None:
        return None
    line, column = int(match["line"]), int(match["column"])
    return line, column - _WRAPPER if line == 1 else column


def fault_with(case: dict[str, Any]) -> str | None:
    """What is wrong with our outcome of a case; None if nothing is."""
    name, ours = case["id"], outcome(case)
    if name in RENDERED:
        return None if ours == RENDERED[name][0] else f"rendered {ours!r}"
    if "error" not in case:
        if name in REFUSED:
            return None if isinstance(ours, TemplateFailed) and ours.reason == REFUSED[name][0] else f"got {ours!r}"
        if case.get("varies"):
            return None if isinstance(ours, bytes) else f"failed: {ours}"
        return None if ours == data(case, "result") else f"got {ours!r} instead of {data(case, 'result')!r}"
    if not isinstance(ours, TemplateFailed):
        return f"rendered {ours!r} instead of failing with {case['error']}"
    if not str(ours).startswith(f'Template "a.tpl" line {ours.line}: ') or not ours.reason:
        return f"says only {ours}"
    if case["error"].startswith("panic: "):
        return None
    match = _ERROR.match(case["error"])
    reason = REWORDED[name][0] if name in REWORDED else match["reason"] if match else None
    if ours.reason != reason:
        return f"says {ours.reason!r} instead of {reason!r}"
    place = POINTING_ELSEWHERE.get(name) or (None if name in REWORDED else expected_place(case))
    return (
        f"points at {(ours.line, ours.column)} instead of {place}"
        if place not in (None, (ours.line, ours.column))
        else None
    )


@pytest.mark.parametrize("area", sorted(AREAS))
def test_rendering_is_lxds_byte_for_byte(area: str) -> None:
    faults = {case["id"]: fault_with(case) for case in AREAS[area] if case["id"] not in INVALID_METADATA}
    assert {name: fault for name, fault in faults.items() if fault} == {}


def test_trigger_compares_as_text_unless_exactness_is_asked_for() -> None:
    changed = {}
    for case in CASES:
        if case["id"] not in INVALID_METADATA and "error" not in case:
            ours, exact = outcome(case, exact_trigger=False), outcome(case)
            if isinstance(ours, bytes) and ours != exact:
                changed[case["id"]] = ours
    assert changed == FRIENDLY_TRIGGER


def test_every_listed_difference_is_one() -> None:
    """A table that lists what has become equal would hide what becomes unequal again."""
    for name, (text, _) in RENDERED.items():
        assert "error" in BY_ID[name] or data(BY_ID[name], "result") != text
    for name in REFUSED:
        assert "error" not in BY_ID[name]
    for name, (reason, _) in REWORDED.items():
        match = _ERROR.match(BY_ID[name]["error"])
        assert match is None or match["reason"] != reason
    for name, place in POINTING_ELSEWHERE.items():
        assert expected_place(BY_ID[name]) != place


def test_maps_are_iterated_in_order_where_lxds_order_is_random() -> None:
    keys = [key.encode() for key in sorted(BY_ID["tags-for-025"]["context"]["config"])]
    assert outcome(BY_ID["tags-for-025"]) == b"".join(key + b";" for key in keys)
