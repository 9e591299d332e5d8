"""What may not be in any file: names that say nothing, leftovers, addresses."""

import re
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, files, lines_of, written_by_hand

_NAMES_THAT_SAY_NOTHING = {
    *("utils", "util", "helpers", "helper", "common", "manager", "managers", "misc")
}
_LARGEST_BYTES = 900_000

_LEFTOVER = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X]|HAC[K])\b")
_REGISTRY = re.compile(
    r"pypi\.(?:org|io)|pythonhosted\.org|registry\.(?:npmjs|yarnpkg)\.|npmmirror\."
)
# The lookbehind leaves "framework/x" and URLs such as "https://a.example/home/x".
_MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:home|root|Users|work|opt/wheels)/\w")
_SUPPRESSION = re.compile(
    r"# (?:noqa|type: ignore)(?P<code>: ?[A-Z]+\d+(?:, ?[A-Z]+\d+)*|\[[\w, -]+\])?"
    r"(?P<reason>.*)"
)
_SHORTEST_REASON = 4


def _found(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:120]}"
        for path in paths
        for number, line in enumerate(lines_of(path), start=1)
        if pattern.search(line)
    ]


def test_modules_are_named_for_what_they_hold() -> None:
    named = [
        str(path)
        for path in files()
        if path.parts[0] != "protos"
        and _NAMES_THAT_SAY_NOTHING & {part.split(".")[0] for part in path.parts}
    ]

    assert named == []


def test_nothing_is_left_to_do_in_the_code() -> None:
    assert (
        _found(_LEFTOVER, written_by_hand(".py", ".ts", ".tsx", ".md", ".yaml")) == []
    )


@pytest.mark.parametrize("pattern", [_REGISTRY, _MACHINE_PATH])
def test_no_file_names_a_registry_or_a_machine(pattern: re.Pattern[str]) -> None:
    paths = [path for path in files() if path != Path(__file__).relative_to(ROOT)]

    assert _found(pattern, paths) == []


def test_no_file_is_too_large_to_review() -> None:
    sizes = {str(path): (ROOT / path).stat().st_size for path in files()}

    assert {name: n for name, n in sizes.items() if n > _LARGEST_BYTES} == {}


def test_every_suppression_names_its_code_and_its_reason() -> None:
    bare = []
    for path in written_by_hand(".py"):
        for number, line in enumerate(lines_of(path), start=1):
            found = _SUPPRESSION.search(line)
            if found and not _is_explained(found):
                bare.append(f"{path}:{number}: {line.strip()}")

    assert bare == []


def _is_explained(found: re.Match[str]) -> bool:
    reason = found["reason"].strip(" #-()")
    return found["code"] is not None and len(reason) >= _SHORTEST_REASON
